package tables

import (
	"context"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
)

// Contents is collect.Store's: one query over the keys' span.
func (a *Archive) Contents(ctx context.Context, w entra.Window, keys []entra.Key) (map[entra.Key][]byte, error) {
	out := make(map[entra.Key][]byte, len(keys))
	if len(keys) == 0 {
		return out, nil
	}
	wanted := make(map[string]entra.Key, len(keys))
	first, last := keys[0].Time, keys[0].Time
	for _, k := range keys {
		wanted[a.RowKey(k)] = k
		if k.Time.Before(first) {
			first = k.Time
		}
		if k.Time.After(last) {
			last = k.Time
		}
	}
	from, below := timeRange(first, last)
	return out, a.recordsIn(ctx, w, from, below, func(_ place, of []fetchedRow) error {
		key, ok := wanted[of[0].RowKey]
		if !ok {
			return nil
		}
		raw, err := a.codec.rawOf(ctx, w, of)
		if err != nil && entra.CodeOf(err) == entra.CodeTampered {
			return nil // Apply names it where it is to be replaced
		}
		if err != nil {
			return err
		}
		out[key] = raw
		return nil
	})
}

// History is collect.Store's. A record's versions follow its current row.
func (a *Archive) History(ctx context.Context, w entra.Window) (map[string]collect.History, error) {
	out := make(map[string]collect.History)
	var current []byte
	return out, a.records(ctx, w, func(at place, of []fetchedRow) error {
		raw, err := a.codec.rawOf(ctx, w, of)
		if err != nil {
			return err
		}
		if at.arrived {
			return nil
		}
		if !at.isVersion {
			current = raw
			return nil
		}
		key := recordKey(of[0].RowKey, at)
		h, ok := out[key]
		if !ok {
			h = collect.History{Current: current, Earlier: make(map[entra.Hash][]byte)}
			out[key] = h
		}
		h.Earlier[entra.Hash(of[0].Hash)] = raw // which has this hash
		return nil
	})
}
