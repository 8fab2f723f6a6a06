package report_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/search/searchtest"
)

// archived are the streams of a test.
type archived []entra.Stream

// All is report.Streams's.
func (a archived) All(context.Context) ([]entra.Stream, error) { return a, nil }

// midnight is the begin of the day of noon.
var midnight = noon.Add(-12 * time.Hour)

// madeUp is a report with up to three rows of a record, from two logs, or three where they are
// merged.
func madeUp() *report.Report {
	return &report.Report{Name: "madeUp", From: []report.From{{Stream: logs.SignInsInteractiveUser},
		{Stream: logs.SignInsNonInteractiveUser, Filter: "appId eq 'yes'"}},
		Merges: []report.From{{Stream: logs.DirectoryAudits}},
		Each: func(r report.Record) []report.Row {
			var out []report.Row
			for n := range r.Doc.Get("processingTimeInMilliseconds").Int() % 4 {
				out = append(out, report.Row{"id": r.ID, "eventTime": r.Time, "n": n})
			}
			return out
		}}
}

func madeUpArchive(t *testing.T) *report.Sources {
	a := searchtest.New(t, logs.SignInsInteractiveUser, midnight)
	at := func(minute int) string { return midnight.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339) }
	for n := range 40 {
		a.Add(t, logs.SignInsInteractiveUser, map[string]any{"id": fmt.Sprint("i", n), "createdDateTime": at(n * 7),
			"processingTimeInMilliseconds": n})
		a.Add(t, logs.SignInsNonInteractiveUser, map[string]any{"id": fmt.Sprint("n", n), "createdDateTime": at(n * 5),
			"processingTimeInMilliseconds": n, "appId": []string{"yes", "no"}[n%2]})
		a.Add(t, logs.DirectoryAudits, map[string]any{"id": fmt.Sprint("a", n), "activityDateTime": at(n * 11),
			"processingTimeInMilliseconds": 1})
	}
	return &report.Sources{Archive: a, Now: a.Now,
		Streams: archived{logs.SignInsInteractiveUser, logs.SignInsNonInteractiveUser, logs.DirectoryAudits}}
}

// TestPagesOfAnySizeAreOneList of several logs in one order, though a record makes several rows,
// and however little time each page has.
func TestPagesOfAnySizeAreOneList(t *testing.T) {
	s := madeUpArchive(t)
	for _, merged := range []bool{false, true} {
		q := report.Question{Report: madeUp(), Merged: merged,
			Window: report.Window{From: midnight, To: midnight.Add(24 * time.Hour)}}
		whole, err := s.Rows(t.Context(), q, report.Place{}, 1000, time.Now().Add(time.Minute))
		require.NoError(t, err)
		require.False(t, whole.More)
		want := 40*6/4 + 20 // of each four records: 0+1+2+3 rows; of every second one: 0 or 2
		if merged {
			want += 40
		}
		require.Len(t, whole.Rows, want)
		for i := range whole.Rows[1:] {
			require.False(t, whole.Rows[i]["eventTime"].(time.Time).Before(whole.Rows[i+1]["eventTime"].(time.Time)))
		}
		for top := 1; top < 8; top++ {
			for _, until := range []time.Time{time.Now().Add(time.Minute), {}} {
				var all []report.Row
				page := report.Page{More: true}
				for page.More {
					page, err = s.Rows(t.Context(), q, page.At, top, until)
					require.NoError(t, err)
					require.LessOrEqual(t, len(page.Rows), top)
					all = append(all, page.Rows...)
				}
				require.Equal(t, whole.Rows, all, "pages of %d", top)
			}
		}
	}
}
