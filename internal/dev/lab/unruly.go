package lab

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Unruly is a tenant that answers some questions otherwise than by the truth. Its records are in
// the richest form; of a stream with two forms it gives the poorer one where it is asked for it.
type Unruly struct {
	*Forgetful
	Answer func(n int, q entra.Query) Answer // to the n-th question, from 0; nil: the truth
	Before func(q entra.Query) []entra.Page  // pages before the true ones; nil: none
	Mixed  bool                              // each page has the form of its records
	mu     sync.Mutex
	asked  []entra.Query
}

// Answer is how a question is answered. The zero value is the truth.
type Answer struct {
	Err   error                              // in the place of page at, from 0
	at    int                                //
	Takes time.Duration                      // to answer; the asker may lose patience
	Ends  int                                // the walk has no next link after so many pages; 0: as many as there are
	Empty bool                               // an empty page comes then
	Hides func(i int, rec entra.Record) bool // reports whether the i-th record is left out
	Form  string                             // of the records; empty: as asked
}

// next is the answer to a question.
func (u *Unruly) next(q entra.Query) (a Answer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.Answer != nil {
		a = u.Answer(len(u.asked), q)
	}
	u.asked = append(u.asked, q)
	return a
}

// Pages is collect.Source's.
func (u *Unruly) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	return func(yield func(entra.Page, error) bool) {
		a := u.next(q)
		if a.Takes > 0 {
			select {
			case <-time.After(a.Takes):
			case <-ctx.Done():
				yield(entra.Page{}, ctx.Err())
				return
			}
		}
		if a.Err != nil && a.at == 0 {
			u.Served.Add(1)
			yield(entra.Page{}, a.Err)
			return
		}
		if u.Before != nil {
			for _, page := range u.Before(q) {
				if !yield(page, nil) {
					return
				}
			}
		}
		n, records := 0, 0
		for page, err := range u.Forgetful.Pages(ctx, q) {
			if err == nil {
				all := len(page.Records)
				page = u.as(page, q, a, records)
				records += all
			}
			if n++; !yield(page, err) {
				return
			}
			switch {
			case a.Err != nil && n == a.at:
				yield(entra.Page{}, a.Err)
				return
			case n == a.Ends && a.Empty:
				yield(entra.Page{Date: page.Date, Form: page.Form}, nil)
				return
			case n == a.Ends:
				return
			}
		}
	}
}

// as gives a page's records the form that was asked for, and leaves some out.
func (u *Unruly) as(page entra.Page, q entra.Query, a Answer, before int) entra.Page {
	forms := logs.Of(q.Stream).Forms
	if page.Form = a.Form; page.Form == "" && len(forms) > 0 {
		page.Form = orElse(q.Form, forms[0])
	}
	var out []entra.Parsed
	for i, rec := range page.Records {
		if a.Hides != nil && a.Hides(before+i, rec.Record) {
			continue
		}
		if u.Mixed && !strings.Contains(string(rec.Raw), Beyond) || page.Form == entra.FormV1 && len(forms) > 1 {
			page.Form = entra.FormV1
			rec.Record = Poor(q.Stream, rec.Record)
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

// Questions are those that were asked since the n-th, without the newest minutes'.
func (u *Unruly) Questions(n int) []entra.Query {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.asked[n:])
}

// Beyond are the members that only the richer form has.
const Beyond = `,"authenticationRequirement":`

func (f *Forgetful) Replace(s entra.Stream, key entra.Key, by entra.Record) {
	all := f.Records[s]
	all[slices.IndexFunc(all, func(r entra.Record) bool { return r.Key == key })] = by
}

// Enrich makes all records have more in the richer form.
func (f *Forgetful) Enrich(s entra.Stream) {
	for i, rec := range f.Records[s] {
		f.Records[s][i] = Parsed(s, strings.TrimSuffix(string(rec.Raw), "}")+Beyond+`"multiFactorAuthentication"}`)
	}
}

func Parsed(s entra.Stream, raw string) entra.Record {
	rec, err := logs.ParseRecord(s, []byte(raw))
	if err != nil {
		panic(err) // the text is the test's own
	}
	return rec
}

// Poor is the record in the poorer form.
func Poor(s entra.Stream, rec entra.Record) entra.Record {
	head, _, ok := strings.Cut(string(rec.Raw), Beyond)
	if !ok {
		return rec
	}
	return Parsed(s, head+"}")
}

// RunOf is one run of the timer against a source.
func (l *Lab) RunOf(source collect.Source, budget time.Duration, streams ...entra.Stream) (collect.Report, error) {
	return l.Collector(l.Store, source).Run(l.Context(), Execution(), OrStream(streams), budget)
}

// RunsOf lets the timer fire every five minutes, n times; no run may fail.
func (l *Lab) RunsOf(source collect.Source, n int, streams ...entra.Stream) {
	for range n {
		_, err := l.RunOf(source, 8*time.Minute, streams...)
		require.NoError(l, err)
		time.Sleep(5 * time.Minute)
	}
}
