package deliveries

import (
	"context"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/mim"
)

// Expire puts aside the parts that have waited for others for a day, and returns how many. It joins
// nothing: what can be joined is, when its last part comes. Without a key nothing is put aside.
func (cfg Config) Expire(ctx context.Context) (int, error) {
	if cfg.Vault == nil {
		return 0, nil
	}
	b := &batch{Config: cfg, arrived: cfg.Now().UTC()}
	before := b.arrived.Add(-partsWait)
	groups, err := b.Store.Groups(ctx, before)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, group := range groups {
		n, err := b.expireGroup(ctx, group, before)
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// expireGroup puts aside the parts of one group. The quarantine is written before the wait ends: a
// kill between leaves parts that are put aside again, into the same rows. A part whose text is in the
// archive, because another server logged it, too, or the same request was logged in another state,
// ends its wait and leaves nothing.
func (b *batch) expireGroup(ctx context.Context, group string, before time.Time) (int, error) {
	parts, kept, err := b.open(ctx, group)
	if err != nil {
		return 0, err
	}
	why := mim.ErrPartMissing
	if _, used, sound := mim.Join(parts); used == nil && !sound {
		why = mim.ErrPartsDiffer
	}
	archived := make(map[string]bool)
	for _, k := range kept {
		if k.State == PartJoined {
			archived[mim.TextOf(k.Name)] = true
		}
	}
	var names []string
	waits, aside := false, 0
	for _, k := range kept {
		if k.State != PartWaiting {
			continue
		}
		i := slices.IndexFunc(parts, func(p mim.Part) bool { return b.Vault.Name(p) == k.Name })
		if i < 0 || k.Since.After(before) {
			waits = true
			continue
		}
		names = append(names, k.Name)
		if !archived[mim.TextOf(k.Name)] {
			aside++
			b.rejects = append(b.rejects, Rejected{Raw: b.Rules.Reject(parts[i].AsEvent()), Reason: why.Error()})
		}
	}
	if err := b.quarantine(ctx); err != nil {
		return 0, err
	}
	if len(names) > 0 {
		if err := b.Store.EndParts(ctx, names, PartAside); err != nil {
			return 0, err
		}
	}
	if waits {
		return aside, nil
	}
	return aside, b.Store.EndGroup(ctx, group)
}
