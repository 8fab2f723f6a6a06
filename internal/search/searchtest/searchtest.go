// Package searchtest is an archive in memory, of which some records were altered, for tests of what
// reads it.
package searchtest

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// Archive is a store with records. Those that its maps name are read as altered ones; keys are ids.
type Archive struct {
	*tablestest.Store
	Altered   map[string]string // why
	AlteredIn entra.Stream      // only there; empty: everywhere
	NoKey     map[string]bool   // altered, and their row keys have nothing
	Failing   map[string]error  // with which the reading ends there
	begin     time.Time
}

// New makes an archive of JSON objects, each with its time, of a day that was read whole.
func New(t testing.TB, s entra.Stream, begin time.Time, objects ...map[string]any) *Archive {
	service := memstorage.New(time.Now)
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(),
		HTTP: &http.Client{Transport: service}})
	require.NoError(t, err)
	a := &Archive{Store: store, begin: begin, Altered: map[string]string{}, NoKey: map[string]bool{},
		Failing: map[string]error{}}
	a.Add(t, s, objects...)
	return a
}

// Add adds records.
func (a *Archive) Add(t testing.TB, s entra.Stream, objects ...map[string]any) {
	for _, object := range objects {
		raw, err := json.Marshal(object)
		require.NoError(t, err)
		rec, err := logs.ParseRecord(s, raw)
		require.NoError(t, err)
		_, err = a.Insert(t.Context(), rec.Window(s), []entra.Record{rec}, a.begin.Add(time.Hour))
		require.NoError(t, err)
	}
}

// Now is when the day is over.
func (a *Archive) Now() time.Time { return a.begin.Add(24 * time.Hour) }

// Progress says that the day was read.
func (a *Archive) Progress(_ context.Context, s entra.Stream) (ledger.Progress, error) {
	return ledger.Progress{Stream: s, Begin: a.begin, Backfilled: a.begin, TailBegin: a.begin,
		Watermark: a.Now(), LastRunAt: a.Now()}, nil
}

// Read is records.Reader's.
func (a *Archive) Read(ctx context.Context, r records.Reading) iter.Seq2[records.Archived, error] {
	return func(yield func(records.Archived, error) bool) {
		for rec, err := range a.Store.Read(ctx, r) {
			if why := a.Failing[rec.Key.ID]; err == nil && why != nil {
				rec, err = records.Archived{}, why
			}
			if why := a.Altered[rec.Key.ID]; err == nil && why != "" && (a.AlteredIn == "" || a.AlteredIn == r.Stream) {
				altered := records.Archived{Key: rec.Key, Place: rec.Place, Tampered: why, Row: rec.Row}
				if a.NoKey[rec.Key.ID] {
					altered.Key = entra.Key{}
				}
				rec = altered
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// Seek is records.Reader's. Of a record whose row key has nothing nobody knows whether it is sought.
func (a *Archive) Seek(ctx context.Context, s records.Seeking) (records.Sought, error) {
	out, err := a.Store.Seek(ctx, s)
	for id, no := range a.NoKey {
		if no && a.Altered[id] != "" {
			out.Unsure = true
		}
	}
	return out, err
}
