package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// encodeLease writes a lease. When it was written is the row's Timestamp, which the service sets:
// no clock of ours ages it.
func encodeLease(stream entra.Stream, l ledger.Lease) []byte {
	b := rows.NewEntity(string(stream), leaseKey, 512)
	b.Text("Fence", fmt.Sprint(l.Fence))
	b.Text("Holder", l.ID)
	b.Text("Work", rows.Clip(l.Work))
	if !l.Base.IsZero() { // the table has no year 1
		b.Time("Base", l.Base)
		b.Time("Stamp", l.Stamp)
	}
	b.Int32("Seconds", int32(l.Length/time.Second))
	return b.Done().Body
}

type leaseRow struct {
	Holder, Work           string
	Fence                  rows.Number
	Base, Stamp, Timestamp time.Time
	Seconds                int32
}

// State is ledger.LeaseStore's.
func (a *Archive) State(ctx context.Context, stream entra.Stream) (ledger.Progress, ledger.Lease, error) {
	return a.sound(ctx, stream, leaseKey)
}

// Progress is collect.Store's.
func (a *Archive) Progress(ctx context.Context, stream entra.Stream) (ledger.Progress, error) {
	p, _, err := a.sound(ctx, stream, progressKey)
	return p, err
}

// howToRestore is what to do about a progress row that can't be used.
func howToRestore(stream entra.Stream) string {
	return fmt.Sprintf("restore the row from a copy, or have it rebuilt from ledger and log: handler "+
		"repair --stream %s, "+
		"or POST /api/repair; until then nothing of this stream is archived or answered, and the other streams go on",
		stream)
}

// sound reads the rows of a stream from first on, and checks that the progress row is the one that
// was committed last. Only where it is not does it ask more than once.
func (a *Archive) sound(ctx context.Context, stream entra.Stream,
	first string) (ledger.Progress, ledger.Lease, error) {
	p, l, last, err := a.state(ctx, stream, first)
	if err != nil || p.Revision > 0 && p.Revision == last {
		return p, l, err
	}
	if p.Revision == 0 {
		if begun, err := a.hasLedger(ctx, stream); err != nil || !begun {
			return p, l, err
		}
	}
	// Another execution may have begun the stream between the two looks.
	if p, l, last, err = a.state(ctx, stream, first); err != nil || p.Revision > 0 && p.Revision == last {
		return p, l, err
	}
	if p.Revision > 0 {
		return ledger.Progress{Stream: stream}, l, broken(progressKey, stream, howToRestore(stream),
			fmt.Errorf("it has revision %d, and the last commit was of %d: it is another stream's, or an old copy",
				p.Revision, last))
	}
	return p, l, &entra.Error{Code: entra.CodeTampered,
		Doing: fmt.Sprintf("read row %s of table %s, partition %s", progressKey, coverageTable, stream),
		Why:   "it is not there, though the stream has a ledger", Remedy: howToRestore(stream)}
}

// state reads the progress row, the revision that was committed last (0 if there is none), and,
// from leaseKey on, the lease.
func (a *Archive) state(ctx context.Context, stream entra.Stream,
	first string) (p ledger.Progress, l ledger.Lease, last int64, err error) {
	p = ledger.Progress{Stream: stream}
	none := p
	var (
		lease    leaseRow
		answered time.Time
	)
	query := rows.Query{Filter: rows.In(string(stream), first, revisionMark+"~"), Answered: &answered}
	for body, err := range a.client.Scan(ctx, coverageTable, query) {
		if err != nil {
			return none, l, 0, err
		}
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
		if err != nil {
			return none, l, 0, err
		}
	}
	return p, lease.lease(answered), last, nil
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
func (row leaseRow) lease(at time.Time) ledger.Lease {
	out := ledger.Lease{Execution: ledger.Execution{ID: row.Holder, Work: row.Work}, Fence: int64(row.Fence),
		Base: row.Base, Stamp: row.Stamp, Length: time.Duration(row.Seconds) * time.Second, ReadAt: at}
	if !row.Timestamp.IsZero() {
		out.Age = at.Sub(row.Timestamp)
	}
	return out
}

// check returns what is wrong with a lease whose columns all have their kinds.
func (row leaseRow) check() error {
	switch length := time.Duration(row.Seconds) * time.Second; {
	case row.Timestamp.IsZero():
		return errors.New("it has no Timestamp")
	case length < 0 || length > ledger.LeaseLength:
		return fmt.Errorf("it lasts %d seconds, and no lease is longer than %s", row.Seconds, ledger.LeaseLength)
	case row.Fence < 0 || row.Fence == 0 && row.Holder != "":
		return fmt.Errorf("its Fence is %d", row.Fence)
	}
	return nil
}

// broken is the error of a row of the ledger that can't be read.
func broken(row string, stream entra.Stream, remedy string, err error) error {
	return &entra.Error{Code: entra.CodeTampered,
		Doing: fmt.Sprintf("read row %s of table %s, partition %s", row, coverageTable, stream),
		Why:   fmt.Sprintf("it is not what Entra Ledger writes (%v)", err), Remedy: remedy, Err: err}
}

// hasLedger reports whether a stream without a progress row has a ledger: a new progress beside one
// would count everything twice. A waiting execution leaves a request even without a ledger.
func (a *Archive) hasLedger(ctx context.Context, stream entra.Stream) (bool, error) {
	return a.client.Any(ctx, coverageTable, fmt.Sprintf("PartitionKey eq %s and RowKey ne %s",
		rows.Quote(string(stream)), rows.Quote(requestKey)))
}

// RequestLease is ledger.LeaseStore's. Only the newest request is kept: one is enough to make an
// execution release the lease.
func (a *Archive) RequestLease(ctx context.Context, stream entra.Stream, by ledger.Execution) error {
	b := rows.NewEntity(string(stream), requestKey, 256)
	b.Text("Holder", by.ID)
	b.Text("Work", rows.Clip(by.Work))
	return a.client.Submit(ctx, coverageTable, rows.Action{Kind: rows.Put, Row: b.Done().Body})
}

// LatestRequest is ledger.LeaseStore's.
func (a *Archive) LatestRequest(ctx context.Context, stream entra.Stream) (ledger.LeaseRequest, error) {
	got, err := a.client.Get(ctx, coverageTable, string(stream), requestKey, "look who waits for "+string(stream))
	if rows.IsMissing(err) {
		return ledger.LeaseRequest{}, nil
	}
	if err != nil {
		return ledger.LeaseRequest{}, err
	}
	var row struct {
		Holder, Work string
		Timestamp    time.Time
	}
	if err := json.Unmarshal(got.Body, &row); err != nil {
		return ledger.LeaseRequest{}, broken(requestKey, stream, "delete the row", err)
	}
	return ledger.LeaseRequest{Execution: ledger.Execution{ID: row.Holder, Work: row.Work},
		Age: got.Answered.Sub(row.Timestamp)}, nil
}
