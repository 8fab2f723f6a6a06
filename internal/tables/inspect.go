package tables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// errEnough says that no more is wanted.
var errEnough = errors.New("the reader has enough")

// Inspect is verify.Evidence's.
func (u *Audit) Inspect(ctx context.Context, stream entra.Stream,
	from, to time.Time) iter.Seq2[verify.Inspected, error] {
	return func(yield func(verify.Inspected, error) bool) {
		err := u.archive.inspectAll(ctx, stream, from, to, func(got verify.Inspected, _ entra.Record) error {
			if !yield(got, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(verify.Inspected{}, err)
		}
	}
}

// inspectAll is Inspect, with the record that was read of each content; it is empty where the
// content has a Problem. Both are good until yield returns.
func (a *Archive) inspectAll(ctx context.Context, stream entra.Stream, from, to time.Time,
	yield func(verify.Inspected, entra.Record) error) error {
	in := inspection{stream: stream, from: from, to: to, unpacker: unpacker{codec: a.codec},
		check: newColumnCheck(stream), yield: yield}
	for month := range monthsOf(stream, from, to) {
		in.table = month.table
		for body, err := range a.client.Scan(ctx, month.table, rows.Query{Filter: month.filter()}) {
			if err != nil {
				return err
			}
			if err := in.take(ctx, body); err != nil {
				return err
			}
		}
		if err := in.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// inspection recomputes what the rows of one record after the other say.
type inspection struct {
	stream   entra.Stream
	from, to time.Time
	table    string
	open     group
	unpacker unpacker
	check    columnCheck
	raw      []byte // used again by the next record
	yield    func(verify.Inspected, entra.Record) error
}

func (in *inspection) take(ctx context.Context, body []byte) error {
	if in.open.adds(body) {
		return nil
	}
	if err := in.flush(ctx); err != nil {
		return err
	}
	in.open.begin()
	return nil
}

func (in *inspection) flush(ctx context.Context) error {
	if in.open.used == 0 {
		return nil
	}
	got, rec, err := in.inspect(ctx, in.open.rows())
	in.open.drop()
	if err != nil {
		return err
	}
	return in.yield(got, rec)
}

// keptBuffer is the largest memory that is kept for the next record.
const keptBuffer = 1 << 20

// inspect recomputes everything that the rows of one record say of it. An error is one of reading,
// not of what was read.
func (in *inspection) inspect(ctx context.Context,
	of []fetchedRow) (out verify.Inspected, rec entra.Record, err error) {
	first := &of[0]
	out = verify.Inspected{Row: first.RowKey, Hour: sortsInto(first.PartitionKey, in.from, in.to),
		Leaf: seal.Leaf{Key: first.RowKey, FirstSeen: first.FirstSeen, Superseded: first.Superseded, Came: first.Came}}
	copy(out.Hash[:], first.Hash)
	out.Stored = sizeOf(of)
	out.Spells, _ = parseSpells(first.Spells) // examine names those that can't be read
	at, problem := examine(of)
	out.Origin = first.originAt(at)
	if problem != "" {
		if at.isVersion {
			out.Key = recordKey(first.RowKey, at)
		}
		out.Problem = problem
		return out, rec, nil
	}
	out.Key = recordKey(first.RowKey, at)
	raw, problem, err := in.unpacker.unpack(ctx, in.table, data(of), first.Codec, in.raw[:0])
	if problem != "" || err != nil {
		out.Problem, out.Needs = problem, in.unpacker.needs
		return out, rec, err
	}
	if out.Raw = raw; cap(raw) <= keptBuffer {
		in.raw = raw
	}
	rec, err = logs.ParseRecord(in.stream, raw)
	own := ownKey(in.stream, rec, at.arrived)
	switch {
	case !bytes.Equal(rec.Hash[:], first.Hash):
		out.Problem = fmt.Sprintf("its bytes have the SHA-256 %x, and %x was written", rec.Hash, first.Hash)
	case err != nil:
		out.Problem = fmt.Sprintf("its bytes are no record of %s: %v", in.stream, err)
	case own != out.Key:
		out.Problem = fmt.Sprintf("it stands under a key that is not its record's (%s)", own)
	case !at.versionOf(rec.Hash):
		out.Problem = "it stands under the key of another content"
	default:
		out.Set, out.Foreign = in.check.set(rec, first)
		out.Columns = rec.Columns
		return out, rec, nil
	}
	return out, entra.Record{}, nil
}
