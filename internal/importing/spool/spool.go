// Package spool keeps the records of one file on a disk, by stream and hour, until they are in the
// archive. It remembers up to where the file was read and which hours are done, so that another run
// goes on there. Its folder holds logs of the tenant: only its owner may read it, and it is removed
// when all is done.
package spool

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/entraledger/entraledger/internal/entra"
)

// Hour is where records are kept: one hour of one stream.
type Hour struct {
	Stream entra.Stream
	Start  time.Time
}

func (h Hour) file() string { return string(h.Stream) + "/" + h.Start.UTC().Format("2006-01-02T15") }

const (
	stateName = "state.json"
	doneName  = "done"
	hoursName = "hours"
)

// Spool is the folder of one file.
type Spool struct {
	folder  string
	lock    io.Closer
	memory  int // bytes of records that are kept in memory until they are written
	pending map[Hour][]byte
	bytes   int
	sizes   map[string]int64 // of the hours' files, as they were written
	packer  *zstd.Encoder
	done    *os.File
}

// state is what is known for sure: what the files held at one moment.
type state struct {
	Note  json.RawMessage  `json:"note"`
	Sizes map[string]int64 `json:"sizes"`
}

// ErrBusy is the error of a folder that another process works in.
var ErrBusy = errors.New("another import works on the same file here")

// Open opens the folder of a file, by the SHA-256 of its bytes, and drops what was written after
// the last Save. memory bounds the records that are in memory. note is what Save was given last;
// nil for a new folder.
func Open(root, sha string, memory int) (s *Spool, note json.RawMessage, err error) {
	folder := filepath.Join(root, sha)
	if err := os.MkdirAll(filepath.Join(folder, hoursName), 0o700); err != nil {
		return nil, nil, err
	}
	lock, err := lockFile(filepath.Join(root, sha+".lock"))
	if err != nil {
		return nil, nil, err
	}
	// The one that had the lock before may have removed the folder.
	if err := os.MkdirAll(filepath.Join(folder, hoursName), 0o700); err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	s = &Spool{folder: folder, lock: lock, memory: memory, pending: map[Hour][]byte{}, sizes: map[string]int64{},
		packer: packer}
	note, err = s.restore()
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, note, nil
}

// restore brings the hours' files back to what they were when the state was saved.
func (s *Spool) restore() (json.RawMessage, error) {
	var last state
	text, err := os.ReadFile(filepath.Join(s.folder, stateName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if json.Unmarshal(text, &last) != nil {
		// There is none yet, or the machine lost power: begin again. What is done counts records of the
		// hours that are dropped here.
		last = state{}
		if err := os.Remove(filepath.Join(s.folder, doneName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	s.sizes = last.Sizes
	if s.sizes == nil {
		s.sizes = map[string]int64{}
	}
	changed := fmt.Errorf("the folder %s is not what an import left: remove it, and import again", s.folder)
	seen := 0
	err = s.each(func(name, path string, size int64) error {
		want, ok := s.sizes[name]
		if ok {
			seen++
		}
		switch {
		case !ok:
			return os.Remove(path)
		case size < want:
			return changed
		case size > want:
			return os.Truncate(path, want)
		}
		return nil
	})
	if err == nil && seen < len(s.sizes) {
		err = changed
	}
	return last.Note, err
}

// each visits the hours' files.
func (s *Spool) each(visit func(name, path string, size int64) error) error {
	root := filepath.Join(s.folder, hoursName)
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return visit(filepath.ToSlash(name), path, info.Size())
	})
}

// Add keeps a record's bytes. They are on the disk after the next Save.
func (s *Spool) Add(h Hour, raw []byte) error {
	p := binary.AppendUvarint(s.pending[h], uint64(len(raw)))
	s.pending[h] = append(p, raw...)
	if s.bytes += len(raw) + 16; s.bytes < s.memory {
		return nil
	}
	return s.write()
}

// Pending is how many bytes are in memory only.
func (s *Spool) Pending() int { return s.bytes }

// write appends what is in memory to the hours' files: each as one frame, packed, behind its
// length.
func (s *Spool) write() error {
	var packed []byte
	for h, raw := range s.pending {
		packed = s.packer.EncodeAll(raw, packed[:0])
		if err := s.append(h.file(), packed); err != nil {
			return err
		}
	}
	clear(s.pending)
	s.bytes = 0
	return nil
}

func (s *Spool) append(name string, frame []byte) error {
	path := filepath.Join(s.folder, hoursName, filepath.FromSlash(name))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	}
	if err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(frame)))
	_, err = f.Write(append(head, frame...))
	s.sizes[name] += int64(len(head) + len(frame))
	return errors.Join(err, f.Close())
}

// Save makes what was added so far, and a note, what the next Open finds.
func (s *Spool) Save(note any) error {
	if err := s.write(); err != nil {
		return err
	}
	text, err := json.Marshal(note)
	if err != nil {
		return err
	}
	return s.replace(stateName, state{Note: text, Sizes: s.sizes})
}

// replace writes a file aside and renames it: a kill leaves the old one or the new one.
func (s *Spool) replace(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Hours are the hours of which records are kept, by stream and time.
func (s *Spool) Hours() (out []Hour, err error) {
	err = s.each(func(name, _ string, _ int64) error {
		stream, hour, _ := strings.Cut(name, "/")
		start, err := time.Parse("2006-01-02T15", hour)
		if err == nil {
			out = append(out, Hour{entra.Stream(stream), start})
		}
		return err
	})
	slices.SortFunc(out, func(a, b Hour) int {
		if c := strings.Compare(string(a.Stream), string(b.Stream)); c != 0 {
			return c
		}
		return a.Start.Compare(b.Start)
	})
	return out, err
}

// Read gives the records of an hour to take, in the order in which they came. The bytes are not
// used again.
func (s *Spool) Read(h Hour, take func(raw []byte) error) (err error) {
	f, err := os.Open(filepath.Join(s.folder, hoursName, filepath.FromSlash(h.file())))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	unpacker, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	defer unpacker.Close()
	in := bufio.NewReaderSize(f, 64<<10)
	var head [4]byte
	for {
		if _, err := io.ReadFull(in, head[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		size := binary.LittleEndian.Uint32(head[:])
		if size == 0 { // no frame is empty: a machine that lost power left zeros
			return s.damaged(h)
		}
		packed := make([]byte, size)
		if _, err := io.ReadFull(in, packed); err != nil {
			return err
		}
		frame, err := unpacker.DecodeAll(packed, nil)
		if err != nil {
			return err
		}
		for len(frame) > 0 {
			n, width := binary.Uvarint(frame)
			if width <= 0 || n > uint64(len(frame)-width) {
				return s.damaged(h)
			}
			frame = frame[width:]
			if err := take(frame[:n:n]); err != nil {
				return err
			}
			frame = frame[n:]
		}
	}
}

func (s *Spool) damaged(h Hour) error {
	return fmt.Errorf("the spool of %s is damaged: remove the folder %s, and import again", h.file(), s.folder)
}

// Done notes that what was taken of an hour is in the archive, with what became of it.
func (s *Spool) Done(result any) error {
	if s.done == nil {
		f, err := os.OpenFile(filepath.Join(s.folder, doneName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		s.done = f
	}
	text, err := json.Marshal(result)
	if err != nil {
		return err
	}
	_, err = s.done.Write(append(text, '\n'))
	return err
}

// Results reads what Done was given. A line that a kill cut short is dropped.
func (s *Spool) Results(take func(text []byte) error) error {
	path := filepath.Join(s.folder, doneName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	whole := strings.LastIndexByte(string(text), '\n') + 1
	if whole < len(text) {
		if err := os.Truncate(path, int64(whole)); err != nil {
			return err
		}
	}
	for line := range strings.Lines(string(text[:whole])) {
		if err := take([]byte(line)); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes the folder: nothing in it is needed any more.
func (s *Spool) Remove() error {
	return errors.Join(s.closeDone(), os.RemoveAll(s.folder))
}

func (s *Spool) closeDone() error {
	if s.done == nil {
		return nil
	}
	err := s.done.Close()
	s.done = nil
	return err
}

// Close lets others work in the folder.
func (s *Spool) Close() error { return errors.Join(s.closeDone(), s.packer.Close(), s.lock.Close()) }
