package lastseen

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// dayKey is how a day is named.
const dayKey = "20060102"

// dayState is what the ledger has of a day.
type dayState struct {
	start  time.Time
	key    string
	hours  [24]uint64 // of what each holds; 0: the ledger has none
	good   [24]bool   // everything of the hour is here that the source ever showed
	purged bool       // one of its hours was
}

// whole is of all the day's hours; never 0.
func (d *dayState) whole() uint64 {
	h := fnv.New64a()
	for _, one := range d.hours {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, one))
	}
	return h.Sum64() | 1
}

// stateOf is of what an hour holds, whether or not it is sealed; never 0.
func stateOf(c *ledger.Coverage) uint64 {
	h := fnv.New64a()
	for _, n := range []int64{c.Records, c.Versions, c.Unconfirmed, c.Unmet} {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	if c.Imported > 0 {
		_, _ = h.Write(c.ImportedSum[:])
	}
	if c.Doubt {
		_, _ = h.Write([]byte("doubt"))
	}
	if c.HasSum {
		_, _ = h.Write(c.Sum[:])
	}
	return h.Sum64() | 1
}

// readLedger reads the states of all hours that are asked for. The newest days are there even where
// the ledger has none: records are written before the rows that count them.
func (r *reading) readLedger(ctx context.Context, first time.Time) error {
	first = entra.Later(first, r.since)
	r.first = dayOf(first)
	from, to := r.first, entra.FloorHour(r.asOf.Add(time.Hour))
	byDay := make(map[string]*dayState)
	recent := r.asOf.Add(-lookBack)
	for start := from; start.Before(to); start = start.AddDate(0, 0, 1) {
		d := &dayState{start: start, key: start.Format(dayKey)}
		byDay[d.key] = d
		r.state = append(r.state, d)
	}
	for cov, err := range r.store.Windows(ctx, r.source.Stream, from, to) {
		if err != nil {
			return err
		}
		d, hour := byDay[cov.Start.Format(dayKey)], cov.Start.Hour()
		if d == nil {
			continue
		}
		if cov.State == ledger.WindowPurged {
			d.purged = true
			continue
		}
		d.hours[hour] = stateOf(&cov)
		d.good[hour] = cov.State.IsRead() && !cov.InPart() && !cov.Doubt
	}
	kept := r.state[:0]
	for _, d := range r.state {
		if d.hours != [24]uint64{} || d.purged || d.end().After(recent) {
			kept = append(kept, d)
		}
	}
	r.state = kept
	return nil
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(days) }

func (d *dayState) end() time.Time { return d.start.Add(days) }

// forget forgets what was purged since it was read, and what nobody asks for. A user's newest time
// that lay in what was purged is gone: what older days know of that user is read again, if a hold
// keeps any.
func (r *reading) forget() {
	if r.since.Before(r.memory.Since) { // of its first day a part was kept
		delete(r.memory.Days, r.memory.Since.UTC().Format(dayKey))
	}
	held := make(map[string]*dayState, len(r.state))
	for _, d := range r.state {
		held[d.key] = d
	}
	gone := "" // the newest day that was read, and of which something was purged since
	for key, read := range r.memory.Days {
		if d := held[key]; d != nil && d.purged && read.Whole != d.whole() {
			gone = max(gone, key)
		}
	}
	maps.DeleteFunc(r.memory.Days, func(key string, _ dayRead) bool { return key <= gone || held[key] == nil })
	maps.DeleteFunc(r.times, func(_ string, at time.Time) bool {
		d := held[at.UTC().Format(dayKey)]
		return at.Before(r.since) || at.Before(r.first) || d != nil && d.purged && d.hours[at.UTC().Hour()] == 0
	})
}

// unread tells whether a day is not, or no longer, what was read of it.
func (r *reading) unread(d *dayState) bool {
	return d.hours != [24]uint64{} && r.memory.Days[d.key].Whole != d.whole()
}

// wasRead tells whether an hour of a day is what was read of it. Of one that the ledger does not
// have nobody can tell.
func (r *reading) wasRead(d *dayState, hour int) bool {
	read := r.memory.Days[d.key]
	return d.hours[hour] != 0 && (read.Whole == d.whole() || read.Hours[hour] == d.hours[hour])
}

// reach is how far the archive reaches back from the present without a gap: to the begin of an
// hour. Zero: it doesn't. The newest hours may not have been read yet.
func (r *reading) reach() time.Time {
	var out time.Time
	for n := len(r.state) - 1; n >= 0; n-- {
		d := r.state[n]
		if !out.IsZero() && !d.end().Equal(out) {
			return out
		}
		for hour := 23; hour >= 0; hour-- {
			at := d.start.Add(time.Duration(hour) * time.Hour)
			switch {
			case d.good[hour] && r.wasRead(d, hour):
				out = at
			case !out.IsZero() || !at.After(r.asOf.Add(-lookBack)):
				return out
			}
		}
	}
	return out
}
