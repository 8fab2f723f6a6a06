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

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// leavesTable holds, for each seal of a month, what was sealed: it is dropped with the month.
func leavesTable(w entra.Window) string { return "leaves" + w.Start.UTC().Format("200601") }

// leavesKey begins the key of a seal's list. The whole key has the root, too: what an execution
// that lost the stream keeps of an entry that it never commits does not touch the list of the entry
// that was.
func leavesKey(s seal.Seal) string {
	return s.Start.UTC().Format(entra.HourFormat) + sealMark + fmt.Sprintf("%010d", s.Number)
}

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
	// keptHash is how much of a hash a kept leaf has: enough to tell records of a window apart. The
	// proof is the root.
	keptHash = 8
	// maxDates bounds the dates beside a list: they take one column. They name a row whose dates
	// were changed; that some were, the seal's second root tells.
	maxDates = maxProperty
	// wholeListEvery is how many seals of an hour come to one whose list is whole: the others may
	// have only what was added to the one before.
	wholeListEvery = 8
)

// KeepLeaves is archive.Store's. Lists of one row go in few transactions; of a longer one the first
// row, which vouches for the others, comes when they are there.
func (s *Store) KeepLeaves(ctx context.Context, lists []archive.SealedList) error {
	small := make(map[string][]aztables.TransactionAction)
	for _, l := range lists {
		if len(l.Leaves) == 0 {
			continue
		}
		lines := s.listRows(l)
		if table := leavesTable(l.Seal.Window); len(lines) == 1 && len(lines[0].body) < maxTransaction/maxOperations {
			small[table] = append(small[table], aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: lines[0].body})
			continue
		}
		if err := s.addList(ctx, leavesTable(l.Seal.Window), lines); err != nil {
			return err
		}
	}
	for _, table := range slices.Sorted(maps.Keys(small)) {
		for some := range slices.Chunk(small[table], maxOperations) {
			err := s.submit(ctx, table, some)
			if !errors.Is(err, archive.ErrExists) {
				if err != nil {
					return err
				}
				continue
			}
			for _, one := range some { // a run that died has kept some of them
				if err := s.submit(ctx, table, []aztables.TransactionAction{one}); err != nil && !errors.Is(err, archive.ErrExists) {
					return err
				}
			}
		}
	}
	return nil
}

// addList adds a list's rows, last first. The key names the content, so rows of it that a run that
// died has written are these.
func (s *Store) addList(ctx context.Context, table string, lines []line) error {
	for n := len(lines) - 1; n >= 0; n-- {
		err := s.submitLastFirst(ctx, table, aztables.TransactionTypeAdd, lines[n:n+1])
		if err != nil && !errors.Is(err, archive.ErrExists) {
			return err
		}
	}
	return nil
}

// listRows are the rows of a list. One that goes on from another one has the records of which
// contents came, each with all of them; what the two have in common is kept once.
func (s *Store) listRows(l archive.SealedList) []line {
	kept, after := l.Leaves, ""
	if l.Before != nil {
		if added := addedTo(l.Before.Leaves, l.Leaves); 2*len(added) < len(l.Leaves) && l.Before.Times%wholeListEvery != 0 {
			kept, after = added, listKey(l.Before.Seal)
		}
	}
	var list, dates []byte
	for _, leaf := range kept {
		list = append(append(append(list, leaf.Hash[:keptHash]...), leaf.Key...), '\n')
		if l.Seal.Dated {
			dates = append(append(dates, leaf.DatesAt(l.Seal.SealedAt)...), '\n')
		}
	}
	data, codecName, free := s.codec.encode(nil, list)
	defer free()
	when, datesCodec, freeDates := s.codec.encode(nil, dates)
	defer freeDates()
	return bigRows(string(l.Seal.Stream), listKey(l.Seal), data, func(b *rowBuilder, first bool) {
		if !first {
			return
		}
		b.text("Codec", codecName)
		if after != "" {
			b.text("After", after)
		}
		if len(dates) > 0 && len(when) <= maxDates {
			b.text("DatesCodec", datesCodec)
			b.binary("Dates", when)
		}
	})
}

// addedTo are the contents of the records of which one list has others than the other.
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
	return slices.EqualFunc(a, b, func(x, y seal.Leaf) bool { return x.Hash == y.Hash })
}

// KeptLeaves is archive.Store's.
func (s *Store) KeptLeaves(ctx context.Context, sealed seal.Seal) (archive.KeptList, bool, error) {
	var own, older []listRow
	// A version before wrote the key without the root.
	from, key := leavesKey(sealed), listKey(sealed)
	err := s.queryLists(ctx, sealed, from, func(row listRow) {
		switch {
		case strings.HasPrefix(row.key, key):
			own = append(own, row)
		case !strings.HasPrefix(row.key, from+rootMark):
			older = append(older, row)
		}
	})
	if len(own) == 0 { // one of a version before may lie beside the seal's own, of an entry that was never committed
		own = older
	}
	if err != nil || !wholeList(own) {
		return archive.KeptList{}, false, err
	}
	return s.listOf(ctx, sealed, own)
}

// listOf is the list of rows, and of those that it goes on from; ok is false where one is not
// there.
func (s *Store) listOf(ctx context.Context, sealed seal.Seal, rows []listRow) (out archive.KeptList, ok bool, err error) {
	if out, err = s.parseList(ctx, sealed.Window, rows); err != nil {
		return out, false, err
	}
	after := rows[0].after
	for n := 0; after != ""; n++ {
		var before []listRow
		if err := s.queryLists(ctx, sealed, after, func(row listRow) { before = append(before, row) }); err != nil {
			return out, false, err
		}
		if !wholeList(before) || n > wholeListEvery {
			return out, false, nil
		}
		base, err := s.parseList(ctx, sealed.Window, before)
		if err != nil {
			return out, false, err
		}
		out, after = goneOn(base, out), before[0].after
	}
	return out, true, nil
}

// queryLists yields the rows of a seal's month whose keys begin so.
func (s *Store) queryLists(ctx context.Context, sealed seal.Seal, from string, yield func(listRow)) error {
	return s.query(ctx, leavesTable(sealed.Window), string(sealed.Stream), from, from+"~", "", func(body []byte) error {
		row, err := parseListRow(body)
		if err == nil {
			yield(row)
		}
		return err
	})
}

// listRow is one row of a list.
type listRow struct {
	key, codec string
	after      string // key of the list that it goes on from
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
	for i := range chunksPerRow {
		row.data = append(row.data, chunks[chunkName(i)]...)
	}
	if err != nil {
		return row, fmt.Errorf("read row %s of a list of seals: %w", row.key, err)
	}
	return row, nil
}

func wholeList(rows []listRow) bool { return len(rows) > 0 && len(rows) == max(1, rows[0].parts) }

// parseList reads a list from its rows.
func (s *Store) parseList(ctx context.Context, w entra.Window, rows []listRow) (out archive.KeptList, err error) {
	var data []byte
	for _, row := range rows {
		data = append(data, row.data...)
	}
	list, err := s.decode(ctx, leavesTable(w), data, rows[0].codec)
	if err != nil {
		return out, fmt.Errorf("read what was sealed of %s: %w", w, err)
	}
	for len(list) > keptHash {
		end := keptHash
		for end < len(list) && list[end] != '\n' {
			end++
		}
		leaf := archive.KeptLeaf{Key: string(list[keptHash:end])}
		copy(leaf.Hash[:], list[:keptHash])
		out.Leaves = append(out.Leaves, leaf)
		list = list[min(end+1, len(list)):]
	}
	if rows[0].datesCodec == "" {
		return out, nil
	}
	dates, err := s.decode(ctx, leavesTable(w), rows[0].dates, rows[0].datesCodec)
	if err != nil {
		return out, fmt.Errorf("read the dates of what was sealed of %s: %w", w, err)
	}
	if out.Dates = strings.Split(strings.TrimSuffix(string(dates), "\n"), "\n"); len(out.Dates) != len(out.Leaves) {
		return out, fmt.Errorf("read the dates of what was sealed of %s: there are %d for %d contents", w, len(out.Dates), len(out.Leaves))
	}
	return out, nil
}

// goneOn is a list of which added has the records that have other contents than in base.
func goneOn(base, added archive.KeptList) (out archive.KeptList) {
	changed := make(map[string]bool, len(added.Leaves))
	for _, l := range added.Leaves {
		changed[l.Key] = true
	}
	dated := base.Dates != nil && added.Dates != nil
	take := func(from archive.KeptList, i int) {
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
