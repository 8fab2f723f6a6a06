package archive_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// unruly is a tenant that answers some questions otherwise than by the truth. Its records are in
// the richest form; of a stream with two forms it gives the poorer one where it is asked for it.
type unruly struct {
	*forgetful
	answer func(n int, q entra.Query) answer // to the n-th question, from 0; nil: the truth
	before func(q entra.Query) []entra.Page  // pages before the true ones; nil: none
	mixed  bool                              // each page has the form of its records
	mu     sync.Mutex
	asked  []entra.Query
}

// answer is how a question is answered. The zero value is the truth.
type answer struct {
	err   error                              // in the place of page at, from 0
	at    int                                //
	takes time.Duration                      // to answer; the asker may lose patience
	ends  int                                // the walk has no next link after so many pages; 0: as many as there are
	empty bool                               // an empty page comes then
	hides func(i int, rec entra.Record) bool // tells whether the i-th record is left out
	form  string                             // of the records; empty: as asked
}

// Pages is archive.Source's.
func (u *unruly) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	return func(yield func(entra.Page, error) bool) {
		u.mu.Lock()
		var a answer
		if u.answer != nil {
			a = u.answer(len(u.asked), q)
		}
		u.asked = append(u.asked, q)
		u.mu.Unlock()
		if a.takes > 0 {
			select {
			case <-time.After(a.takes):
			case <-ctx.Done():
				yield(entra.Page{}, ctx.Err())
				return
			}
		}
		if a.err != nil && a.at == 0 {
			u.pages.Add(1)
			yield(entra.Page{}, a.err)
			return
		}
		if u.before != nil {
			for _, page := range u.before(q) {
				if !yield(page, nil) {
					return
				}
			}
		}
		n, records := 0, 0
		for page, err := range u.forgetful.Pages(ctx, q) {
			if err == nil {
				all := len(page.Records)
				page = u.as(page, q, a, records)
				records += all
			}
			if n++; !yield(page, err) {
				return
			}
			switch {
			case a.err != nil && n == a.at:
				yield(entra.Page{}, a.err)
				return
			case n == a.ends && a.empty:
				yield(entra.Page{Date: page.Date, Form: page.Form}, nil)
				return
			case n == a.ends:
				return
			}
		}
	}
}

// as gives a page's records the form that was asked for, and leaves some out.
func (u *unruly) as(page entra.Page, q entra.Query, a answer, before int) entra.Page {
	forms := logs.Of(q.Stream).Forms
	if page.Form = a.form; page.Form == "" && len(forms) > 0 {
		page.Form = orElse(q.Form, forms[0])
	}
	var out []entra.Parsed
	for i, rec := range page.Records {
		if a.hides != nil && a.hides(before+i, rec.Record) {
			continue
		}
		if u.mixed && !strings.Contains(string(rec.Raw), beyond) || page.Form == entra.FormV1 && len(forms) > 1 {
			page.Form = entra.FormV1
			rec.Record = poor(q.Stream, rec.Record)
		}
		out = append(out, rec)
	}
	page.Records = out
	return page
}

func orElse(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// questions are those that were asked since the n-th, without the newest minutes'.
func (u *unruly) questions(n int) []entra.Query {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.asked[n:])
}

func (u *unruly) count() int { return len(u.questions(0)) }

// beyond are the members that only the richer form has.
const beyond = `,"authenticationRequirement":`

// rich gives the tenant a record that has more in the richer form.
func (f *forgetful) rich(s entra.Stream, id string, at time.Time, content string) {
	rec := f.add(s, id, at, content)
	raw := strings.TrimSuffix(string(rec.Raw), "}") + beyond + `"multiFactorAuthentication"}`
	f.replace(s, rec.Key, parsed(s, raw))
}

func (f *forgetful) replace(s entra.Stream, key entra.Key, by entra.Record) {
	all := f.records[s]
	all[slices.IndexFunc(all, func(r entra.Record) bool { return r.Key == key })] = by
}

// enrich makes all records have more in the richer form.
func (f *forgetful) enrich(s entra.Stream) {
	for i, rec := range f.records[s] {
		f.records[s][i] = parsed(s, strings.TrimSuffix(string(rec.Raw), "}")+beyond+`"multiFactorAuthentication"}`)
	}
}

func parsed(s entra.Stream, raw string) entra.Record {
	rec, err := logs.ParseRecord(s, []byte(raw))
	if err != nil {
		panic(err) // the text is the test's own
	}
	return rec
}

// poor is the record in the poorer form.
func poor(s entra.Stream, rec entra.Record) entra.Record {
	head, _, ok := strings.Cut(string(rec.Raw), beyond)
	if !ok {
		return rec
	}
	return parsed(s, head+"}")
}

// runOf is one run of the timer against a source.
func (l *lab) runOf(source archive.Source, budget time.Duration, streams ...entra.Stream) (archive.Report, error) {
	return l.collector(l.store, source).Run(l.Context(), execution(), orStream(streams), budget)
}

// runsOf lets the timer fire every five minutes, n times; no run may fail.
func (l *lab) runsOf(source archive.Source, n int, streams ...entra.Stream) {
	for range n {
		_, err := l.runOf(source, 8*time.Minute, streams...)
		require.NoError(l, err)
		time.Sleep(5 * time.Minute)
	}
}

// killed is a run of which the process dies at its n-th write; it tells whether it did.
func (l *lab) killed(source archive.Source, at int, stored bool, streams ...entra.Stream) bool {
	store, w := l.process()
	w.diesAt, w.stored = at, stored
	_, err := l.collector(store, source).Run(l.Context(), execution(), orStream(streams), 8*time.Minute)
	if !w.dead {
		require.NoError(l, err)
	}
	return w.dead
}

// contents are the current contents of an hour, and the earlier ones, each sorted.
func (l *lab) contents(w entra.Window) (current, earlier []string) {
	for rec, err := range l.store.Records(l.Context(), w) {
		require.NoError(l, err)
		if rec.Superseded.IsZero() {
			current = append(current, string(rec.Raw))
		} else {
			earlier = append(earlier, string(rec.Raw))
		}
	}
	slices.Sort(current)
	slices.Sort(earlier)
	return current, earlier
}

// atTruth holds the archive of a stream against all that the tenant has from a time up to the
// watermark: every record is there, or its hour says what is not known of it. It returns how many
// hours say that.
func (l *lab) atTruth(s entra.Stream, from time.Time) (unsure int) {
	l.Helper()
	p, hours := l.progress(s), l.hours(s)
	shown := make(map[time.Time][]string)
	for _, rec := range l.tenant.records[s] {
		if !rec.Time.Before(from) && rec.Time.Before(p.Watermark) {
			shown[entra.FloorHour(rec.Time)] = append(shown[entra.FloorHour(rec.Time)], string(rec.Raw))
		}
	}
	seals := make(map[int64]seal.Seal)
	for entry, err := range l.store.Seals(l.Context(), s) {
		require.NoError(l, err)
		seals[entry.Number] = entry
	}
	for hour, want := range shown {
		cov, ok := hours[hour]
		require.True(l, ok, "%s has %d records and no row; the ledger begins at %s", hour, len(want), p.Begin)
		current, _ := l.contents(cov.Window)
		slices.Sort(want)
		if cov.ReadsDiffer() != "" || cov.InPart() || cov.State == archive.WindowLost {
			unsure++
			require.Subset(l, want, current)
			continue
		}
		if !hour.Before(p.SealedTo) { // a pass may still find what is missing
			require.Subset(l, want, current)
			continue
		}
		require.Equal(l, want, current, "%s is %s, reads %q", cov.Window, cov.State, cov.Reads)
	}
	for _, cov := range hours {
		if cov.State == archive.WindowSealed && cov.ReadsDiffer() != "" {
			require.Contains(l, seals[cov.LastSeal].Reason, cov.ReadsDiffer())
		}
	}
	require.Zero(l, p.Awaits, "from %s to %s", p.AwaitsFrom, p.AwaitsTo)
	require.Zero(l, p.Doubts)
	require.Empty(l, p.Suspects)
	checkLedger(l.T, l.store, s)
	if s == stream {
		v := verification(l)
		require.True(l, v.Intact(), "%v", v.Counts)
	}
	return unsure
}

// age lets the timer fire until everything up to now is sealed.
func (l *lab) age(source archive.Source, streams ...entra.Stream) {
	l.Helper()
	now := time.Now()
	l.runsOf(source, 3, streams...)
	time.Sleep(4*time.Hour + 20*time.Minute)
	l.runsOf(source, 3, streams...)
	for _, s := range orStream(streams) {
		p := l.progress(s)
		require.False(l, p.SealedTo.Before(entra.FloorHour(now)), "%s is sealed to %s; %d hours await a read from %s on", s, p.SealedTo, p.Awaits, p.AwaitsFrom)
	}
}

func kinds() []entra.Stream { return []entra.Stream{stream, logs.SignInsNonInteractiveUser} }

func name(parts ...any) string { return strings.TrimSpace(fmt.Sprintln(parts...)) }
