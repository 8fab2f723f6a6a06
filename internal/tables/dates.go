package tables

import (
	"fmt"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// dates are when a content was read first, and in which spells it was its record's current one.
// Most contents have one spell, from their first date on: only what came back has the columns Came
// and Spells.
type dates struct {
	first      time.Time
	came       time.Time // when it came back last; zero: it never did
	superseded time.Time // when a later content replaced it; zero: it is the current one
	spells     []seal.Spell
	origin     string // of an arrival: where it came from
}

// maxSpells keeps the column well below the 32,768 characters of a text; of a content that came
// back more often the oldest spells are joined.
const maxSpells = 400

func (d dates) describe(b *rows.Builder) {
	b.Time("FirstSeen", d.first)
	if !d.superseded.IsZero() {
		b.Time("Superseded", d.superseded)
	}
	if d.origin != "" {
		b.Text("Origin", d.origin)
	}
	if d.came.IsZero() {
		return
	}
	b.Time("Came", d.came)
	texts := make([]string, len(d.spells))
	for i, s := range d.spells {
		texts[i] = times(s.From, s.To)
	}
	b.Text("Spells", strings.Join(texts, " "))
}

func (d dates) supersededAt(t time.Time) dates {
	d.superseded = t
	return d
}

// cameAgain are the dates of an earlier version that is the current content again.
func (d dates) cameAgain(t time.Time) dates {
	since := d.came
	if since.IsZero() {
		since = d.first
	}
	spells := append([]seal.Spell{}, d.spells...)
	spells = append(spells, seal.Spell{From: since, To: d.superseded})
	if len(spells) > maxSpells {
		spells = append([]seal.Spell{{From: spells[0].From, To: spells[1].To}}, spells[2:]...)
	}
	return dates{first: d.first, came: t, spells: spells}
}

// dates of a row. Spells that can't be read are left out: a seal's list says what was there, too.
func (row fetchedRow) dates() dates {
	spells, _ := parseSpells(row.Spells)
	return dates{first: row.FirstSeen, came: row.Came, superseded: row.Superseded, spells: spells}
}

// since is when the content became the current one last.
func (row fetchedRow) since() time.Time {
	if row.Came.IsZero() {
		return row.FirstSeen
	}
	return row.Came
}

func parseSpells(text string) ([]seal.Spell, error) {
	var out []seal.Spell
	for _, part := range strings.Fields(text) {
		t, err := parseTimes(part, 2)
		if err != nil {
			return nil, err
		}
		out = append(out, seal.Spell{From: t[0], To: t[1]})
	}
	return out, nil
}

// leaf is a row as it is sealed.
func (row fetchedRow) leaf(at place) (seal.Leaf, error) {
	spells, err := parseSpells(row.Spells)
	if err != nil {
		return seal.Leaf{}, fmt.Errorf("read row %s: %w", row.RowKey, err)
	}
	l := seal.Leaf{Key: recordKey(row.RowKey, at), FirstSeen: row.FirstSeen, Superseded: row.Superseded, Came: row.Came,
		Spells: spells, Origin: row.originAt(at)}
	copy(l.Hash[:], row.Hash)
	return l, nil
}

// times joins times by slashes; a zero one is empty.
func times(all ...time.Time) string {
	out := make([]string, len(all))
	for i, t := range all {
		if !t.IsZero() {
			out[i] = t.UTC().Format(rows.TimeFormat)
		}
	}
	return strings.Join(out, "/")
}

func parseTimes(text string, n int) ([]time.Time, error) {
	parts := strings.Split(text, "/")
	if len(parts) != n {
		return nil, fmt.Errorf("read %q: it is not %d times", text, n)
	}
	out := make([]time.Time, n)
	for i, part := range parts {
		if part == "" {
			continue
		}
		t, err := time.Parse(rows.TimeFormat, part)
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", text, err)
		}
		out[i] = t
	}
	return out, nil
}
