package directory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/turns"
)

// Reader answers from whole snapshots.
type Reader struct {
	store   Store
	cursors Cursors
	clock   func() time.Time
	known   knownCredentials

	mu    sync.Mutex
	whole map[string]Snapshot            // by id; what is whole does not change, but for being dropped
	sets  map[string]left                // ids that questions exclude, by snapshot and list
	on    map[string]*timeline.Snapshots // that timelines speak of, by the newest one's id
}

// NewReader makes a Reader.
func NewReader(store Store, cursors Cursors, clock func() time.Time) *Reader {
	return &Reader{store: store, cursors: cursors, clock: clock, whole: make(map[string]Snapshot),
		sets: make(map[string]left), on: make(map[string]*timeline.Snapshots)}
}

// listed is how many snapshots are looked at.
const listed = 10

// kept bounds what a Reader remembers of snapshots.
const kept = 32

// Current is the newest whole snapshot, or an error with entra.CodeNoSnapshot that says what to do.
func (rd *Reader) Current(ctx context.Context) (Snapshot, error) {
	snaps, err := rd.store.Snapshots(ctx, listed)
	if err != nil {
		return Snapshot{}, err
	}
	none := &entra.Error{Code: entra.CodeNoSnapshot, Doing: "answer from the directory's snapshot",
		Why:    "there is none yet",
		Remedy: "POST /api/snapshot takes one now; else the nightly timer does (SNAPSHOT_SCHEDULE)"}
	for _, s := range snaps {
		switch s.Stage {
		case Whole:
			return s, nil
		case Reading:
			none.Why = fmt.Sprintf("the first one is being read: %d users so far, at %s", s.Users, s.Phase)
			if s.LastError != "" {
				none.Why += "; its last run failed: " + s.LastError
			}
		}
	}
	return Snapshot{}, none
}

// byID is a snapshot that a token names.
func (rd *Reader) byID(ctx context.Context, id string) (Snapshot, error) {
	rd.mu.Lock()
	s, ok := rd.whole[id]
	rd.mu.Unlock()
	if ok {
		return s, nil
	}
	s, err := rd.store.Snapshot(ctx, id)
	if err == nil && s.Stage == Whole {
		rd.mu.Lock()
		defer rd.mu.Unlock()
		if len(rd.whole) >= kept {
			clear(rd.whole)
		}
		rd.whole[id] = s
	}
	return s, err
}

// gone explains rows that were dropped since the snapshot was looked up; other errors stay as they
// are.
func (rd *Reader) gone(snap Snapshot, err error) error {
	if !errors.Is(err, ErrNoSnapshot) {
		return err
	}
	rd.mu.Lock()
	delete(rd.whole, snap.ID)
	rd.mu.Unlock()
	if snap.only && len(snap.standsIn) > 0 { // somebody deleted its table
		return refused(snap.standsIn[0].Code, snap.standsIn[0].Message)
	}
	return &entra.Error{Code: entra.CodeTokenExpired, Doing: "read the directory's snapshot",
		Why:    "the one of " + snap.AsOf.Format(time.RFC3339) + " is no longer kept",
		Remedy: "begin again without $skiptoken; newer snapshots are there"}
}

// question hashes what was asked, so that a token is good for the same question only.
func question(parts ...any) string {
	body, err := json.Marshal(parts)
	if err != nil {
		panic("write a question: " + err.Error()) // our own types always have a JSON form
	}
	sum := sha256.Sum256(body)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// Order of an answer. The zero value is the order in which rows are kept: oldest first.
type Order struct {
	By   string // a property; empty: the natural one
	Desc bool
}

// maxSorted bounds how many rows are put into another order than that in which they are kept.
const maxSorted = 5000

// walk reads an answer page by page: the rows of its segments, one after the other, as far as keep
// accepts them.
type walk struct {
	store    Store
	snap     Snapshot
	segments []Range
	keep     func(Row) (bool, error)
	// columns are those of a row as its document has them.
	columns func(Row) ([]Column, error)
	// expected is how many rows the segments have all together, as the snapshot counted them; nil:
	// it is not known.
	expected func(context.Context) (int64, error)
	// few says that hardly any row is kept, so a page reads many for each that it gives.
	few bool
}

// accept checks that a row is one that was asked for, by its document too, and tells whether to
// keep it. The table service finds rows by their columns, which are copies.
func (w walk) accept(row Row, r Range) (bool, error) {
	if len(r.Where) == 0 || r.KeysOnly || w.snap.Sums == nil {
		return w.keep(row)
	}
	columns, err := w.columns(row)
	if err != nil {
		return false, err
	}
	if !r.holds(columns) {
		return false, &entra.Error{Code: entra.CodeTampered,
			Doing:  "read row " + clip(row.Key) + " of snapshot " + w.snap.ID,
			Why:    "its columns are not those that its document makes",
			Remedy: "POST /api/snapshot takes a new snapshot; find out who changed the row"}
	}
	return w.keep(row)
}

// neverCounted is how many rows a walk has read that a version before began: it stays below zero.
const neverCounted = math.MinInt64 / 2

// page reads up to top rows after a place, and tells whether there are more.
func (w walk) page(ctx context.Context, from place, top int) (rows []Row, at place, more bool, err error) {
	at = from
	if at.Read <= 0 && (at.After != "" || at.Segment > 0) {
		at.Read = neverCounted
	}
	all := 0
	for at.Segment < len(w.segments) {
		if all >= maxRead {
			return rows, at, true, nil
		}
		r := w.snap.Checking(w.segments[at.Segment])
		r.After = at.After
		r.Top = min(top+1-len(rows), maxTop)
		if w.few {
			r.Top = maxTop
		}
		read := 0
		for row, err := range w.store.Rows(ctx, w.snap.ID, r) {
			if err != nil {
				return nil, at, false, err
			}
			read++
			ok, err := w.accept(row, r)
			if err != nil {
				return nil, at, false, err
			}
			if ok && len(rows) == top {
				return rows, at, true, nil
			}
			if ok {
				rows = append(rows, row)
			}
			at.After = row.Key
			at.Read++
			turns.Yield(ctx)
		}
		all += read
		if read < r.Top {
			at.Segment, at.After = at.Segment+1, ""
		}
	}
	return rows, at, false, w.complete(ctx, at.Read)
}

// complete compares how many rows were read, whether they were kept or not, with how many there
// were: a row that is gone, or whose columns keep it from being found, is missed by nothing else.
func (w walk) complete(ctx context.Context, read int64) error {
	if w.expected == nil || read < 0 || w.snap.Sums == nil {
		return nil
	}
	expected, err := w.expected(ctx)
	if err != nil || read == expected {
		return err
	}
	return &entra.Error{Code: entra.CodeTampered, Doing: "read snapshot " + w.snap.ID,
		Why:    fmt.Sprintf("%d of its rows answer the question, and %d were written", read, expected),
		Remedy: "POST /api/snapshot takes a new snapshot; GET /api/verify names the rows that were changed"}
}

// maxTop is the most rows of a page; the table service gives no more at a time either.
const maxTop = 999

// maxRead is how many rows a page reads before it ends, however few of them it gives: a request has
// to be answered in time.
const maxRead = 20 * maxTop

// MaxTop is maxTop, for those who read $top.
const MaxTop = maxTop

// all yields every row, without pages.
func (w walk) all(ctx context.Context, keysOnly bool, yield func(Row) error) error {
	var read int64
	for _, r := range w.segments {
		r = w.snap.Checking(r)
		r.KeysOnly = keysOnly
		for row, err := range w.store.Rows(ctx, w.snap.ID, r) {
			if err != nil {
				return err
			}
			read++
			turns.Yield(ctx)
			ok, err := w.accept(row, r)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if err := yield(row); err != nil {
				return err
			}
		}
	}
	return w.complete(ctx, read)
}

// sorted reads all rows, if there are not too many, and gives the page at an offset in another
// order. property is the path of the value in a document.
func (w walk) sorted(
	ctx context.Context, order Order, property string, from place, top int,
) (rows []Row, at place, more bool, err error) {
	type valued struct {
		Row
		value gjson.Result
	}
	var all []valued
	err = w.all(ctx, false, func(row Row) error {
		if len(all) == maxSorted {
			return &entra.Error{Code: entra.CodeBadRequest, Doing: "sort by " + order.By,
				Why:    fmt.Sprintf("there are more than %d rows", maxSorted),
				Remedy: "narrow the question, leave out $orderby, or take $format=csv and sort it there"}
		}
		all = append(all, valued{row, gjson.GetBytes(row.Doc, property)})
		return nil
	})
	if err != nil {
		return nil, from, false, err
	}
	slices.SortStableFunc(all, func(a, b valued) int {
		if a.value.Exists() != b.value.Exists() { // what is not known comes last, either way
			if a.value.Exists() {
				return -1
			}
			return 1
		}
		c := cmp.Compare(a.value.Num, b.value.Num)
		if a.value.Type == gjson.String {
			c = cmp.Or(cmp.Compare(strings.ToLower(a.value.Str), strings.ToLower(b.value.Str)),
				cmp.Compare(a.value.Str, b.value.Str))
		}
		if order.Desc {
			return -c
		}
		return c
	})
	at = from
	for ; at.Offset < len(all) && len(rows) < top; at.Offset++ {
		rows = append(rows, all[at.Offset].Row)
	}
	return rows, at, at.Offset < len(all), nil
}

func refuse(name, why, remedy string) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read " + name, Why: why, Remedy: remedy}
}
