package report

import (
	"context"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/mim"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/search"
)

// Streams tell which logs there are.
type Streams interface {
	// All are those that are collected, and those that have been.
	All(ctx context.Context) ([]entra.Stream, error)
}

// Directory tells what snapshots counted, and, of a time without one, why there is none.
type Directory interface {
	UserCounts(ctx context.Context, from, to time.Time) (counts []Snapshot, why string, err error)
}

// Deliveries tell what is known of servers that send a log.
type Deliveries interface {
	Computers(ctx context.Context) ([]mim.Computer, error)
}

// Sources are what reports are made of.
type Sources struct {
	Archive    search.Archive
	Streams    Streams
	Directory  Directory
	Deliveries Deliveries // nil: no server sends a log
	Now        func() time.Time
}

// Question is a report that is asked for.
type Question struct {
	Report *Report
	Window Window
	Merged bool // its further logs, too
}

// whole is the time that has to be read.
func (q Question) whole() Window {
	return Window{q.Window.From.Add(-q.Report.Before), q.Window.To}
}

// log is one of a question's logs.
type log struct {
	From
	progress ledger.Progress
	archived bool // it is collected, or was
}

// logs are those that the question reads, as the ledger has them now.
func (s *Sources) logs(ctx context.Context, q Question) ([]log, error) {
	known, err := s.Streams.All(ctx)
	if err != nil {
		return nil, err
	}
	var out []log
	for _, f := range q.Report.reads(q.Merged) {
		l := log{From: f, archived: slices.Contains(known, f.Stream), progress: ledger.Progress{Stream: f.Stream}}
		if l.archived {
			if l.progress, err = s.Archive.Progress(ctx, f.Stream); err != nil {
				return nil, err
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// Clock is the tenant's time, as the last run of one of a report's logs, else of any log, knew it.
func (s *Sources) Clock(ctx context.Context, r *Report) (time.Time, error) {
	known, err := s.Streams.All(ctx)
	if err != nil {
		return time.Time{}, err
	}
	now := s.Now().UTC()
	for _, stream := range append(r.Streams(true), known...) {
		if !slices.Contains(known, stream) {
			continue
		}
		p, err := s.Archive.Progress(ctx, stream)
		if err != nil && entra.CodeOf(err) != entra.CodeTampered { // another log's clock is as good
			return now, err
		}
		if err == nil && p.Started() {
			return p.TenantTime(now).UTC(), nil
		}
	}
	return now, nil
}

// asks is the question to a log's records of a time.
func (s *Sources) asks(l log, w Window, newestFirst bool) (search.Question, error) {
	shape, err := odata.ShapeOf(l.Stream)
	if err != nil {
		return search.Question{}, err
	}
	q, err := search.New(l.Stream, shape, l.Filter)
	if err != nil {
		return q, err
	}
	q.NewestFirst = newestFirst
	q.Within(l.progress, s.Now())
	q.Narrow(w.From, w.To)
	return q, nil
}

// recordOf is a record of the archive that was not altered.
func recordOf(s entra.Stream, rec records.Archived) Record {
	return Record{Stream: s, Time: rec.Key.Time, ID: rec.Key.ID, Raw: rec.Raw, Doc: gjson.ParseBytes(rec.Raw)}
}

// Tampered are the columns of a row in place of a record that was altered.
const (
	Tampered       = "@entraledger.tampered"
	TamperedRowKey = "@entraledger.rowKey"
)

// tampered is the row in place of an altered record: what its row key says, and what is wrong.
func tampered(rec records.Archived) Row {
	out := Row{"id": rec.Key.ID, Tampered: rec.Tampered, TamperedRowKey: rec.Row}
	if !rec.Key.Time.IsZero() {
		out[eventTime] = rec.Key.Time
	}
	return out
}
