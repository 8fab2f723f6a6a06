package tables

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/sealing"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// rootMark begins the part of the key that names the root.
const rootMark = "!r"

func listKey(s seal.Seal) string {
	key := leavesKey(s) + rootMark + hex.EncodeToString(s.Root[:8])
	if s.Dated { // behind what a version before looks for
		key += "." + hex.EncodeToString(s.Dates[:4])
	}
	return key
}

const (
	// keptHash is how much of a hash a kept leaf has: enough to distinguish the records of a
	// window. The proof is the root.
	keptHash = 8
	// maxDates limits the dates beside a list to one column. They name a row whose dates were
	// changed; the seal's second root proves that some were.
	maxDates = rows.MaxProperty
	// wholeListEvery is how many seals of an hour come to one whose list is whole: the others may
	// have only what was added to the one before.
	wholeListEvery = 8
)

// KeepLeaves is sealing.Store's. Lists of one row need few transactions; of a longer one the first
// row, which marks it as whole, comes last.
func (a *Archive) KeepLeaves(ctx context.Context, lists []sealing.SealedList) error {
	small := make(map[string][]rows.Action)
	for _, l := range lists {
		if len(l.Leaves) == 0 {
			continue
		}
		lines, table := a.listRows(l), leavesTable(l.Seal.Window)
		if len(lines) == 1 && len(lines[0].Body) < rows.MaxTransaction/rows.MaxOperations {
			small[table] = append(small[table], rows.Action{Kind: rows.Insert, Row: lines[0].Body})
			continue
		}
		for n := len(lines) - 1; n >= 0; n-- {
			if err := a.keep(ctx, table, rows.Action{Kind: rows.Insert, Row: lines[n].Body}); err != nil {
				return err
			}
		}
	}
	for _, table := range slices.Sorted(maps.Keys(small)) {
		for some := range slices.Chunk(small[table], rows.MaxOperations) {
			err := a.client.Submit(ctx, table, some...)
			if !errors.Is(err, rows.ErrExists) {
				if err != nil {
					return err
				}
				continue
			}
			for _, one := range some { // a run that died has kept some of them
				if err := a.keep(ctx, table, one); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keep inserts a row of a list. The key names the content, so a row that is there already, of a run
// that died, is this one.
func (a *Archive) keep(ctx context.Context, table string, row rows.Action) error {
	err := a.client.Submit(ctx, table, row)
	if errors.Is(err, rows.ErrExists) {
		return nil
	}
	return err
}

// listRows are the rows of a list. One that continues from another one has the records of which
// contents came, each with all of them; what the two have in common is kept once.
func (a *Archive) listRows(l sealing.SealedList) []rows.Entity {
	kept, after := l.Leaves, ""
	if l.Before != nil {
		added := addedTo(l.Before.Leaves, l.Leaves)
		if 2*len(added) < len(l.Leaves) && l.Before.Times%wholeListEvery != 0 {
			kept, after = added, listKey(l.Before.Seal)
		}
	}
	var list, dates []byte
	for _, leaf := range kept {
		fixed := leaf.Fixed()
		list = append(append(append(list, fixed[:keptHash]...), leaf.Key...), '\n')
		if l.Seal.Dated {
			dates = append(append(dates, leaf.DatesAt(l.Seal.SealedAt)...), '\n')
		}
	}
	data, codecName, free := a.codec.encode(nil, list)
	defer free()
	when, datesCodec, freeDates := a.codec.encode(nil, dates)
	defer freeDates()
	return bigRows(string(l.Seal.Stream), listKey(l.Seal), data, func(b *rows.Builder, first bool) {
		if !first {
			return
		}
		b.Text("Codec", codecName)
		if after != "" {
			b.Text("After", after)
		}
		if len(dates) > 0 && len(when) <= maxDates {
			b.Text("DatesCodec", datesCodec)
			b.Binary("Dates", when)
		}
	})
}

// addedTo are the contents of the records of which one list has others than the other, and the
// arrivals that another form took the place of: their dates may differ.
func addedTo(before, now []seal.Leaf) []seal.Leaf {
	var added []seal.Leaf
	for len(now) > 0 {
		key := now[0].Key
		n, b := sameKey(now, key), 0
		for len(before) > 0 && before[0].Key < key {
			before = before[1:] // none goes away
		}
		if b = sameKey(before, key); b != n || !sameLeaves(before[:b], now[:n]) {
			added = append(added, now[:n]...)
		}
		before, now = before[b:], now[n:]
	}
	return added
}

func sameKey(leaves []seal.Leaf, key string) int {
	n := 0
	for n < len(leaves) && leaves[n].Key == key {
		n++
	}
	return n
}

func sameLeaves(a, b []seal.Leaf) bool {
	return slices.EqualFunc(a, b, func(x, y seal.Leaf) bool {
		return x.Fixed() == y.Fixed() && !(y.Arrived() && !y.Superseded.IsZero())
	})
}

// KeptLeaves is collect.Store's.
func (a *Archive) KeptLeaves(ctx context.Context, sealed seal.Seal) (ledger.KeptList, bool, error) {
	var own, older []listRow
	// A version before wrote the key without the root.
	from, key := leavesKey(sealed), listKey(sealed)
	all, err := a.queryLists(ctx, sealed, from)
	for _, row := range all {
		switch {
		case strings.HasPrefix(row.key, key):
			own = append(own, row)
		case !strings.HasPrefix(row.key, from+rootMark):
			older = append(older, row)
		}
	}
	if len(own) == 0 { // one of a version before may be beside the seal's own, of an entry that was never committed
		own = older
	}
	if err != nil || !wholeList(own) {
		return ledger.KeptList{}, false, err
	}
	return a.listOf(ctx, sealed, own)
}

// listOf is the list of rows, and of those that it continues from; ok is false where one is not
// there.
func (a *Archive) listOf(ctx context.Context, sealed seal.Seal,
	of []listRow) (out ledger.KeptList, ok bool, err error) {
	if out, err = a.parseList(ctx, sealed.Window, of); err != nil {
		return out, false, err
	}
	after := of[0].after
	for n := 0; after != ""; n++ {
		before, err := a.queryLists(ctx, sealed, after)
		if err != nil {
			return out, false, err
		}
		if !wholeList(before) || n > wholeListEvery {
			return out, false, nil
		}
		base, err := a.parseList(ctx, sealed.Window, before)
		if err != nil {
			return out, false, err
		}
		out, after = goneOn(base, out), before[0].after
	}
	return out, true, nil
}

// queryLists reads the rows of a seal's month whose keys begin so.
func (a *Archive) queryLists(ctx context.Context, sealed seal.Seal, from string) (out []listRow, err error) {
	query := rows.Query{Filter: rows.In(string(sealed.Stream), from, from+"~")}
	for body, err := range a.client.Scan(ctx, leavesTable(sealed.Window), query) {
		if err != nil {
			return out, err
		}
		row, err := parseListRow(body)
		if err != nil {
			return out, err
		}
		out = append(out, row)
	}
	return out, nil
}

// listRow is one row of a list.
type listRow struct {
	key, codec string
	after      string // key of the list that it continues from
	parts      int
	data       []byte
	dates      []byte
	datesCodec string
}

func parseListRow(body []byte) (listRow, error) {
	var (
		row    listRow
		err    error
		binary = func(v gjson.Result) []byte {
			b, wrong := base64.StdEncoding.DecodeString(v.Str)
			err = cmp.Or(err, wrong)
			return b
		}
		chunks = make(map[string][]byte)
	)
	gjson.ParseBytes(body).ForEach(func(name, v gjson.Result) bool {
		switch name.Str {
		case "RowKey":
			row.key = v.String()
		case "Codec":
			row.codec = v.String()
		case "After":
			row.after = v.String()
		case "Parts":
			row.parts = int(v.Int())
		case "Dates":
			row.dates = binary(v)
		case "DatesCodec":
			row.datesCodec = v.String()
		default:
			if strings.HasPrefix(name.Str, "Record") && !strings.Contains(name.Str, "@") {
				chunks[name.Str] = binary(v)
			}
		}
		return true
	})
	for i := range rows.ChunksPerRow {
		row.data = append(row.data, chunks[rows.ChunkName(i)]...)
	}
	if err != nil {
		return row, fmt.Errorf("read row %s of a list of seals: %w", row.key, err)
	}
	return row, nil
}

func wholeList(of []listRow) bool { return len(of) > 0 && len(of) == max(1, of[0].parts) }

// parseList reads a list from its rows.
func (a *Archive) parseList(ctx context.Context, w entra.Window, of []listRow) (out ledger.KeptList, err error) {
	var data []byte
	for _, row := range of {
		data = append(data, row.data...)
	}
	list, err := a.codec.decode(ctx, leavesTable(w), data, of[0].codec)
	if err != nil {
		return out, fmt.Errorf("read what was sealed of %s: %w", w, err)
	}
	for len(list) > keptHash {
		end := keptHash
		for end < len(list) && list[end] != '\n' {
			end++
		}
		leaf := ledger.KeptLeaf{Key: string(list[keptHash:end])}
		copy(leaf.Hash[:], list[:keptHash])
		out.Leaves = append(out.Leaves, leaf)
		list = list[min(end+1, len(list)):]
	}
	if of[0].datesCodec == "" {
		return out, nil
	}
	dates, err := a.codec.decode(ctx, leavesTable(w), of[0].dates, of[0].datesCodec)
	if err != nil {
		return out, fmt.Errorf("read the dates of what was sealed of %s: %w", w, err)
	}
	if out.Dates = strings.Split(strings.TrimSuffix(string(dates), "\n"), "\n"); len(out.Dates) != len(out.Leaves) {
		return out, fmt.Errorf("read the dates of what was sealed of %s: there are %d for %d contents",
			w, len(out.Dates), len(out.Leaves))
	}
	return out, nil
}

// goneOn is a list of which added has the records that have other contents than in base.
func goneOn(base, added ledger.KeptList) (out ledger.KeptList) {
	changed := make(map[string]bool, len(added.Leaves))
	for _, l := range added.Leaves {
		changed[l.Key] = true
	}
	dated := base.Dates != nil && added.Dates != nil
	take := func(from ledger.KeptList, i int) {
		out.Leaves = append(out.Leaves, from.Leaves[i])
		if dated {
			out.Dates = append(out.Dates, from.Dates[i])
		}
	}
	next := 0
	upTo := func(key string, all bool) {
		for ; next < len(added.Leaves) && (all || added.Leaves[next].Key < key); next++ {
			take(added, next)
		}
	}
	for i, l := range base.Leaves {
		upTo(l.Key, false)
		if !changed[l.Key] {
			take(base, i)
		}
	}
	upTo("", true)
	return out
}
