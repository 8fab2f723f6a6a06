// Package seal makes later changes of the archive evident. The records of a window are the leaves
// of a Merkle tree (RFC 6962); its root is in a Seal. The seals of a stream are the leaves of a
// second tree, the stream's log, which only grows; its Head covers everything that was ever sealed.
// Nothing here reads or writes anything.
package seal

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Leaf is what the archive has stored of one content of a record.
type Leaf struct {
	Key        string // of the record's row; earlier contents have their record's key too
	Hash       entra.Hash
	FirstSeen  time.Time
	Superseded time.Time // when a later content replaced it; zero: it is the current one

	// A content that came back after another had replaced it: when it last came back, and its
	// spells before that. Came is zero for one that never did: it is there since FirstSeen.
	Came   time.Time
	Spells []Spell

	// Origin is the text of the record's entra.Origin; empty for one that was read from its source.
	Origin string
}

// Arrived reports whether the content was not read from its source.
func (l Leaf) Arrived() bool { return l.Origin != "" }

// Fixed is what a seal fixes of a content: the hash of its bytes, or, of one that was not read from
// its source, the SHA-256 of that hash and its origin. So an import is never what a reading is.
func (l Leaf) Fixed() entra.Hash {
	if l.Origin == "" {
		return l.Hash
	}
	return entra.HashOf(fixedText(l.Hash, l.Origin))
}

func fixedText(h entra.Hash, origin string) []byte {
	text := make([]byte, 0, len(h)+len(origin))
	return append(append(text, h[:]...), origin...)
}

// Spell is a time in which a content was its record's current one.
type Spell struct{ From, To time.Time }

// Since is when the content became the current one last.
func (l Leaf) Since() time.Time {
	if l.Came.IsZero() {
		return l.FirstSeen
	}
	return l.Came
}

// currentAt reports whether the content was its record's current one at a time.
func (l Leaf) currentAt(at time.Time) bool {
	if !l.Since().After(at) {
		return l.Superseded.IsZero() || l.Superseded.After(at)
	}
	return slices.ContainsFunc(l.Spells, func(s Spell) bool { return !s.From.After(at) && s.To.After(at) })
}

// LeavesAt is what the archive held at a time, in the order of its rows: by key, a record's current
// content before its earlier ones, those by their hash. Contents that came later are left out, and
// what they superseded is current again.
func LeavesAt(leaves []Leaf, at time.Time) []Leaf {
	out := make([]Leaf, 0, len(leaves))
	for _, l := range leaves {
		if l.FirstSeen.After(at) {
			continue
		}
		if l.currentAt(at) {
			l.Superseded = time.Time{}
		} else if l.Superseded.IsZero() || l.Superseded.After(at) {
			l.Superseded = at
		}
		out = append(out, l)
	}
	slices.SortStableFunc(out, func(a, b Leaf) int {
		if c := cmp.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		// A content that came back after another one had replaced it has its first date: of two
		// that could be the current one, the one seen later is.
		if a.Superseded.IsZero() != b.Superseded.IsZero() {
			if a.Superseded.IsZero() {
				return -1
			}
			return 1
		}
		if a.Superseded.IsZero() {
			if c := b.FirstSeen.Compare(a.FirstSeen); c != 0 {
				return c
			}
		}
		return bytes.Compare(a.Hash[:], b.Hash[:])
	})
	for i := 0; i < len(out); {
		end := i + 1
		for end < len(out) && out[end].Key == out[i].Key {
			end++
		}
		slices.SortFunc(out[i+1:end], func(a, b Leaf) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
		i = end
	}
	return out
}

// tree is a whole tree in memory: its hashes in the order in which tlog stores them.
type tree []tlog.Hash

func treeOf(leaves []Leaf) tree {
	return treeOver(leaves, func(l Leaf) tlog.Hash { return leafHash(l.Hash, l.Origin) })
}

func treeOver(leaves []Leaf, hashOf func(Leaf) tlog.Hash) tree {
	t := make(tree, 0, tlog.StoredHashCount(int64(len(leaves))))
	for n, l := range leaves {
		hashes, err := tlog.StoredHashesForRecordHash(int64(n), hashOf(l), t)
		if err != nil {
			panic(err) // a tree in memory has every hash that it is asked for
		}
		t = append(t, hashes...)
	}
	return t
}

// ReadHashes is tlog.HashReader's.
func (t tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at < 0 || at >= int64(len(t)) {
			return nil, fmt.Errorf("read hash %d of a tree with %d: there is none", at, len(t))
		}
		out[i] = t[at]
	}
	return out, nil
}

// leafHash is the leaf of a content: SHA-256(0x00 || hash of the record || origin). A record that was
// read from its source has no origin, so its leaf is longer than 32 bytes for none but an arrival.
func leafHash(h entra.Hash, origin string) tlog.Hash {
	return tlog.RecordHash(fixedText(h, origin))
}

// Root is the root of the Merkle tree over the leaves. The root of nothing is the SHA-256 of nothing.
func Root(leaves []Leaf) tlog.Hash { return rootOf(leaves, treeOf(leaves)) }

func rootOf(leaves []Leaf, t tree) tlog.Hash {
	root, err := tlog.TreeHash(int64(len(leaves)), t)
	if err != nil {
		panic(err) // as above
	}
	return root
}

// Seal is one entry of a stream's log.
type Seal struct {
	entra.Window
	Number   int64 // from 0, in the order of sealing
	Leaves   int64
	Root     tlog.Hash
	SealedAt time.Time // by the tenant's clock, whole ticks
	Reason   string    // why a window that was sealed before is sealed again; empty for its first seal

	// Dates is the root of the second tree, over the same contents and when each was there. Dated
	// is false for a seal of a version that did not cover dates.
	Dates tlog.Hash
	Dated bool

	// Stored are the hashes of the log that this entry completes, in tlog's order: its own first.
	// They let a log of any length be continued and proved by reading a few entries.
	Stored []tlog.Hash
}

const sealTitle = "Entra Ledger seal"

// Text is the entry's text in the log: seven lines. The log's leaf is SHA-256(0x00 || text).
func (s Seal) Text() []byte {
	return fmt.Appendf(nil, "%s\n%s\n%s\n%d\n%s\n%s\n%s\n", sealTitle, s.Stream, s.Start.UTC().Format(entra.HourFormat),
		s.Leaves, s.Root,
		s.SealedAt.UTC().Format(time.RFC3339Nano), s.Remark())
}

// EntryHash is the entry's leaf in its log.
func (s Seal) EntryHash() tlog.Hash { return tlog.RecordHash(s.Text()) }

// datesMark begins the part of a remark that has the root of the dates' tree.
const datesMark = "dates "

// Remark is the last line of an entry: the reason, followed by the root of the dates' tree. A
// version without dates can thus read and check the entry like any other.
func (s Seal) Remark() string {
	reason := strings.Join(strings.Fields(s.Reason), " ")
	switch {
	case !s.Dated:
		return reason
	case reason == "":
		return datesMark + s.Dates.String()
	}
	return reason + "; " + datesMark + s.Dates.String()
}

// SetRemark parses a remark.
func (s *Seal) SetRemark(remark string) {
	s.Reason, s.Dates, s.Dated = remark, tlog.Hash{}, false
	reason, root := "", remark
	if at := strings.LastIndex(remark, "; "+datesMark); at >= 0 {
		reason, root = remark[:at], remark[at+2:]
	}
	text, ok := strings.CutPrefix(root, datesMark)
	if h, err := tlog.ParseHash(text); ok && err == nil {
		s.Reason, s.Dates, s.Dated = reason, h, true
	}
}

// ParseSeal reads an entry's text.
func ParseSeal(text []byte) (Seal, error) {
	lines := strings.Split(string(text), "\n")
	if len(lines) != 8 || lines[0] != sealTitle || lines[7] != "" {
		return Seal{}, errors.New("read a seal: it is not seven lines that begin with " + strconv.Quote(sealTitle))
	}
	stream, err := logs.Parse(lines[1])
	if err != nil {
		return Seal{}, fmt.Errorf("read a seal: %w", err)
	}
	start, err := time.Parse(entra.HourFormat, lines[2])
	if err != nil {
		return Seal{}, fmt.Errorf("read a seal: %w", err)
	}
	leaves, err := strconv.ParseInt(lines[3], 10, 64)
	if err != nil {
		return Seal{}, fmt.Errorf("read a seal: %w", err)
	}
	root, err := tlog.ParseHash(lines[4])
	if err != nil {
		return Seal{}, fmt.Errorf("read a seal: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, lines[5])
	if err != nil {
		return Seal{}, fmt.Errorf("read a seal: %w", err)
	}
	out := Seal{Window: entra.Window{Stream: stream, Start: start}, Leaves: leaves, Root: root, SealedAt: at}
	out.SetRemark(lines[6])
	return out, nil
}

// Log gives entries of a stream's log by their number.
type Log interface {
	Seal(number int64) (Seal, error)
}

// hashes reads a log's hashes from the entries that completed them.
type hashes struct{ log Log }

// ReadHashes is tlog.HashReader's.
func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		entry, err := h.log.Seal((n+1)<<level - 1)
		if err != nil {
			return nil, err
		}
		if level >= len(entry.Stored) {
			return nil, fmt.Errorf("read the log of %s: entry %d has %d hashes, and its number asks for more",
				entry.Stream, entry.Number, len(entry.Stored))
		}
		out[i] = entry.Stored[level]
	}
	return out, nil
}

// Append numbers a seal as the log's next entry, after number entries, and completes its hashes.
func Append(log Log, number int64, s Seal) (Seal, error) {
	s.Number = number
	var err error
	s.Stored, err = tlog.StoredHashes(number, s.Text(), hashes{log})
	return s, err
}

// Head covers the first Size entries of a stream's log.
type Head struct {
	Stream entra.Stream
	Size   int64
	Root   tlog.Hash
}

// HeadOf is the head of a log's first size entries.
func HeadOf(log Log, stream entra.Stream, size int64) (Head, error) {
	root, err := tlog.TreeHash(size, hashes{log})
	return Head{Stream: stream, Size: size, Root: root}, err
}

const headOrigin = "entraledger/"

// Text is the head in the form of a checkpoint (c2sp.org/tlog-checkpoint), without a signature.
func (h Head) Text() []byte {
	return fmt.Appendf(nil, "%s%s\n%d\n%s\n", headOrigin, h.Stream, h.Size, h.Root)
}

// ParseHead reads a checkpoint. Whatever follows its third line, signatures for one, is not looked
// at.
func ParseHead(text []byte) (Head, error) {
	lines := strings.SplitN(string(text), "\n", 4)
	if len(lines) != 4 || !strings.HasPrefix(lines[0], headOrigin) {
		return Head{}, errors.New("read a head: it is not a checkpoint of Entra Ledger")
	}
	stream, err := logs.Parse(strings.TrimPrefix(lines[0], headOrigin))
	if err != nil {
		return Head{}, fmt.Errorf("read a head: %w", err)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return Head{}, fmt.Errorf("read a head: its size is %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Head{}, fmt.Errorf("read a head: %w", err)
	}
	return Head{Stream: stream, Size: size, Root: root}, nil
}

// EncodeHashes joins hashes for a binary column.
func EncodeHashes(list []tlog.Hash) []byte {
	out := make([]byte, 0, len(list)*tlog.HashSize)
	for _, h := range list {
		out = append(out, h[:]...)
	}
	return out
}

// DecodeHashes splits them.
func DecodeHashes(b []byte) ([]tlog.Hash, error) {
	if len(b)%tlog.HashSize != 0 {
		return nil, fmt.Errorf("read hashes: %d bytes are no whole number of them", len(b))
	}
	out := make([]tlog.Hash, len(b)/tlog.HashSize)
	for i := range out {
		copy(out[i][:], b[i*tlog.HashSize:])
	}
	return out, nil
}

// base64Of and hexOf encode hashes in a Proof.
func base64Of(h tlog.Hash) string { return base64.StdEncoding.EncodeToString(h[:]) }
func hexOf(h entra.Hash) string   { return hex.EncodeToString(h[:]) }
