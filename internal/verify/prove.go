package verify

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// Prover is what a proof is made from.
type Prover interface {
	Evidence
	Seal(ctx context.Context, s entra.Stream, number int64) (seal.Seal, error)
}

// readLog is a stream's log, read entry by entry.
type readLog struct {
	ctx    context.Context
	prover Prover
	stream entra.Stream
}

// Seal is seal.Log's.
func (l readLog) Seal(number int64) (seal.Seal, error) { return l.prover.Seal(l.ctx, l.stream, number) }

// Prove makes the proof that a record was archived: the one with an id and a time, in its current
// content. Errors: entra.CodeNotFound where there is no such record, entra.CodeConflict where its
// hour is not sealed yet, entra.CodeTampered where the hour is not what was sealed.
func Prove(ctx context.Context, prover Prover, stream entra.Stream, id string, when time.Time) (seal.Proof, error) {
	doing := fmt.Sprintf("prove record %q of %s", id, stream)
	w := entra.WindowOf(stream, when)
	record, leaves, err := find(ctx, prover, w, entra.Key{Time: when.Truncate(entra.Tick), ID: id})
	if err != nil {
		return seal.Proof{}, err
	}
	if record.Raw == nil {
		return seal.Proof{}, notThere(ctx, prover, w, doing, when)
	}
	unsealed := func(why string) (seal.Proof, error) {
		return seal.Proof{}, &entra.Error{Code: entra.CodeConflict, Doing: doing, Why: why,
			Remedy: "try again when it is sealed; the coverage function says up to when the stream is"}
	}
	var cov ledger.Coverage
	for c, err := range prover.Windows(ctx, stream, w.Start, w.End()) {
		if err != nil {
			return seal.Proof{}, err
		}
		cov = c
	}
	if cov.Seals == 0 {
		return unsealed("its hour is not sealed yet")
	}
	log := readLog{ctx, prover, stream}
	s, err := log.Seal(cov.LastSeal)
	if err != nil {
		return seal.Proof{}, err
	}
	members, err := ledger.MembersOf(ctx, prover, s, leaves)
	if err != nil {
		return seal.Proof{}, err
	}
	if !slices.ContainsFunc(members, func(l seal.Leaf) bool { return l.Key == record.Key && l.Hash == record.Hash }) {
		return unsealed("it came after its hour was sealed, and the hour is sealed again by the next run")
	}
	p, err := prover.Progress(ctx, stream)
	if err != nil {
		return seal.Proof{}, err
	}
	head, err := seal.HeadOf(log, stream, p.Seals)
	if err != nil {
		return seal.Proof{}, err
	}
	return seal.Prove(log, head, s, members, record.Raw, record.Leaf)
}

// notThere says why there is no record to prove.
func notThere(ctx context.Context, prover Prover, w entra.Window, doing string, when time.Time) error {
	out := &entra.Error{Code: entra.CodeNotFound, Doing: doing,
		Why:    "there is no such record at " + when.UTC().Format(time.RFC3339Nano),
		Remedy: "give the record's id and its exact time, as the record has them"}
	gaps, err := ledger.GapsOf(ctx, prover, w.Stream, w.Start, w.End())
	if err != nil {
		return err
	}
	for _, g := range gaps {
		if !when.Before(g.From) && when.Before(g.To) {
			out.Why, out.Remedy = g.Reason, "nothing brings it back; a proof that was made before stays valid"
		}
	}
	return out
}

// find reads a window, and the current content of one record of it; none where its Raw is nil.
func find(ctx context.Context, evidence Evidence, w entra.Window, key entra.Key) (record Inspected,
	leaves []seal.Leaf, err error) {
	for row, err := range evidence.Inspect(ctx, w.Stream, w.Start, w.End()) {
		if err != nil {
			return record, nil, err
		}
		leaves = append(leaves, row.Leaf)
		if row.Problem != "" || !row.Superseded.IsZero() {
			continue
		}
		if rec, err := logs.ParseRecord(w.Stream, row.Raw); err == nil && rec.Key.Compare(key) == 0 {
			record, record.Raw = row, slices.Clone(row.Raw) // it is good until the next one is read
			record.Raw = bytes.Clone(row.Raw)
		}
	}
	return record, leaves, nil
}
