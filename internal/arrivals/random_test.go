package arrivals_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/purge"
)

// play is an archive that is read, filled by files and purged in no order, and what it has to have.
type play struct {
	*lab.Lab
	random *rand.Rand
	graph  map[string]time.Time // ids that the tenant shows, with their times
	want   map[string]time.Time // ids that have to be answered, as long as their months are there
	purged map[time.Time]bool   // months
	files  int
}

const playedDays = 45

var playedFrom = lab.Start.Add(-40 * lab.Days)

func newPlay(l *lab.Lab, seed uint64) *play {
	p := &play{Lab: l, random: rand.New(rand.NewPCG(seed, 7)), graph: map[string]time.Time{},
		want:   map[string]time.Time{},
		purged: map[time.Time]bool{}}
	for at := playedFrom; at.Before(lab.Start.Add(3 * lab.Days)); at = at.Add(time.Duration(1+
		p.random.IntN(200)) * time.Minute) {
		rec := signIn(fmt.Sprint("g", len(p.graph)), at.Truncate(time.Second), 0, "A")
		l.Tenant.AddRaw(lab.Stream, string(rec.Raw))
		p.graph[rec.ID] = rec.Time
	}
	return p
}

func month(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

// imports adds a file of one hour: Graph's records with seven digits, and some that only the file has.
func (p *play) imports() {
	hour := entra.FloorHour(playedFrom.Add(time.Duration(p.random.IntN(playedDays*24)) * time.Hour))
	if hour.After(time.Now()) {
		return
	}
	p.files++
	var recs []entra.Record
	for n := range len(p.graph) {
		id := fmt.Sprint("g", n)
		if at := p.graph[id]; entra.FloorHour(at).Equal(hour) && p.random.IntN(2) == 0 {
			recs = append(recs, signIn(id, at.Add(time.Duration(p.random.IntN(9999999))*entra.Tick), 0, "file"))
		}
	}
	for i := range 1 + p.random.IntN(3) {
		recs = append(recs, signIn(fmt.Sprint("f", p.files, "-", i),
			hour.Add(time.Duration(p.random.IntN(3600))*time.Second), 0, "file"))
	}
	keep := purge.Retention{}
	if p.random.IntN(2) == 0 {
		keep = lab.Keep35
	}
	out, err := adderOf(p.Lab, p.Store, keep).Add(p.Context(), lab.Execution(), lab.Stream, hour, recs, origin("kept"))
	if err != nil {
		require.Equal(p, entra.CodeNotKept, entra.CodeOf(err), "%v", err)
		return
	}
	require.False(p, p.purged[month(hour)], "a purged month took an import")
	require.Equal(p, len(recs), out.Added+out.Present)
	require.True(p, out.Sealed)
	for _, rec := range recs {
		p.want[rec.ID] = rec.Time.Truncate(time.Second)
	}
}

func (p *play) step() {
	switch p.random.IntN(8) {
	case 0, 1, 2, 3:
		p.imports()
	case 4, 5, 6:
		p.Runs(time.Duration(5+p.random.IntN(100))*time.Minute,
			time.Now().Add(time.Duration(1+p.random.IntN(30))*time.Hour))
	default:
		months, err := p.Purge(p.Store, lab.Keep35)
		require.NoError(p, err)
		for _, m := range months {
			p.purged[m.Month] = p.purged[m.Month] || m.Dropped
		}
	}
	inOrder(p.Lab)
}

// ended compares what is answered with what the tenant showed and the files had.
func (p *play) ended() {
	p.Runs(time.Hour, time.Now().Add(9*lab.Days))
	inOrder(p.Lab)
	lab.CheckLedgerTotals(p.Lab)
	is := p.Progress(lab.Stream)
	require.Equal(p, []int64{0, 0}, []int64{is.Unsealed, is.Doubts})
	for id, at := range p.graph {
		if is.Started() && !at.Before(is.Held()) && at.Before(is.Watermark) {
			p.want[id] = at
		}
	}
	for id, at := range p.want {
		if p.purged[month(at)] {
			delete(p.want, id)
		}
	}
	got := map[string]bool{}
	for hour := entra.FloorHour(playedFrom); hour.Before(time.Now()); hour = hour.Add(time.Hour) {
		for _, id := range answered(p.Lab, hour) {
			require.False(p, got[id], "%s is answered twice", id)
			require.Contains(p, p.want, id)
			got[id] = true
		}
	}
	require.Len(p, got, len(p.want))
}

func playOne(t *testing.T, seed uint64) {
	lab.In(t, func(l *lab.Lab) {
		p := newPlay(l, seed)
		for range 25 {
			p.step()
		}
		p.ended()
	})
}

// TestNothingIsLostOrTwiceWhateverTheOrder of reads, imports and purges.
func TestNothingIsLostOrTwiceWhateverTheOrder(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playOne(t, seed) })
	}
}
