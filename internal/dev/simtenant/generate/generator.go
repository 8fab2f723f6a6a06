// Package generate makes up the log records of a tenant. Every record is a pure function of the
// seed, its stream and its number, so that a tenant of millions of records holds none of them in
// memory.
package generate

import (
	"hash/fnv"
	"math"
	"sort"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Config is a tenant's made-up activity.
type Config struct {
	Seed     uint64
	Users    int                  // default 100
	Apps     int                  // default 20
	Days     int                  // before End, that hold all records; default 30
	Policies int                  // Conditional Access policies evaluated in each interactive sign-in
	End      time.Time            // no record is later
	Exactly  map[entra.Stream]int // exactly so many records of a stream
}

// Generator makes records. It is safe for concurrent use.
type Generator struct {
	cfg     Config
	begin   time.Time
	weights []float64 // up to the end of each hour, cumulated
	users   []user
	active  []user // who sign in
	apps    []app

	evaluated []policy
}

// New prepares a Generator: its people and apps, and how busy each hour is.
func New(cfg Config) *Generator {
	cfg.Users, cfg.Apps, cfg.Days = orElse(cfg.Users, 100), orElse(cfg.Apps, 20), orElse(cfg.Days, 30)
	cfg.End = cfg.End.UTC().Truncate(time.Second)
	g := &Generator{cfg: cfg, begin: cfg.End.Add(-time.Duration(cfg.Days) * 24 * time.Hour)}
	sum := 0.0
	for h := range cfg.Days * 24 {
		sum += busy(g.begin.Add(time.Duration(h) * time.Hour))
		g.weights = append(g.weights, sum)
	}
	for k := range cfg.Users {
		g.users = append(g.users, newUser(newRand(cfg.Seed, "user", k), k))
		if !dormant(k) {
			g.active = append(g.active, g.users[k])
		}
	}
	g.evaluated = newPolicies(cfg.Seed, max(cfg.Policies, mostPolicies))
	for k := range cfg.Apps {
		g.apps = append(g.apps, newApp(newRand(cfg.Seed, "app", k), k))
	}
	return g
}

func orElse(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}

// busy is how much happens in the hour that begins at t: office hours, and little at the weekend.
func busy(t time.Time) float64 {
	weight := 0.15 + math.Exp(-math.Pow((float64(t.Hour())-12.5)/4, 2))
	if t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
		weight *= 0.25
	}
	return weight
}

// Len is how many records a stream has.
func (g *Generator) Len(s entra.Stream) int {
	if n, ok := g.cfg.Exactly[s]; ok {
		return n
	}
	perDay := map[entra.Stream]int{
		logs.SignInsInteractiveUser:        2 * g.cfg.Users,
		logs.SignInsNonInteractiveUser:     4 * g.cfg.Users,
		logs.SignInsServicePrincipal:       6 * g.cfg.Apps,
		logs.SignInsManagedIdentity:        3 * g.cfg.Apps,
		logs.DirectoryAudits:               g.cfg.Users/20 + 5,
		logs.Provisioning:                  g.cfg.Users/50 + 1,
		logs.CustomSecurityAttributeAudits: 1,
	}
	return perDay[s] * g.cfg.Days
}

// Time is the time of record i, exactly as the record has it; never before that of record i-1.
func (g *Generator) Time(s entra.Stream, i int) time.Time {
	share := (float64(i) + 0.5) / float64(g.Len(s)) * g.weights[len(g.weights)-1]
	hour := min(sort.SearchFloat64s(g.weights, share), len(g.weights)-1)
	before := 0.0
	if hour > 0 {
		before = g.weights[hour-1]
	}
	within := (share - before) / (g.weights[hour] - before)
	at := g.begin.Add(time.Duration(hour)*time.Hour + time.Duration(within*float64(time.Hour)))
	if logs.Of(s).Licensed {
		return at.Truncate(time.Second)
	}
	return at.Truncate(entra.Tick)
}

// Append appends record i of a stream to dst: one JSON object without a line break.
func (g *Generator) Append(dst []byte, s entra.Stream, i int) []byte {
	w := writer{dst}
	r := newRand(g.cfg.Seed, string(s), i)
	at := g.Time(s, i)
	switch s {
	case logs.SignInsInteractiveUser:
		g.interactive(&w, r, at, i)
	case logs.SignInsNonInteractiveUser:
		g.nonInteractive(&w, r, at, i)
	case logs.SignInsServicePrincipal, logs.SignInsManagedIdentity:
		g.workload(&w, r, at, s == logs.SignInsManagedIdentity)
	case logs.Provisioning:
		g.provisioning(&w, r, at, i)
	case logs.DirectoryAudits:
		g.audit(&w, r, at, i, false)
	case logs.CustomSecurityAttributeAudits:
		g.audit(&w, r, at, i, true)
	}
	return w.b
}

// rand is a counter-based generator (splitmix64): cheap to seed for each record.
type rand struct{ state uint64 }

func newRand(seed uint64, name string, i int) *rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash covers every byte
	r := &rand{seed*0x9e3779b97f4a7c15 ^ h.Sum64() ^ uint64(i)*0xbf58476d1ce4e5b9}
	r.next()
	return r
}

func (r *rand) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number in [0, n).
func (r *rand) below(n int) int { return int(r.next() % uint64(n)) }

// oneIn is true once in n times.
func (r *rand) oneIn(n int) bool { return r.below(n) == 0 }

func pick[T any](r *rand, from []T) T { return from[r.below(len(from))] }
