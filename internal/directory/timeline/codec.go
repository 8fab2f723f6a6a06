package timeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Errors of a stored timeline.
var (
	ErrNewer  = errors.New("the timeline has a property that this version does not know")
	ErrBroken = errors.New("the timeline is not what was written")
)

// stored is a timeline's form in a row. Names differ in more than their case. What is absent is
// empty: no gap, no change, no mark. Numbers are those of snapshots, times are seconds since 1970.
type stored struct {
	At       int             `json:"n"`
	First    int             `json:"f"`
	Is       uint8           `json:"b,omitempty"` // a bit for each attribute
	Differed [][2]int        `json:"d,omitempty"` // attribute and last snapshot at which it differed
	Unseen   [][2]int        `json:"g,omitempty"` // gaps: after and until
	Dark     [][2]int        `json:"u,omitempty"` // gaps in what is known of activity or use
	Marks    []string        `json:"m,omitempty"` // hash, and last snapshot with it where it is not At
	Owners   []string        `json:"o,omitempty"` // hash, and last snapshot without it where there was one
	Terms    [][]json.Number `json:"e,omitempty"` // first, start, end
	Since    [][]json.Number `json:"s,omitempty"` // first, last sign of life or use, last
}

// MarshalJSON writes the form in which it is stored.
func (u User) MarshalJSON() ([]byte, error) {
	s := u.item.stored()
	for _, a := range u.ages {
		numbers := []json.Number{number(a.first), a.since.number()}
		if a.last > 0 {
			numbers = append(numbers, number(a.last))
		}
		s.Since = append(s.Since, numbers)
	}
	return json.Marshal(s)
}

// MarshalJSON writes the form in which it is stored.
func (c Credential) MarshalJSON() ([]byte, error) {
	s := c.item.stored()
	for _, o := range c.owners {
		s.Owners = append(s.Owners, o.text(0))
	}
	for _, t := range c.terms {
		numbers := []json.Number{number(t.first), t.start.number()}
		if t.end != endless {
			numbers = append(numbers, t.end.number())
		}
		s.Terms = append(s.Terms, numbers)
	}
	for _, u := range c.uses {
		s.Since = append(s.Since, []json.Number{number(u.first), u.idle.number()})
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote; ErrNewer or ErrBroken where it is something else.
func (u *User) UnmarshalJSON(doc []byte) error {
	s, i, err := read(doc)
	if err != nil {
		return err
	}
	*u = User{item: i}
	r := reader{to: i.At}
	for _, numbers := range s.Since {
		a := age{first: r.snapshot(numbers, 0), since: r.time(numbers, 1), last: r.snapshot(numbers, 2)}
		r.check(len(numbers) <= 3 && a.first > 0)
		u.ages = append(u.ages, a)
	}
	for k, a := range u.ages {
		newest := k == len(u.ages)-1
		r.check((a.last == 0) == newest && (newest || a.first <= a.last && a.last < u.ages[k+1].first))
	}
	r.check(len(s.Terms) == 0 && len(s.Owners) == 0)
	return r.err
}

// UnmarshalJSON is as that of a User.
func (c *Credential) UnmarshalJSON(doc []byte) error {
	s, i, err := read(doc)
	if err != nil {
		return err
	}
	*c = Credential{item: i}
	r := reader{to: i.At}
	c.owners = r.marks(s.Owners, 0)
	for _, numbers := range s.Terms {
		t := term{r.snapshot(numbers, 0), r.time(numbers, 1), endless}
		if len(numbers) > 2 {
			t.end = r.time(numbers, 2)
		}
		r.check(len(numbers) <= 3 && t.first > 0)
		c.terms = append(c.terms, t)
	}
	for _, numbers := range s.Since {
		u := use{r.snapshot(numbers, 0), r.time(numbers, 1)}
		r.check(len(numbers) <= 2 && u.first > 0)
		c.uses = append(c.uses, u)
	}
	r.check(slices.IsSortedFunc(c.terms, func(a, b term) int { return a.first - b.first }) &&
		slices.IsSortedFunc(c.uses, func(a, b use) int { return a.first - b.first }) && len(c.terms) > 0)
	return r.err
}

func (i *item) stored() stored {
	s := stored{At: i.At, First: i.First, Is: i.is}
	for a, n := range i.differed {
		if n > 0 {
			s.Differed = append(s.Differed, [2]int{a, n})
		}
	}
	for _, g := range i.unseen {
		s.Unseen = append(s.Unseen, [2]int{g.after, g.until})
	}
	for _, g := range i.dark {
		s.Dark = append(s.Dark, [2]int{g.after, g.until})
	}
	for _, m := range i.marks {
		s.Marks = append(s.Marks, m.text(i.At))
	}
	return s
}

// text is the hash, and the snapshot unless it is the usual one.
func (m mark) text(usual int) string {
	if m.at == usual {
		return m.hash
	}
	return m.hash + strconv.Itoa(m.at)
}

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// number writes a time in seconds, with a fraction where it has one.
func (t ticks) number() json.Number {
	sign := ""
	if t < 0 {
		sign, t = "-", -t
	}
	text := sign + strconv.FormatInt(int64(t/perSecond), 10)
	if fraction := t % perSecond; fraction > 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%07d", fraction), "0")
	}
	return json.Number(text)
}

// read reads a stored form and what timelines have in common.
func read(doc []byte) (stored, item, error) {
	var s stored
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		if json.Unmarshal(doc, &stored{}) == nil {
			return s, item{}, ErrNewer
		}
		return s, item{}, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	r := reader{to: s.At}
	i := item{
		At: s.At, First: s.First, is: s.Is,
		unseen: r.gaps(s.Unseen), dark: r.gaps(s.Dark), marks: r.marks(s.Marks, s.At),
	}
	r.check(0 < s.First && s.First <= s.At)
	for _, d := range s.Differed {
		if r.check(d[0] >= 0 && d[0] < attributes && d[1] > 0 && d[1] < s.At); r.err == nil {
			i.differed[d[0]] = d[1]
		}
	}
	return s, i, r.err
}

// reader reads parts of a stored form up to a snapshot, and keeps the first error.
type reader struct {
	to  int
	err error
}

func (r *reader) check(ok bool) {
	if !ok && r.err == nil {
		r.err = ErrBroken
	}
}

func (r *reader) gaps(pairs [][2]int) gaps {
	var out gaps
	end := -1
	for k, p := range pairs {
		g := gap{p[0], p[1]}
		open := g.until == 0 && k == len(pairs)-1
		r.check(end <= g.after && g.after < r.to && (open || g.after < g.until && g.until <= r.to))
		out, end = append(out, g), g.until
	}
	return out
}

func (r *reader) marks(texts []string, usual int) []mark {
	var out []mark
	for _, text := range texts {
		m := mark{at: usual}
		if m.hash = text[:min(markLength, len(text))]; len(text) > markLength {
			n, err := strconv.Atoi(text[markLength:])
			r.check(err == nil)
			m.at = n
		}
		r.check(len(m.hash) == markLength && m.at >= 0 && m.at <= r.to)
		out = append(out, m)
	}
	r.check(slices.IsSortedFunc(out, mark.compare))
	return out
}

// snapshot is the number at a place; 0 where there is none.
func (r *reader) snapshot(numbers []json.Number, at int) int {
	if at >= len(numbers) {
		return 0
	}
	n, err := strconv.Atoi(numbers[at].String())
	r.check(err == nil && n > 0 && n <= r.to)
	return n
}

// time is the one at a place, where there must be one.
func (r *reader) time(numbers []json.Number, at int) ticks {
	if at >= len(numbers) {
		r.check(false)
		return 0
	}
	text := numbers[at].String()
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	r.check(err == nil && len(fraction) <= 7 && seconds < int64(endless/perSecond))
	parts, err := strconv.ParseUint("0"+(fraction + "0000000")[:7], 10, 32)
	r.check(err == nil)
	t := ticks(seconds)*perSecond + ticks(parts)
	if negative {
		t = -t
	}
	return t
}
