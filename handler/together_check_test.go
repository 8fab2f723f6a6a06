package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables"
)

// togetherRecord is a record with every content that the tenant showed, in order.
type togetherRecord struct {
	stream entra.Stream
	id     string
	key    string // as in the leaves
	at     time.Time
	shows  []togetherShow
}

type togetherShow struct {
	hash    entra.Hash
	content int
	since   time.Time
}

// clocksApart is the possible difference between the time of a read in the ledger and the time of a
// change: the clocks of the instances differ, and the tenant's clock does not move within a round.
const clocksApart = 6 * time.Minute

// latePasses is how old an hour may be so that what comes of it is met by a pass.
const latePasses = 5*24*time.Hour + 12*time.Hour

// appears makes the tenant show a record that is new.
func (w *together) appears(stream entra.Stream, at time.Time) {
	at = at.Truncate(time.Millisecond)
	r := &togetherRecord{stream: stream, id: fmt.Sprintf("%s-%04d", stream, len(w.records)), at: at}
	r.key = w.store.RowKey(entra.Key{Time: at, ID: r.id})
	w.records = append(w.records, r)
	w.did.records++
	w.shows(r, 0)
}

// shows makes the tenant show a content of a record from now on. The contents of a record differ; a
// number is always the same one.
func (w *together) shows(r *togetherRecord, content int) {
	filler := rand64(uint64(len(r.id)*1000+content), r.id)
	raw := fmt.Appendf(nil, `{"id":%q,%q:%q,"userId":"user-%d","content":%d,"filler":%q}`, r.id,
		logs.Of(r.stream).TimeProperty,
		r.at.Format(time.RFC3339Nano), len(filler)%5, content, filler)
	if len(r.shows) == 0 {
		require.NoError(w, w.tenant.Add(r.stream, raw, time.Time{}))
	} else {
		w.did.changes++
		require.Equal(w, 1, w.tenant.Change(r.stream, r.id, raw))
	}
	r.shows = append(r.shows, togetherShow{entra.HashOf(raw), content, w.now})
}

// rand64 is text that does not become much smaller when it is compressed, so that a table soon has
// enough for a dictionary.
func rand64(seed uint64, name string) string {
	h := entra.HashOf(fmt.Appendf(nil, "%d %s", seed, name))
	var out strings.Builder
	for range 10 {
		fmt.Fprintf(&out, "%x", h)
		h = entra.HashOf(h[:])
	}
	return out.String()
}

// happens makes the tenant return new records, late ones, changes and changes back. Changes in
// hours that are older than the last pass wait for a requested range.
func (w *together) happens(since time.Time, n int) {
	from := make(map[entra.Stream]time.Time)
	for _, stream := range w.streams {
		from[stream] = w.readable(stream)
	}
	for _, stream := range w.streams {
		for range n {
			w.appears(stream, since.Add(time.Duration(w.random.Int64N(int64(w.now.Sub(since))))))
		}
		for range n / 3 {
			if at := w.now.Add(-time.Duration(w.random.Int64N(int64(latePasses)))); !at.Before(from[stream]) {
				w.appears(stream, at)
			}
		}
	}
	for range n {
		if r := w.pick(latePasses, from); r != nil {
			w.changes(r)
		}
	}
	if deep := 20 * 24 * time.Hour; n > 3 && w.random.IntN(3) == 0 {
		if r := w.pick(deep, from); r != nil {
			w.changes(r)
			w.deepened(r.at)
		}
		at := w.now.Add(-time.Duration(w.random.Int64N(int64(deep))))
		if stream := w.streams[0]; !at.Before(from[stream]) {
			w.appears(stream, at)
			w.deepened(at)
		}
	}
}

func (w *together) deepened(at time.Time) {
	w.did.deep++
	if w.deep.IsZero() || at.Before(w.deep) {
		w.deep = at
	}
}

// readable is from when on a stream can be read: it was not read before its first hour, and months
// are dropped.
func (w *together) readable(stream entra.Stream) time.Time {
	p, err := w.store.Progress(w.Context(), stream)
	require.NoError(w, err)
	from := p.Begin
	if from.IsZero() {
		from = togetherBegin.Add(-6 * 24 * time.Hour)
	}
	if p.PurgedTo.After(from) {
		from = p.PurgedTo
	}
	for _, d := range p.Drops {
		if end := d.Month.AddDate(0, 1, 0); end.After(from) {
			from = end
		}
	}
	return from
}

// pick is some record that is not older than age, nor than its stream can be read, nil where chance
// finds none.
func (w *together) pick(age time.Duration, from map[entra.Stream]time.Time) *togetherRecord {
	for range 20 {
		if r := w.records[w.random.IntN(len(w.records))]; w.now.Sub(r.at) < age && !r.at.Before(from[r.stream]) {
			return r
		}
	}
	return nil
}

// changes makes a record show a content that it never had, or one that it had before.
func (w *together) changes(r *togetherRecord) {
	newest := 0
	for _, s := range r.shows {
		newest = max(newest, s.content)
	}
	content := newest + 1
	if earlier := r.shows[w.random.IntN(len(r.shows))].content; w.random.IntN(2) == 0 &&
		earlier != r.shows[len(r.shows)-1].content {
		content = earlier
	}
	w.shows(r, content)
}

// quiet runs between two rounds, without other work. It collects by hand what came of sealed hours,
// and compares what is stored with what the tenant returned.
func (w *together) quiet() {
	w.lateWritesArrive()
	// The round's timer may have been killed, or have left a stream to others. The next one comes
	// after five minutes, and days pass before the next round.
	for tries := 0; w.behind(); tries++ {
		require.Less(w, tries, 3, "the timer alone does not keep up")
		w.now = w.now.Add(5 * time.Minute)
		w.tenant.Freeze(w.now)
		w.timer(w.random.IntN(2), "archivelogs", 0)
		require.Empty(w, w.failed)
	}
	if !w.deep.IsZero() {
		w.now = w.now.Add(20 * time.Minute)
		w.tenant.Freeze(w.now)
		w.collect(w.random.IntN(2), rangeBody(w.deep, w.now))
		w.deep = time.Time{}
		require.Empty(w, w.failed)
	}
	w.requireClaims()
}

// behind reports whether a stream was not read up to this round.
func (w *together) behind() bool {
	return slices.ContainsFunc(w.streams, func(s entra.Stream) bool {
		p, err := w.store.Progress(w.Context(), s)
		require.NoError(w, err)
		return w.now.Sub(p.Watermark) > 15*time.Minute
	})
}

// contents lists what is stored of a stream, by record and hash.
func (w *together) contents(stream entra.Stream) map[string]map[entra.Hash]seal.Leaf {
	listed, err := w.store.Leaves(w.Context(), stream, togetherBegin.AddDate(0, -1, 0), w.now.Add(time.Hour))
	require.NoError(w, err)
	out := make(map[string]map[entra.Hash]seal.Leaf)
	for _, leaves := range listed {
		for _, l := range leaves {
			if out[l.Key] == nil {
				out[l.Key] = make(map[entra.Hash]seal.Leaf)
			}
			require.NotContains(w, out[l.Key], l.Hash, "%s: a content is stored twice", l.Key)
			out[l.Key][l.Hash] = l
		}
	}
	return out
}

// requireClaims holds what is stored against what the ledger says that was read: nothing is there
// that was never shown, nothing is gone that was stored once, and whatever a complete read of an
// hour must have met is there, the newest as the current one.
func (w *together) requireClaims() {
	for _, stream := range w.streams {
		stored, from := w.contents(stream), w.readable(stream)
		passed := make(map[time.Time]time.Time)
		for cov, err := range w.store.Windows(w.Context(), stream, from, w.now.Add(time.Hour)) {
			require.NoError(w, err)
			// before that, the first part of the hour may have been read long before the last
			if cov.PassedAt.After(cov.End()) {
				passed[cov.Start] = cov.PassedAt
			}
			if cov.Doubt {
				w.did.doubts++
			}
		}
		for _, r := range w.records {
			if r.stream != stream || r.at.Before(from) {
				continue
			}
			w.requireClaim(r, stored[r.key], passed[entra.FloorHour(r.at)])
			delete(stored, r.key)
		}
		for key := range stored {
			require.Less(w, key, from.Format(time.RFC3339), "%s is not the tenant's", key)
		}
	}
}

func (w *together) requireClaim(r *togetherRecord, has map[entra.Hash]seal.Leaf, passed time.Time) {
	current := 0
	for hash, l := range has {
		require.True(w, slices.ContainsFunc(r.shows, func(s togetherShow) bool {
			return s.hash == hash
		}), "%s was never shown so", r.id)
		w.seen[contentName(r, hash)] = true
		if l.Superseded.IsZero() {
			current++
		}
	}
	if len(has) > 0 {
		require.Equal(w, 1, current, "%s: current contents", r.id)
	}
	want, is := -1, -1
	for i, s := range r.shows {
		if w.seen[contentName(r, s.hash)] {
			require.Contains(w, has, s.hash, "%s: content %d was stored once and is gone", r.id, s.content)
		}
		if passed.After(s.since.Add(clocksApart)) {
			want = i
		}
		if l, ok := has[s.hash]; ok && l.Superseded.IsZero() {
			is = i
		}
	}
	require.GreaterOrEqual(w, is, want, "%s of %s: its hour was read at %s, and after that the older "+
		"content is current: %+v",
		r.id, r.at, passed, r.shows)
}

func contentName(r *togetherRecord, h entra.Hash) string { return fmt.Sprintf("%s %x", r.id, h) }

// finish ends both instances and lets one that is alone do what is left. Then everything has to be
// in order.
func (w *together) finish() {
	for i := range w.started {
		w.started[i].kill()
	}
	p := w.launch(0)
	w.started[0], w.started[1] = p, p
	w.tenMinutesPass()
	run := func(timer string) {
		status, answer, err := p.invoke(timer)
		require.NoError(w, err)
		require.Equal(w, http.StatusOK, status, "%s: %v", timer, answer)
		w.tenMinutesPass()
	}
	for range 2 {
		run("archivelogs")
	}
	w.collect(0, rangeBody(w.now.Add(-7*24*time.Hour), w.now))
	w.tenMinutesPass()
	run("archivelogs")
	run("purgearchive")
	run("indexarchive")
	run("archivelogs")
	run("purgearchive") // what was dropped is dropped again, and then removed
	for _, path := range w.orphans {
		status, _, answer, err := p.request(http.MethodGet, path, "")
		require.NoError(w, err)
		require.Contains(w, []int{http.StatusOK, http.StatusAccepted}, status, answer)
	}
	require.Empty(w, w.failed)
	require.NotContains(w, p.stdout.String(), "left to another execution")
	for _, row := range p.coverage() {
		require.Equal(w, "current", row["status"], "%v", row)
	}
	w.requireClaims()
	w.requireTruth()
	for _, stream := range w.streams {
		w.requireExact(stream)
		w.requireNothingLeft(stream)
	}
	w.did.seals = w.requireIntact(w.streams...)
	require.Equal(w, w.did.abandoned, w.did.takenOver, "%+v", w.left)
}

// tenMinutesPass lets time pass for the tenant and for the storage service.
func (w *together) tenMinutesPass() {
	w.now = w.now.Add(ledger.LateWrites + time.Minute)
	w.tenant.Freeze(w.now)
	w.lateWritesArrive()
}

// requireTruth reads every record back: each has the newest content that the tenant showed, byte
// for byte, as the current one.
func (w *together) requireTruth() {
	for _, stream := range w.streams {
		from, current := w.readable(stream), make(map[string]entra.Hash)
		for start := from; start.Before(w.now); start = start.AddDate(0, 0, 1) {
			for hour := start; hour.Before(start.AddDate(0, 0, 1)); hour = hour.Add(time.Hour) {
				if !slices.ContainsFunc(w.records, func(r *togetherRecord) bool {
					return r.stream == stream && entra.FloorHour(r.at).Equal(hour)
				}) {
					continue
				}
				for rec, err := range w.store.Records(w.Context(), entra.Window{Stream: stream, Start: hour}) {
					require.NoError(w, err)
					if rec.Superseded.IsZero() {
						require.NotContains(w, current, rec.ID)
						current[rec.ID] = rec.Hash
					}
				}
			}
		}
		for _, r := range w.records {
			if r.stream == stream && !r.at.Before(from) {
				require.Equal(w, r.shows[len(r.shows)-1].hash, current[r.id], "%s of %s", r.id, r.at)
			}
		}
		for _, left := range w.left {
			if _, lease, err := w.store.State(w.Context(), stream); left.stream == stream {
				require.NoError(w, err)
				require.False(w, lease.Held())
				if lease.Fence > left.fence {
					w.did.takenOver++
				}
			}
		}
	}
}

// ledgerSum is what the rows of a ledger sum up to.
type ledgerSum struct {
	ledger.Tally
	complete, purged, reopened, doubts, lost int64
}

// requireExact counts the rows of every hour and compares them with the ledger, the ledger with its
// totals, and its log with the heads outside the tables.
func (w *together) requireExact(stream entra.Stream) {
	p, err := w.store.Progress(w.Context(), stream)
	require.NoError(w, err)
	require.Equal(w, w.requireHours(stream), ledgerSum{p.Tally, p.WindowsComplete, p.Purged, p.Reopened, p.Doubts,
		p.Lost}, stream)
	require.Empty(w, p.Suspects, stream)
	require.Empty(w, p.Drops, stream)
	require.Equal(w, p.Seals, p.Heads, stream)
	size, err := w.store.LogSize(w.Context(), stream, p.Seals)
	require.NoError(w, err)
	require.Equal(w, p.Seals, size, stream)
	newest := int64(0)
	for head, err := range w.heads.Heads(w.Context(), stream) {
		require.NoError(w, err)
		newest = max(newest, head.Size)
	}
	require.Equal(w, p.Seals, newest, stream)
	w.did.purgedHours += p.Purged
}

// requireHours compares every hour's rows with what the ledger says of it.
func (w *together) requireHours(stream entra.Stream) (sum ledgerSum) {
	to := w.now.Add(time.Hour)
	stored, err := w.store.StoredByHour(w.Context(), stream, togetherBegin.AddDate(0, -2, 0), to)
	require.NoError(w, err)
	for cov, err := range w.store.Windows(w.Context(), stream, time.Time{}, to) {
		require.NoError(w, err)
		where := fmt.Sprintf("%s %s %+v", stream, cov.Start, cov)
		has := stored[cov.Start]
		delete(stored, cov.Start)
		counted := ledger.Tally{Records: cov.Records, Versions: cov.Versions, Bytes: cov.Bytes,
			StoredBytes: cov.StoredBytes}
		require.False(w, cov.Doubt, where)
		require.NotEqual(w, ledger.WindowReopened, cov.State, where)
		require.False(w, cov.InPart() || cov.State == ledger.WindowLost, where)
		require.Zero(w, cov.Unconfirmed+cov.Unmet, where)
		require.Equal(w, counted.Records+counted.Versions, has.Count, where)
		require.True(w, cov.HasSum && cov.Sum == has.Sum, where)
		require.Equal(w, cov.Fetched, cov.New+cov.Changed+cov.Unchanged+cov.Quarantined, where)
		if has.Count > 0 {
			is, err := w.store.Count(w.Context(), cov.Window)
			require.NoError(w, err)
			require.Equal(w, ledger.Tally{Records: is.Records, Versions: is.Versions, Bytes: is.Bytes,
				StoredBytes: is.StoredBytes}, counted, where)
		}
		sum.Records, sum.Versions = sum.Records+counted.Records, sum.Versions+counted.Versions
		sum.Bytes, sum.StoredBytes = sum.Bytes+counted.Bytes, sum.StoredBytes+counted.StoredBytes
		for n, yes := range map[*int64]bool{&sum.complete: cov.Whole(), &sum.purged: cov.State == ledger.WindowPurged,
			&sum.reopened: cov.State == ledger.WindowReopened, &sum.doubts: cov.Doubt, &sum.lost: cov.InPart() ||
				cov.State == ledger.WindowLost} {
			if yes {
				*n++
			}
		}
	}
	require.Empty(w, stored, "%s: hours that the ledger does not know", stream)
	return sum
}

// requireNothingLeft: of the months that were purged there is no row but the ledger's.
func (w *together) requireNothingLeft(stream entra.Stream) {
	p, err := w.store.Progress(w.Context(), stream)
	require.NoError(w, err)
	for month := togetherBegin.AddDate(0, -1, 1-togetherBegin.Day()).
		Truncate(24 * time.Hour); month.Before(p.PurgedTo); month = month.AddDate(0, 1, 0) {
		table, suffix := tables.TableName(entra.Window{Stream: stream, Start: month}), month.Format("200601")
		require.Zero(w, w.rowsOf(table, ""), "table %s", table)
		for name, partition := range map[string]string{"index" + suffix: string(stream), "leaves" +
			suffix: string(stream), "dictionaries": table} {
			require.Zero(w, w.rowsOf(name, partition), "partition %s of table %s", partition, name)
		}
	}
	if w.now.Sub(togetherBegin) > 33*24*time.Hour { // the first month is past its retention then
		require.False(w, p.PurgedTo.IsZero(), stream)
	}
}

// rowsOf counts the rows of a table, or of a partition of it.
func (w *together) rowsOf(table, partition string) (n int) {
	options := &aztables.ListEntitiesOptions{}
	if partition != "" {
		filter := fmt.Sprintf("PartitionKey eq '%s'", partition)
		options.Filter = &filter
	}
	for pager := w.tables.NewClient(table).NewListEntitiesPager(options); pager.More(); {
		page, err := pager.NextPage(context.Background())
		if err != nil {
			require.ErrorContains(w, err, "TableNotFound")
			return n
		}
		n += len(page.Entities)
	}
	return n
}
