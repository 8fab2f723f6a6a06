package deliveries

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/mim"
)

// Why an event is put aside whose row was altered. It can't wait for the row: the others after it would.
var (
	errAlteredPart = errors.New("the row of this part in table mimparts is not what was written: delete " +
		"it, and send the " +
		"event again")
	errAlteredRecord = errors.New("the row of this request in table mimrecords is not what was written: " +
		"delete it, and send " +
		"the event again")
)

// keep keeps a part. One whose request is in the archive is a duplicate.
func (b *batch) keep(ctx context.Context, e mim.Event, p mim.Part, s *server) error {
	name := b.Vault.Name(p)
	if _, twice := b.parts[name]; twice {
		b.duplicate(p.Came.Computer, 1)
		return nil
	}
	sealed, err := b.Vault.Seal(p)
	if err != nil {
		return err
	}
	was, err := b.Store.KeepPart(ctx, Kept{Name: name, Group: mim.GroupOf(p), Sealed: sealed, Since: b.arrived})
	if err != nil {
		return err
	}
	switch was {
	case PartAltered:
		b.reject(e, s, errAlteredPart)
		return nil
	case PartJoined:
		b.duplicate(p.Came.Computer, 1)
		return nil
	case PartWaiting:
		b.duplicate(p.Came.Computer, 1)
	default:
		b.counts.Waiting++
	}
	b.parts[name], b.order = partNow{computer: p.Came.Computer, waited: was == PartWaiting}, append(b.order, name)
	if group := mim.GroupOf(p); !slices.Contains(b.groups, group) {
		b.groups = append(b.groups, group)
	}
	return nil
}

// open decrypts the parts of a group that wait. Those of another key, and those whose rows were
// altered, are left as they are.
func (b *batch) open(ctx context.Context, group string) ([]mim.Part, []Kept, error) {
	kept, err := b.Store.Parts(ctx, group)
	if err != nil {
		return nil, nil, err
	}
	var parts []mim.Part
	for _, k := range kept {
		switch k.State {
		case PartAltered:
			b.Log.WarnContext(ctx, "a row of table mimparts is not what was written, and is passed over", "row", k.Name)
		case PartWaiting:
			p, err := b.Vault.Open(k.Name, k.Sealed)
			if err != nil {
				b.Log.WarnContext(ctx, "a part of a request of Identity Manager waits that MIM_PARTS_KEY does not open",
					"since", k.Since)
				continue
			}
			parts = append(parts, p)
		}
	}
	return parts, kept, nil
}

// join makes entries of the groups of which all parts are there.
func (b *batch) join(ctx context.Context) error {
	for _, group := range b.groups {
		parts, kept, err := b.open(ctx, group)
		if err != nil {
			return err
		}
		for {
			text, used, _ := mim.Join(parts)
			if used == nil {
				break
			}
			names, err := b.joined(text, used)
			if err != nil {
				return err
			}
			parts = slices.DeleteFunc(parts, func(p mim.Part) bool { return slices.Contains(names, b.Vault.Name(p)) })
		}
		b.repeated(group, parts, kept)
	}
	return nil
}

// repeated counts parts that came now and wait on as duplicates, where another server, or the same
// request in another state, has brought their text.
func (b *batch) repeated(group string, waiting []mim.Part, kept []Kept) {
	known := make(map[string]bool)
	for _, k := range kept {
		if _, now := b.parts[k.Name]; !now && (k.State == PartWaiting || k.State == PartJoined) {
			known[mim.TextOf(k.Name)] = true
		}
	}
	wait := make(map[string]bool, len(waiting))
	for _, p := range waiting {
		wait[b.Vault.Name(p)] = true
	}
	for _, name := range b.order {
		now := b.parts[name]
		if !strings.HasPrefix(name, group) || !wait[name] || now.waited {
			continue
		}
		if known[mim.TextOf(name)] {
			b.counts.Waiting--
			b.duplicate(now.computer, 1)
		}
		known[mim.TextOf(name)] = true
	}
}

// joined makes an entry of parts, and returns their names. It is filed as its first part.
func (b *batch) joined(text string, used []mim.Part) ([]string, error) {
	first := used[0].Came
	first.Parts = len(used)
	made, err := b.Rules.Enter(text, first)
	if err != nil { // Join has looked: it is a request
		return nil, err
	}
	e := &entry{Entry: made, server: first.Computer}
	names := make([]string, 0, len(used))
	for _, p := range used {
		name := b.Vault.Name(p)
		names = append(names, name)
		now, ok := b.parts[name]
		switch {
		case !ok:
			b.counts.Completed++
			continue
		case now.waited:
			b.duplicate(now.computer, -1)
		default:
			b.counts.Waiting--
		}
		e.events++
	}
	e.parts = [][]string{names}
	b.enter(e)
	return names, nil
}
