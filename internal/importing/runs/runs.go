// Package runs brings files into the archive: it reads each to a spool on the disk, checks whose it
// is, and then adds what is missing, an hour of a log at a time. Until a file was read to its end,
// and is known to be of the archive's tenant, nothing is added.
package runs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/importing"
	"github.com/entraledger/entraledger/internal/importing/spool"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// Adder adds what is missing of one hour.
type Adder interface {
	Add(ctx context.Context, by ledger.Execution, stream entra.Stream, hour time.Time, records []entra.Record,
		origin entra.Origin) (arrivals.Result, error)
}

// Runner brings files into one archive.
type Runner struct {
	Adder     Adder
	Execution ledger.Execution
	Tenant    string                  // whose archive it is, as collecting wrote it down
	Archive   string                  // names the archive: what was done for another one does not count
	Archives  func(entra.Stream) bool // whether the archive has a log
	Folder    string                  // of the spools
	Memory    int                     // bytes of records that are held at a time; 0: 16 MiB
	// bytes of records after which it is written down how far a file was read; 0: 64 MiB
	Every int64
	Now   func() time.Time
	Log   *slog.Logger
}

// File is what is to be imported.
type File struct {
	Path   string
	Format importing.Format
	Log    entra.Stream // of entries that do not tell their log
	Tenant string       // spelt out by who imports; empty: the file has to name it
	By     string       // who imports
}

const (
	defaultMemory = 16 << 20
	defaultEvery  = 64 << 20
	// chunkRecords bounds what is added at a time, beside Memory.
	chunkRecords = 10_000
	// aheadOfTime is how far a record may be in the future: clocks differ a little.
	aheadOfTime = time.Hour
)

// Reasons of refusals beside those of the entries themselves.
const (
	NotArchived importing.Reason = "notArchived" // the log is not among those of the archive
	Future      importing.Reason = "future"      // the record's time has not come yet
	Past        importing.Reason = "past"        // the record's time is before Entra had logs
	NotKept     importing.Reason = "notKept"     // the month was purged, or would be dropped at once
	TooLarge    importing.Reason = "tooLarge"    // it can't be stored whole
)

// note is what is written down while a file is read.
type note struct {
	Place importing.Place `json:"place"`
	Whole bool            `json:"whole"` // the file was read to its end, or to where it is cut
	Read  Reading         `json:"read"`
}

// hourDone is what is written down of records that were added.
type hourDone struct {
	Stream  entra.Stream `json:"log"`
	Hour    time.Time    `json:"hour"`
	UpTo    int          `json:"upTo"` // records of the hour's spool
	Added   int          `json:"added,omitempty"`
	Present int          `json:"present,omitempty"`
	Large   int          `json:"large,omitempty"`
	Refused int          `json:"refused,omitempty"`
	Why     string       `json:"why,omitempty"`
}

// Import imports one file and says what became of it. After an error, or a kill, the same call goes
// on where it ended. Errors: entra.CodeBadRequest (it is another tenant's, nobody says whose it is,
// or it is no file that is known: nothing was added), entra.CodeConflict (another import here works
// on it), and those of the archive.
func (r *Runner) Import(ctx context.Context, f File) (Summary, error) {
	out := Summary{File: filepath.Base(f.Path)}
	if f.Tenant != "" && !strings.EqualFold(f.Tenant, r.Tenant) {
		return out, r.foreign(f, f.Tenant, "--tenant names")
	}
	sum, size, err := hashOf(ctx, f.Path)
	if err != nil {
		return out, err
	}
	out.SHA256, out.Bytes = hex.EncodeToString(sum[:]), size
	s, text, err := spool.Open(r.Folder, r.key(sum, f), r.memory())
	if errors.Is(err, spool.ErrBusy) {
		return out, &entra.Error{Code: entra.CodeConflict, Doing: "import " + out.File, Err: err,
			Remedy: "wait for it; it adds the same records"}
	}
	if err != nil {
		return out, err
	}
	err = r.run(ctx, s, f, text, &out, entra.Origin{Kind: entra.Imported, SHA256: sum, At: r.Now(), By: f.By,
		Name: out.File})
	return out, errors.Join(err, s.Close())
}

func (r *Runner) run(ctx context.Context, s *spool.Spool, f File, text json.RawMessage, out *Summary,
	origin entra.Origin) error {
	var n note
	if len(text) > 0 {
		if err := json.Unmarshal(text, &n); err != nil {
			return fmt.Errorf("read how far %s was read: %w; remove the folder %s", f.Path, err, r.Folder)
		}
	}
	if !n.Whole {
		if err := r.read(ctx, s, f, &n, origin.SHA256); err != nil {
			if code := entra.CodeOf(err); code == entra.CodeBadRequest || code == entra.CodeConflict {
				err = errors.Join(err, s.Remove()) // it is of no use
			}
			return err
		}
	}
	out.Reading = n.Read
	if err := r.add(ctx, s, out, origin); err != nil {
		return err
	}
	return s.Remove()
}

func (r *Runner) memory() int {
	if r.Memory > 0 {
		return r.Memory
	}
	return defaultMemory
}

// key names the spool: of a file's bytes, of what they are taken for, and of the archive, whose tenant
// they were compared with and whose hours are done.
func (r *Runner) key(sum entra.Hash, f File) string {
	as := sha256.Sum256([]byte(strings.Join([]string{string(f.Format), string(f.Log), f.Tenant,
		string(importing.StreamOfName(filepath.Base(f.Path))), strings.ToLower(r.Tenant), r.Archive}, "\n")))
	return hex.EncodeToString(sum[:]) + "-" + hex.EncodeToString(as[:4])
}

// hashOf reads a file once to know it.
func hashOf(ctx context.Context, path string) (sum entra.Hash, size int64, err error) {
	in, err := os.Open(path)
	if err != nil {
		return sum, 0, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	h := sha256.New()
	if size, err = io.Copy(h, stoppable{ctx, in}); err != nil {
		return sum, 0, err
	}
	return entra.Hash(h.Sum(nil)), size, nil
}

// stoppable is a reader that ends with its context.
type stoppable struct {
	ctx context.Context
	in  io.Reader
}

func (s stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.in.Read(p)
}

// foreign is the error of a file that is not the tenant's.
func (r *Runner) foreign(f File, tenant, who string) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "import " + filepath.Base(f.Path),
		Why:    fmt.Sprintf("%s tenant %s, and the archive is of tenant %s", who, entra.Clip(tenant, 60), r.Tenant),
		Remedy: "nothing of the file was added: import it into its own tenant's archive"}
}

func (r *Runner) nameless(f File) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "import " + filepath.Base(f.Path),
		Why:    "its records do not say of which tenant they are",
		Remedy: "nothing of the file was added: say whose it is with --tenant and the tenant's id"}
}

// changed is the error of a file that is not what it was when its hash was taken: the origin of its
// records would name another one.
func (r *Runner) changed(f File) error {
	return &entra.Error{Code: entra.CodeConflict, Doing: "import " + filepath.Base(f.Path),
		Why:    "it was changed while it was read, or can be read only once",
		Remedy: "nothing of it was added: copy it to a file that nobody writes to, and import that"}
}

// read reads a file to its end into the spool. What is read after the last Save is read again by
// the next run. The file has to be the one with the hash sum, to its last byte.
func (r *Runner) read(ctx context.Context, s *spool.Spool, f File, n *note, sum entra.Hash) (err error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	is := sha256.New()
	bytes := io.TeeReader(stoppable{ctx, file}, is)
	in, err := importing.Unpack(bytes)
	var entries *importing.Reader
	if err == nil {
		entries, err = importing.NewReader(in, importing.Options{Format: f.Format, Log: f.Log,
			Name: filepath.Base(f.Path)}, n.Place)
	}
	if err == nil {
		err = r.takeAll(ctx, s, f, n, entries)
	}
	cut, isCut := errors.AsType[*importing.Cut](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isCut:
		n.Read.Cut = &CutAt{At: cut.At, Unit: cut.Unit, Why: cut.Why}
	case !errors.Is(err, io.EOF):
		return err
	}
	if _, err := io.Copy(io.Discard, bytes); err != nil { // a disk that fails is no end of a file
		return err
	}
	if entra.Hash(is.Sum(nil)) != sum {
		return r.changed(f)
	}
	n.Whole = true
	return s.Save(n)
}

// takeAll takes all entries. The error is what ended them: io.EOF at the end of the file.
func (r *Runner) takeAll(ctx context.Context, s *spool.Spool, f File, n *note, entries *importing.Reader) error {
	var since int64
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := entries.Next()
		if err != nil {
			return err
		}
		if err := r.take(s, f, n, e); err != nil {
			return err
		}
		if since += int64(len(e.Record.Raw)) + 1; since >= r.every() && entries.Between() {
			since, n.Place = 0, entries.Place()
			if err := s.Save(n); err != nil {
				return err
			}
			r.Log.Info("reading", "file", filepath.Base(f.Path), "at", n.Place.Offset, "entries", n.Read.Entries)
		}
	}
}

func (r *Runner) every() int64 {
	if r.Every > 0 {
		return r.Every
	}
	return defaultEvery
}

// take keeps an entry's record in the spool, or counts why it is refused.
func (r *Runner) take(s *spool.Spool, f File, n *note, e importing.Entry) error {
	n.Read.Entries++
	if e.Tenant != "" && !strings.EqualFold(e.Tenant, r.Tenant) {
		return r.foreign(f, e.Tenant, fmt.Sprintf("its entry at %d names", e.At))
	}
	for _, name := range e.LeftOut {
		n.Read.leftOut(name)
	}
	refused, why := e.Refused, e.Detail
	switch {
	case refused != "":
	case e.Tenant == "" && f.Tenant == "":
		return r.nameless(f)
	case !r.Archives(e.Stream):
		refused, why = NotArchived, string(e.Stream)+" is not in ARCHIVE_STREAMS"
	case e.Record.Time.After(r.Now().Add(aheadOfTime)):
		refused, why = Future, e.Record.Time.Format(time.RFC3339)
	case e.Record.Time.Before(logs.Earliest()): // one wrong record would stretch the archive over decades
		refused, why = Past, e.Record.Time.Format(time.RFC3339)
	}
	if refused != "" {
		n.Read.refuse(e.At, refused, why)
		return nil
	}
	n.Read.Records++
	if e.Changed {
		n.Read.Converted++
	}
	return s.Add(spool.Hour{Stream: e.Stream, Start: entra.FloorHour(e.Record.Time)}, e.Record.Raw)
}

// add adds the spool's records, hour by hour. What an earlier run has added is skipped.
func (r *Runner) add(ctx context.Context, s *spool.Spool, out *Summary, origin entra.Origin) error {
	done := map[spool.Hour]int{}
	err := s.Results(func(text []byte) error {
		var d hourDone
		if err := json.Unmarshal(text, &d); err != nil {
			return err
		}
		done[spool.Hour{Stream: d.Stream, Start: d.Hour}] = d.UpTo
		out.count(d)
		return nil
	})
	if err != nil {
		return err
	}
	hours, err := s.Hours()
	if err != nil {
		return err
	}
	for i, h := range hours {
		if err := r.addHour(ctx, s, h, done[h], out, origin); err != nil {
			return err
		}
		if i%100 == 99 {
			r.Log.Info("adding", "file", out.File, "hours", i+1, "of", len(hours), "added", out.Added)
		}
	}
	return nil
}

// addHour adds the records of one hour that are not done yet, as many at a time as may be in
// memory.
func (r *Runner) addHour(ctx context.Context, s *spool.Spool, h spool.Hour, done int, out *Summary,
	origin entra.Origin) error {
	var (
		some   []entra.Record
		bytes  int
		number int
	)
	flush := func() error {
		if len(some) == 0 {
			return nil
		}
		d, err := r.addSome(ctx, h, some, origin)
		if err != nil {
			return err
		}
		d.UpTo = number
		some, bytes = some[:0], 0
		out.count(d)
		return s.Done(d)
	}
	err := s.Read(h, func(raw []byte) error {
		if number++; number <= done {
			return nil
		}
		rec, err := logs.ParseRecord(h.Stream, raw)
		if err != nil {
			return fmt.Errorf("read the spool of %s: %w", h.Stream, err)
		}
		some = append(some, rec)
		if bytes += len(raw); bytes >= r.memory() || len(some) >= chunkRecords {
			return flush()
		}
		return nil
	})
	if err == nil && number < done {
		err = fmt.Errorf("the spool of %s has %d records, and %d are done: remove the folder %s, and import again",
			h.Stream, number, done, r.Folder)
	}
	if err != nil {
		return err
	}
	return flush()
}

func (r *Runner) addSome(
	ctx context.Context, h spool.Hour, some []entra.Record, origin entra.Origin,
) (hourDone, error) {
	d := hourDone{Stream: h.Stream, Hour: h.Start}
	result, err := r.Adder.Add(ctx, r.Execution, h.Stream, h.Start, some, origin)
	d.Added, d.Present, d.Large = result.Added, result.Present, len(result.TooLarge)
	if e, ok := errors.AsType[*entra.Error](err); ok && e.Code == entra.CodeNotKept {
		d.Refused, d.Why = len(some)-d.Added-d.Present-d.Large, e.Why
		return d, nil
	}
	return d, err
}

// Files lists what paths name: of a folder all files below it. Hidden files are left out.
func Files(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		err := filepath.WalkDir(p, func(path string, d os.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case path != p && strings.HasPrefix(d.Name(), "."):
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			case d.IsDir():
				return nil
			}
			out = append(out, path)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
