package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

const megabyte = 1_000_000

// incompressible is a text that the archive stores as it is.
func incompressible(seed uint64, length int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"
	random, text := rand.New(rand.NewPCG(seed, 1)), make([]byte, length)
	for i := range text {
		text[i] = letters[random.IntN(len(letters))]
	}
	return string(text)
}

// compressible is a text of which next to nothing is left.
func compressible(seed uint64, length int) string {
	word := fmt.Sprintf("policy %d was applied; ", seed)
	return strings.Repeat(word, length/len(word)+1)[:length]
}

// place is where a record ends. The store accepts 2.88 MB (11 properties of 64 KiB in each of 4
// rows) after compression.
type place string

const (
	inTable      place = "in its table"
	inQuarantine place = "in quarantine"
)

// large is a record that changes after it was read.
type large struct {
	id               string
	first, later     string
	firstIn, laterIn place
}

func largeRecords() []large {
	return []large{
		{"4 MB compressible, then others", compressible(1, 4*megabyte), compressible(2, 4*megabyte), inTable, inTable},
		{"2.8 MB, then small", incompressible(3, 28*megabyte/10), "small", inTable, inTable},
		{"2.8 MB, then others", incompressible(4, 28*megabyte/10), incompressible(5, 28*megabyte/10), inTable,
			inQuarantine},
		{"small, then 2.8 MB", "small", incompressible(6, 28*megabyte/10), inTable, inTable},
		// The dictionary of the table may make it a few kilobytes smaller.
		{"just too large, then 4 MB compressible", incompressible(7, 45<<16), compressible(8, 4*megabyte), inQuarantine,
			inTable},
		{"3 MB, then others", incompressible(9, 3*megabyte), incompressible(10, 3*megabyte), inQuarantine,
			inQuarantine},
		{"4 MB, then others", incompressible(11, 4*megabyte), incompressible(12, 4*megabyte), inQuarantine,
			inQuarantine},
	}
}

// bulky is a record of a stream with a text of its own.
func bulky(s entra.Stream, id string, at time.Time, text string) []byte {
	return fmt.Appendf(nil, `{"id":%q,%q:%q,"signInEventTypes":[%q],"text":%q}`, id, logs.Of(s).TimeProperty,
		at.UTC().Format(time.RFC3339), strings.TrimPrefix(string(s), "signIns."), text)
}

// TestALargeRecordIsWholeInItsTableOrWholeInQuarantine serves records of several megabytes, alone
// on their pages or among others, and changes them afterwards.
func TestALargeRecordIsWholeInItsTableOrWholeInQuarantine(t *testing.T) {
	t.Parallel() // it waits most of the time
	for _, stream := range logs.Streams() {
		for _, pageSize := range []int{1, 1000} {
			// One stream in the order of time and the one without order are enough; the soak runs
			// all.
			pair := stream == logs.DirectoryAudits && pageSize == 1000 || stream == logs.Provisioning && pageSize == 1
			if !everyLargeRecord && !pair {
				continue
			}
			t.Run(fmt.Sprintf("%s in pages of %d", stream, pageSize), func(t *testing.T) {
				s := newSystem(t, simtenant.Config{PageSize: pageSize})
				hour := s.tenant.Now().Add(-30 * time.Hour).Truncate(time.Hour)
				streams, want := []entra.Stream{stream}, make(map[string]place)
				for n, rec := range largeRecords() {
					at := hour.Add(time.Duration(n) * time.Second)
					other := large{id: fmt.Sprint("other ", n), first: incompressible(uint64(n), 3000),
						firstIn: inTable}
					for _, served := range []large{rec, other} {
						raw := bulky(stream, served.id, at, served.first)
						require.NoError(t, s.tenant.Add(stream, raw, time.Time{}))
						want[string(raw)] = served.firstIn
					}
				}
				_, err := s.collector(route{}).Run(t.Context(), archivetest.Execution(), streams, time.Minute)
				require.NoError(t, err)
				s.requirePlaces(stream, hour, want)
				for n, rec := range largeRecords() {
					raw := bulky(stream, rec.id, hour.Add(time.Duration(n)*time.Second), rec.later)
					require.Equal(t, 1, s.tenant.Change(stream, rec.id, raw))
					want[string(raw)] = rec.laterIn
				}
				for range 2 { // the second time nothing is new
					_, err = s.collector(route{}).Range(t.Context(), archivetest.Execution(), streams, hour,
						hour.Add(time.Hour),
						time.Minute)
					require.NoError(t, err)
					s.requirePlaces(stream, hour, want)
				}
				s.requireIntact(streams...)
			})
		}
	}
}

// requirePlaces looks for every record, byte for byte, in its table and in quarantine.
func (s *system) requirePlaces(stream entra.Stream, hour time.Time, want map[string]place) {
	got := make(map[string]place)
	for rec, err := range s.store.Records(s.Context(), entra.Window{Stream: stream, Start: hour}) {
		require.NoError(s, err)
		got[string(rec.Raw)] = inTable
	}
	for rec, err := range s.store.Quarantined(s.Context(), stream) {
		require.NoError(s, err)
		require.Empty(s, got[string(rec.Raw)], "a record is in both places")
		got[string(rec.Raw)] = inQuarantine
	}
	require.Len(s, got, len(want))
	for raw, at := range want {
		require.Equal(s, at, got[raw], "%.100s", raw)
	}
}

// TestWhatAnInterruptedWriteLeftInQuarantineHidesNothing stops between the rows of a record that
// needs six, and then the tenant changes the record, so that no run completes them.
func TestWhatAnInterruptedWriteLeftInQuarantineHidesNothing(t *testing.T) {
	t.Parallel() // it waits most of the time
	const stream = logs.SignInsInteractiveUser
	left := 0
	for writes := range 40 {
		s := newSystem(t, simtenant.Config{})
		tables, address := newBadTables(s)
		at := s.tenant.Now().Add(-30 * time.Hour).Truncate(time.Hour)
		require.NoError(t, s.tenant.Add(stream, bulky(stream, "large", at, incompressible(1, 4*megabyte)), time.Time{}))
		tables.set(serverBusy, writes, 1000)
		_, err := s.collector(route{tables: address}).Run(t.Context(), archivetest.Execution(), []entra.Stream{stream},
			time.Minute)
		if err == nil {
			require.GreaterOrEqual(t, left, 5, "the break came between the rows")
			return
		}
		if n, err := s.store.InQuarantine(t.Context(), stream); err == nil && n == 0 && tables.happened() > 0 {
			left++
		}
		first := bulky(stream, "large", at, incompressible(1, 4*megabyte))
		later := bulky(stream, "large", at, incompressible(2, 4*megabyte))
		require.Equal(t, 1, s.tenant.Change(stream, "large", later))
		_, err = s.collector(route{}).Run(t.Context(), archivetest.Execution(), []entra.Stream{stream}, time.Minute)
		require.NoError(t, err)
		found := false
		for rec, err := range s.store.Quarantined(t.Context(), stream) {
			require.NoError(t, err, "broken off after %d writes", writes)
			// Where the run broke off later, while it sealed, the hour was done, and is not read
			// again yet.
			found = found || string(rec.Raw) == string(later) || string(rec.Raw) == string(first)
		}
		require.True(t, found)
	}
	t.Fatal("the run never came to its end")
}
