package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Commit is ledger.LeaseStore's. The transaction deletes the row that has the revision's number
// and inserts the next: of two that try, the second finds nothing to delete. ETags would do the
// same, but Azurite does not look at them within a transaction, and the answer to one brings none.
// Each commit draws a mark, by which it knows itself again.
func (a *Archive) Commit(ctx context.Context, l ledger.Lease, p ledger.Progress, hours []ledger.Coverage,
	seals []seal.Seal) (ledger.Progress, error) {
	if n := len(hours) + len(seals); n > ledger.MaxCommit {
		return p, fmt.Errorf("commit %d rows of %s: at most %d fit a transaction", n, p.Stream, ledger.MaxCommit)
	}
	var actions []rows.Action
	if p.Revision > 0 {
		actions = append(actions, rows.Action{Kind: rows.Delete, Row: revisionRow(p, "")})
	}
	p.Revision++
	mark := a.nextMark(l)
	actions = append(actions, rows.Action{Kind: rows.Insert, Row: revisionRow(p, mark)})
	more, err := committed(l, p, hours, seals)
	if err != nil {
		return p, err
	}
	err = a.client.Submit(ctx, coverageTable, append(actions, more...)...)
	if errors.Is(err, rows.ErrMoved) || errors.Is(err, rows.ErrExists) {
		return p, a.whoCommitted(ctx, p, mark, seals)
	}
	return p, err
}

// nextMark is the mark of a commit: no other has it.
func (a *Archive) nextMark(l ledger.Lease) string {
	return fmt.Sprintf("%s %d", l.ID, a.commits.Add(1))
}

// committed are the rows of a commit beside that of its revision.
func committed(l ledger.Lease, p ledger.Progress, hours []ledger.Coverage,
	seals []seal.Seal) ([]rows.Action, error) {
	body, err := encodeProgress(p)
	if err != nil {
		return nil, err
	}
	kind := rows.Put
	if p.Revision == 1 {
		// The first commit finds no revision to delete, and the row of the first one is gone as
		// soon as there is a second.
		kind = rows.Insert
	}
	out := []rows.Action{{Kind: kind, Row: body}, {Kind: rows.Put, Row: encodeLease(p.Stream, l)}}
	for _, hour := range hours {
		body, err := encodeCoverage(hour)
		if err != nil {
			return nil, err
		}
		out = append(out, rows.Action{Kind: rows.Put, Row: body})
	}
	for _, entry := range seals {
		// Inserted, never replaced: the log only grows.
		out = append(out, rows.Action{Kind: rows.Insert, Row: encodeSeal(entry)})
	}
	return out, nil
}

// whoCommitted finds out why a commit was refused: it may have been made, its answer lost, and the
// client's second try refused.
func (a *Archive) whoCommitted(ctx context.Context, p ledger.Progress, mark string, seals []seal.Seal) error {
	got, err := a.client.Get(ctx, coverageTable, string(p.Stream), revisionKey(p),
		"read the revision of "+string(p.Stream))
	if err != nil && !rows.IsMissing(err) {
		return err
	}
	var row struct{ Commit string }
	if err == nil {
		err = json.Unmarshal(got.Body, &row)
	}
	if err == nil && row.Commit == mark {
		return nil
	}
	if err := a.logIsFree(ctx, p, seals); err != nil {
		return err
	}
	return fmt.Errorf("commit the coverage of %s: %w", p.Stream, ledger.ErrMoved)
}

// logIsFree distinguishes an entry of the log that is there already, although no commit was made
// since, from a late commit.
func (a *Archive) logIsFree(ctx context.Context, p ledger.Progress, seals []seal.Seal) error {
	if len(seals) == 0 {
		return nil
	}
	now, err := a.Progress(ctx, p.Stream)
	if err != nil || now.Revision != p.Revision-1 {
		return err
	}
	return &entra.Error{Code: entra.CodeTampered, Doing: fmt.Sprintf("write entry %d of the log of %s",
		seals[0].Number, p.Stream),
		Why:    "it is there already, or one after it, and the ledger does not count it",
		Remedy: "ask verify; nothing was written"}
}

func revisionKey(p ledger.Progress) string { return revisionMark + strconv.FormatInt(p.Revision, 10) }

func revisionRow(p ledger.Progress, mark string) []byte {
	b := rows.NewEntity(string(p.Stream), revisionKey(p), 128)
	if mark != "" {
		b.Text("Commit", mark)
	}
	return b.Done().Body
}
