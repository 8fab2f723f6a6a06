package simtenant

import (
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// cut is a page that was cut from a collection: its elements with commas between and their number,
// where it began, and where the walk continues if there is more.
type cut struct {
	begin position
	list  []byte
	n     int
	at    position
	more  bool
}

// pageSize is how many records a page has under the fault.
func (f *Fault) pageSize(top int) int {
	if f != nil && f.Kind == ShortPage {
		return max(1, top/3)
	}
	return top
}

// bend changes the elements of a page, where the walk continues, or both. It is false where the
// fault makes no difference to this page.
func (f *Fault) bend(from pager, p *cut) bool {
	switch f.Kind {
	case EmptyPage:
		p.list, p.n, p.at, p.more = nil, 0, p.begin, true
	case SamePageTwice:
		p.at, p.more = p.begin, true
	case SameNextLink, LinkCycle, FreshCycle:
		p.more = true
	case LongLinks:
		return p.more
	case Unordered:
		p.list = joined(reversed(elements(p.list)))
	case RepeatRecords:
		if _, _, before, _ := from.take(nil, p.begin, p.n-5); p.n > 5 {
			p.at, p.more = before, true // the next page begins with this page's last records
		}
	case EndsShort:
		keep := f.Records
		if keep == 0 {
			keep = p.n / 2
		}
		if p.n <= keep && !p.more {
			return false
		}
		p.list, p.more = joined(elements(p.list)[:min(keep, p.n)]), false
	case EndsEmpty:
		if p.n == 0 && !p.more {
			return false
		}
		p.list, p.more = nil, false
	case LeavesOut:
		all := elements(p.list)
		gone := min(orDefault(f.Records, 1), len(all))
		first := (len(all) - gone) / 2
		p.list = joined(slices.Delete(all, first, first+gone))
		return gone > 0
	case ThinThenRich, RichThenThin:
		return f.double(from, p)
	case OtherTime:
		return f.redate(from, p)
	}
	return true
}

// double lets records in the middle of a page come in both forms.
func (f *Fault) double(from pager, p *cut) bool {
	w, ok := from.(walk)
	if !ok {
		return false
	}
	in := func(form string) []string {
		other := w
		other.form = w.log.forms[asked{form, w.query.as.members, w.query.as.blind}]
		list, _, _, _ := other.take(nil, p.begin, p.n)
		return elements(list)
	}
	first, second := in(entra.FormV1), in(entra.FormBeta)
	if slices.Equal(first, second) {
		return false
	}
	if f.Kind == RichThenThin {
		first, second = second, first
	}
	all := elements(p.list)
	twice := min(orDefault(f.Records, 1), len(all))
	begin := (len(all) - twice) / 2
	out := slices.Clone(all[:begin])
	for i := begin; i < begin+twice; i++ {
		out = append(out, first[i], second[i])
	}
	p.list = joined(append(out, all[begin+twice:]...))
	return true
}

// redate dates records later.
func (f *Fault) redate(from pager, p *cut) bool {
	w, ok := from.(walk)
	if !ok {
		return false
	}
	all, found := elements(p.list), false
	for i, raw := range all {
		if f.ID != "" && gjson.Get(raw, "id").Str != f.ID {
			continue
		}
		value := gjson.Get(raw, w.log.about.TimeProperty)
		at, err := entra.ParseTime(value.Str)
		if err != nil {
			continue
		}
		later := `"` + at.Add(f.Delay).Format(time.RFC3339Nano) + `"`
		all[i], found = raw[:value.Index]+later+raw[value.Index+len(value.Raw):], true
	}
	p.list = joined(all)
	return found
}

// lateness is by how much a fault dates all records later. A filter asks for the later times.
func (f *Fault) lateness() time.Duration {
	if f == nil || f.Kind != OtherTime || f.ID != "" {
		return 0
	}
	return f.Delay
}

// leadsBack is the link of a page that was handed out before, if the fault leads back to it. The
// caller holds the lock.
func (f *Fault) leadsBack(w *walks, at position) (link, bool) {
	if !f.cycles() {
		return link{}, false
	}
	back := orDefault(f.Back, f.page()-1)
	if back <= 1 {
		return link{to: position{page: 1}}, true
	}
	known, ok := w.trails[at.walk][back]
	return known, ok
}

func elements(list []byte) []string {
	var out []string
	for _, e := range gjson.Parse("[" + string(list) + "]").Array() {
		out = append(out, e.Raw)
	}
	return out
}

func joined(elements []string) []byte { return []byte(strings.Join(elements, ",")) }

func reversed(all []string) []string {
	slices.Reverse(all)
	return all
}
