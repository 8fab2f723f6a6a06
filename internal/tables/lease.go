package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

const (
	// leaseKey is the row of a stream's lease among its coverage rows. It sorts between the hours
	// and the progress row, so that one query of few rows gives both as they are at one moment.
	leaseKey = "lease"
	// wishKey is the row in which those who wait for the lease leave their mark.
	wishKey = "lease!wish"
)

// encodeLease writes a lease. When it was written is the row's Timestamp, which the service sets:
// no clock of ours ages it.
func encodeLease(stream entra.Stream, l archive.Lease) []byte {
	b := newRow(string(stream), leaseKey, 512)
	b.text("Fence", fmt.Sprint(l.Fence))
	b.text("Holder", l.ID)
	b.text("Work", clip(l.Work))
	if !l.Base.IsZero() { // the table has no year 1
		b.time("Base", l.Base)
		b.time("Stamp", l.Stamp)
	}
	b.int32("Seconds", int32(l.Length/time.Second))
	return b.done().body
}

type leaseRow struct {
	Holder, Work           string
	Fence                  number
	Base, Stamp, Timestamp time.Time
	Seconds                int32
}

// State is archive.LeaseStore's.
func (s *Store) State(ctx context.Context, stream entra.Stream) (archive.Progress, archive.Lease, error) {
	return s.sound(ctx, stream, leaseKey)
}

// Progress is archive.Store's.
func (s *Store) Progress(ctx context.Context, stream entra.Stream) (archive.Progress, error) {
	p, _, err := s.sound(ctx, stream, progressKey)
	return p, err
}

// howToRestore is what to do about a progress row that can't be used.
func howToRestore(stream entra.Stream) string {
	return fmt.Sprintf("restore the row from a copy, or have it rebuilt from ledger and log: handler repair --stream %s, or POST /api/repair; "+
		"until then nothing of this stream is archived or answered, and the other streams go on", stream)
}

// sound reads the rows of a stream from first on, and checks that the progress row is the one that
// was committed last. Only where it is not does it ask more than once.
func (s *Store) sound(ctx context.Context, stream entra.Stream, first string) (archive.Progress, archive.Lease, error) {
	p, l, last, err := s.state(ctx, stream, first)
	if err != nil || p.Revision > 0 && p.Revision == last {
		return p, l, err
	}
	if p.Revision == 0 {
		if begun, err := s.hasLedger(ctx, stream); err != nil || !begun {
			return p, l, err
		}
	}
	// Another execution may have begun the stream between the two looks.
	if p, l, last, err = s.state(ctx, stream, first); err != nil || p.Revision > 0 && p.Revision == last {
		return p, l, err
	}
	if p.Revision > 0 {
		return archive.Progress{Stream: stream}, l, broken(progressKey, stream, howToRestore(stream),
			fmt.Errorf("it has revision %d, and the last commit was of %d: it is another stream's, or an old copy", p.Revision, last))
	}
	return p, l, &entra.Error{Code: entra.CodeTampered, Doing: fmt.Sprintf("read row %s of table %s, partition %s", progressKey, coverageTable, stream),
		Why: "it is not there, though the stream has a ledger", Remedy: howToRestore(stream)}
}

// state reads the progress row, the revision that was committed last (0 where there is none), and,
// from leaseKey on, the lease.
func (s *Store) state(ctx context.Context, stream entra.Stream, first string) (archive.Progress, archive.Lease, int64, error) {
	var (
		p     = archive.Progress{Stream: stream}
		lease leaseRow
		last  int64
	)
	asking, page := withListing(ctx)
	err := s.query(asking, coverageTable, string(stream), first, revisionMark+"~", "", func(body []byte) (err error) {
		key, err := keyOf(stream, body)
		switch {
		case err != nil:
		case key == leaseKey:
			lease, err = decodeLease(stream, body)
		case key == progressKey:
			p, err = decodeProgress(stream, body)
		case strings.HasPrefix(key, revisionMark):
			if last, err = strconv.ParseInt(strings.TrimPrefix(key, revisionMark), 10, 64); err != nil {
				err = broken(key, stream, "delete the row", err)
			}
		}
		return err
	})
	if err != nil {
		return archive.Progress{Stream: stream}, archive.Lease{}, 0, err
	}
	return p, lease.lease(page.date), last, nil
}

func keyOf(stream entra.Stream, body []byte) (string, error) {
	var key struct{ RowKey string }
	if err := json.Unmarshal(body, &key); err != nil {
		return "", fmt.Errorf("read the ledger of %s: %w", stream, err)
	}
	return key.RowKey, nil
}

// decodeLease reads a lease. One that is not what is written is an error that names its row.
func decodeLease(stream entra.Stream, body []byte) (leaseRow, error) {
	var row leaseRow
	err := json.Unmarshal(body, &row)
	if err == nil {
		err = row.check()
	}
	if err != nil {
		return leaseRow{}, broken(leaseKey, stream, "delete the row: the next run takes a new lease", err)
	}
	return row, nil
}

// lease is the row as it was read at a time of the service's clock.
func (row leaseRow) lease(at time.Time) archive.Lease {
	out := archive.Lease{Execution: archive.Execution{ID: row.Holder, Work: row.Work}, Fence: int64(row.Fence),
		Base: row.Base, Stamp: row.Stamp, Length: time.Duration(row.Seconds) * time.Second, ReadAt: at}
	if !row.Timestamp.IsZero() {
		out.Age = at.Sub(row.Timestamp)
	}
	return out
}

// check tells what is wrong with a lease whose columns are all of their kinds.
func (row leaseRow) check() error {
	switch length := time.Duration(row.Seconds) * time.Second; {
	case row.Timestamp.IsZero():
		return errors.New("it has no Timestamp")
	case length < 0 || length > archive.LeaseLength:
		return fmt.Errorf("it lasts %d seconds, and no lease is longer than %s", row.Seconds, archive.LeaseLength)
	case row.Fence < 0 || row.Fence == 0 && row.Holder != "":
		return fmt.Errorf("its Fence is %d", row.Fence)
	}
	return nil
}

// broken is the error of a row of the ledger that can't be read.
func broken(row string, stream entra.Stream, remedy string, err error) error {
	return &entra.Error{Code: entra.CodeTampered, Doing: fmt.Sprintf("read row %s of table %s, partition %s", row, coverageTable, stream),
		Why: fmt.Sprintf("it is not what Entra Ledger writes (%v)", err), Remedy: remedy, Err: err}
}

// hasLedger tells whether a stream without a progress row has a ledger: to begin anew beside one
// would count everything twice. Who waits leaves a mark where there is none, too.
func (s *Store) hasLedger(ctx context.Context, stream entra.Stream) (bool, error) {
	filter := fmt.Sprintf("PartitionKey eq %s and RowKey ne %s", quote(string(stream)), quote(wishKey))
	columns, one := "RowKey", int32(1)
	options := &aztables.ListEntitiesOptions{Filter: &filter, Select: &columns, Top: &one}
	err := s.listWith(ctx, coverageTable, options, func([]byte) error { return errFound })
	if errors.Is(err, errNoTable) {
		err = nil
	}
	return errors.Is(err, errFound), ignoring(err, errFound)
}

// ignoring is an error, unless it is the one that is ignored.
func ignoring(err, ignored error) error {
	if errors.Is(err, ignored) {
		return nil
	}
	return err
}

var errFound = errors.New("found")

// Wish is archive.LeaseStore's. The mark of whoever asks last is kept: one is enough to make a
// holder yield.
func (s *Store) Wish(ctx context.Context, stream entra.Stream, by archive.Execution) error {
	b := newRow(string(stream), wishKey, 256)
	b.text("Holder", by.ID)
	b.text("Work", clip(by.Work))
	return s.submit(ctx, coverageTable, []aztables.TransactionAction{{ActionType: aztables.TransactionTypeInsertReplace, Entity: b.done().body}})
}

// Wished is archive.LeaseStore's.
func (s *Store) Wished(ctx context.Context, stream entra.Stream) (archive.Wish, error) {
	var answer *http.Response
	got, err := s.service.NewClient(coverageTable).GetEntity(policy.WithCaptureResponse(ctx, &answer), string(stream), wishKey, nil)
	if isCode(err, "TableNotFound", "ResourceNotFound") {
		return archive.Wish{}, nil
	}
	if err != nil {
		return archive.Wish{}, s.explain("look who waits for "+string(stream), err)
	}
	var row struct {
		Holder, Work string
		Timestamp    time.Time
	}
	if err := json.Unmarshal(got.Value, &row); err != nil {
		return archive.Wish{}, broken(wishKey, stream, "delete the row", err)
	}
	return archive.Wish{Execution: archive.Execution{ID: row.Holder, Work: row.Work}, Age: dateOf(answer).Sub(row.Timestamp)}, nil
}

// Now is the storage service's clock: the Date of an answer.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var answer *http.Response
	_, err := s.service.NewClient(coverageTable).GetEntity(policy.WithCaptureResponse(ctx, &answer), "now", "now", nil)
	if err != nil && !isCode(err, "TableNotFound", "ResourceNotFound") {
		return time.Time{}, s.explain("ask the storage service for the time", err)
	}
	return dateOf(answer), nil
}

// dateOf is the service's clock, as its answer has it.
func dateOf(answer *http.Response) time.Time {
	if answer == nil {
		return time.Time{}
	}
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date
}
