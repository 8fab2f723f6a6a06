package report

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/reference"
)

// counts counts records by a key.
type counts struct {
	of     func(Record) (key string, row Row)
	Groups map[string]*counted
}

type counted struct {
	Row Row
	N   int64
}

func newCounts(of func(Record) (string, Row)) *counts {
	return &counts{of: of, Groups: make(map[string]*counted)}
}

// Add is Sums's.
func (c *counts) Add(r Record) {
	key, row := c.of(r)
	g, ok := c.Groups[key]
	if !ok {
		g = &counted{Row: ownRow(row)}
		c.Groups[strings.Clone(key)] = g
	}
	g.N++
}

// Rows is Sums's.
func (c *counts) Rows() []Keyed {
	var out []Keyed
	for key, g := range c.Groups {
		row := maps.Clone(g.Row)
		row["count"] = g.N
		out = append(out, Keyed{key, row})
	}
	return byKey(out)
}

// Doubt is Sums's.
func (c *counts) Doubt() (string, bool) { return "", false }

func byKey(rows []Keyed) []Keyed {
	slices.SortFunc(rows, func(a, b Keyed) int { return strings.Compare(a.Key, b.Key) })
	return rows
}

// ownRow copies the texts of a row, so that none holds the whole record that it was read from.
func ownRow(row Row) Row {
	for name, value := range row {
		if text, ok := value.(string); ok {
			row[name] = strings.Clone(text)
		}
	}
	return row
}

// outcomes of a sign-in's newest record.
const (
	succeeded = iota
	interrupted
	failed
)

// apart is how long after a record of a sign-in another one of it may come: the demand for a second
// factor (50074), and seconds or minutes later the success.
const apart = 15 * time.Minute

// signIns counts sign-ins by a key, each once: records with one id that are less than a quarter of
// an hour apart are one, and the newest says how it ended.
type signIns struct {
	of    func(Record) (key string, row Row)
	most  int  // pairs of key and user that are told apart; 0: users are not counted
	total bool // rows are in the order of counts

	Groups map[string]*signInGroup
	// The sign-ins of the last quarters of an hour, by the hash of their ids: this one's and the
	// one's before.
	Quarter     int64
	Last, Older map[uint64]open
	Users       hashes `json:",omitempty"`
	TooMany     bool   `json:",omitempty"`
}

type signInGroup struct {
	Row   Row
	N     [3]int64 // by outcome
	Users int64
}

// open is a sign-in of which another record may come.
type open struct {
	Key     string `json:"k"`
	Outcome int    `json:"o"`
}

func newSignIns(most int, total bool, of func(Record) (string, Row)) *signIns {
	return &signIns{of: of, most: most, total: total, Groups: make(map[string]*signInGroup),
		Last: make(map[uint64]open), Older: make(map[uint64]open)}
}

// Add is Sums's.
func (s *signIns) Add(r Record) {
	key, row := s.of(r)
	g, ok := s.Groups[key]
	if !ok {
		g = &signInGroup{Row: ownRow(row)}
		s.Groups[strings.Clone(key)] = g
	}
	s.rotate(r.Time)
	id := hashOf(r.ID)
	before, again := s.Last[id]
	if !again {
		before, again = s.Older[id]
	}
	if again && s.Groups[before.Key] != nil {
		s.Groups[before.Key].N[before.Outcome]--
	}
	now := open{strings.Clone(key), outcomeOf(r)}
	g.N[now.Outcome]++
	s.Last[id] = now
	s.user(g, key, firstText(r, "userId", "userPrincipalName"))
}

// rotate forgets sign-ins of which no further record is expected.
func (s *signIns) rotate(now time.Time) {
	quarter := now.Unix() / int64(apart/time.Second)
	switch {
	case quarter <= s.Quarter:
		return
	case quarter == s.Quarter+1:
		s.Older = s.Last
	default:
		s.Older = make(map[uint64]open)
	}
	s.Last, s.Quarter = make(map[uint64]open), quarter
}

func (s *signIns) user(g *signInGroup, key, user string) {
	if s.most == 0 || s.TooMany || user == "" {
		return
	}
	if s.Users == nil {
		s.Users = make(hashes)
	}
	pair := hashOf(key + "\x00" + user)
	if _, there := s.Users[pair]; there {
		return
	}
	if len(s.Users) >= s.most {
		s.Users, s.TooMany = nil, true
		return
	}
	s.Users[pair] = struct{}{}
	g.Users++
}

// Rows is Sums's.
func (s *signIns) Rows() []Keyed {
	var out []Keyed
	for key, g := range s.Groups {
		if g.N == [3]int64{} { // its sign-ins went on in another group
			continue
		}
		row := maps.Clone(g.Row)
		row["signInCount"] = g.N[succeeded] + g.N[interrupted] + g.N[failed]
		row["successCount"], row["interruptedCount"], row["failureCount"] = g.N[succeeded], g.N[interrupted],
			g.N[failed]
		if s.most > 0 && !s.TooMany {
			row["userCount"] = g.Users
		}
		out = append(out, Keyed{key, row})
	}
	byKey(out)
	if s.total {
		slices.SortStableFunc(out, func(a, b Keyed) int {
			return cmp.Compare(b.Row["signInCount"].(int64), a.Row["signInCount"].(int64))
		})
	}
	return out
}

// Doubt is Sums's.
func (s *signIns) Doubt() (string, bool) {
	if s.TooMany {
		return "userCount is left out: there are too many pairs of application and user to tell them apart; " +
			"ask for less time", false
	}
	return "", false
}

// outcomeOf is how a record says that its sign-in ended, in the portal's words.
func outcomeOf(r Record) int {
	switch reference.SignInStatus(r.Doc.Get("status.errorCode").Int()) {
	case "Success":
		return succeeded
	case "Interrupted":
		return interrupted
	}
	return failed
}

func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // a hash takes every byte
	return h.Sum64()
}

// hashes is a set of hashes. Its JSON form is short, for it is kept in a job.
type hashes map[uint64]struct{}

// MarshalText writes eight bytes for each, in base64.
func (h hashes) MarshalText() ([]byte, error) {
	var all []byte
	for hash := range h {
		all = binary.BigEndian.AppendUint64(all, hash)
	}
	return base64.StdEncoding.AppendEncode(nil, all), nil
}

// UnmarshalText reads what MarshalText wrote.
func (h *hashes) UnmarshalText(text []byte) error {
	all, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return err
	}
	*h = make(hashes)
	for ; len(all) >= 8; all = all[8:] {
		(*h)[binary.BigEndian.Uint64(all)] = struct{}{}
	}
	return nil
}
