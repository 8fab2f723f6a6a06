package tables

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// mostRevisions limits the rows of revisions that one transaction deletes.
const mostRevisions = 90

// Remains is repair.Store's.
func (a *Archive) Remains(ctx context.Context, stream entra.Stream) (repair.Remains, error) {
	out := repair.Remains{Progress: ledger.Progress{Stream: stream}}
	var (
		lease    leaseRow
		answered time.Time
	)
	query := rows.Query{Filter: rows.In(string(stream), leaseKey, revisionMark+"~"), Answered: &answered}
	for body, err := range a.client.Scan(ctx, coverageTable, query) {
		if err != nil {
			return out, err
		}
		key, err := keyOf(stream, body)
		if err != nil {
			return out, err
		}
		switch {
		case key == leaseKey:
			out.HasLease = true
			if lease, err = decodeLease(stream, body); err != nil {
				out.LeaseWrong = problemOf(err)
			}
		case key == progressKey:
			out.HasProgress = true
			if out.Progress, err = decodeProgress(stream, body); err != nil {
				out.Progress, out.ProgressWrong = ledger.Progress{Stream: stream}, problemOf(err)
			}
		case strings.HasPrefix(key, seedMark):
			out.Seeds = append(out.Seeds, key)
		case strings.HasPrefix(key, revisionMark):
			out.Revisions = append(out.Revisions, key)
			if n, err := strconv.ParseInt(strings.TrimPrefix(key, revisionMark), 10, 64); err == nil {
				out.Revision = max(out.Revision, n)
			}
		}
	}
	out.Lease = lease.lease(answered)
	out.Begun = out.HasProgress
	if out.Begun {
		return out, nil
	}
	var err error
	out.Begun, err = a.hasLedger(ctx, stream)
	return out, err
}

// seedMark begins the key of a row of a revision that is made if there is none, so that one of
// several repairs can delete it. Each seed has a key of its own, and sorts before what a commit
// writes: a reader of the revision does not see it.
const seedMark = revisionMark + "0"

// seed makes sure that there is a row to delete that no other repair has deleted since the look.
// ErrMoved: look again.
func (a *Archive) seed(ctx context.Context, found repair.Remains) error {
	stream := string(found.Progress.Stream)
	var actions []rows.Action
	switch {
	case len(found.Revisions) == 0 && len(found.Seeds) == 0:
		key := fmt.Sprintf("%s%09d", seedMark, rand.IntN(1e9))
		actions = append(actions, rows.Action{Kind: rows.Insert, Row: rows.NewEntity(stream, key, 128).Done().Body})
	case len(found.Revisions) == 0 || len(found.Seeds) == 0:
		return nil
	default: // another repair was quicker
		for _, key := range found.Seeds {
			actions = append(actions, rows.Deletion(stream, key, ""))
		}
	}
	err := a.client.Submit(ctx, coverageTable, actions...)
	if err != nil && !errors.Is(err, rows.ErrMoved) && !errors.Is(err, rows.ErrExists) {
		return err
	}
	return fmt.Errorf("take away the revision of %s: %w", stream, ledger.ErrMoved)
}

// Rebuild is repair.Store's. Of two that find the same rows of revisions, the second finds nothing
// to delete.
func (a *Archive) Rebuild(ctx context.Context, l ledger.Lease, found repair.Remains, p *ledger.Progress,
	seals []seal.Seal) (repair.Remains, error) {
	stream := found.Progress.Stream
	if n := len(found.Revisions) + len(found.Seeds); n > mostRevisions {
		return found, &entra.Error{Code: entra.CodeTampered, Doing: "repair " + string(stream),
			Why: fmt.Sprintf("there are %d rows %s<n> of it in table %s, and one is written", n, revisionMark,
				coverageTable),
			Remedy: "delete all of them but one"}
	}
	if err := a.seed(ctx, found); err != nil {
		return found, err
	}
	// A commit that is in progress since before is of a lower revision, whatever it was.
	last := max(found.Revision, found.Progress.Revision, found.Lease.ReadAt.Unix())
	next := ledger.Progress{Stream: stream, Revision: last + 1}
	mark := a.nextMark(l)
	actions, err := rebuilding(l, found, next, mark, p, seals)
	if err != nil {
		return found, err
	}
	err = a.client.Submit(ctx, coverageTable, actions...)
	if errors.Is(err, rows.ErrMoved) || errors.Is(err, rows.ErrExists) {
		err = a.whoCommitted(ctx, next, mark, nil)
	}
	if err != nil {
		return found, err
	}
	found.Seeds, found.Revisions, found.Revision = nil, []string{revisionKey(next)}, next.Revision
	found.Begun, found.HasLease, found.LeaseWrong = true, true, ""
	if p != nil {
		found.HasProgress, found.ProgressWrong, found.Progress = true, "", *p
		found.Progress.Revision = next.Revision
	}
	return found, nil
}

// rebuilding is the transaction of a Rebuild.
func rebuilding(l ledger.Lease, found repair.Remains, next ledger.Progress, mark string, p *ledger.Progress,
	seals []seal.Seal) (out []rows.Action, err error) {
	add := func(kind rows.ActionKind, body []byte) { out = append(out, rows.Action{Kind: kind, Row: body}) }
	for _, key := range slices.Concat(found.Revisions, found.Seeds) {
		out = append(out, rows.Deletion(string(next.Stream), key, ""))
	}
	add(rows.Insert, revisionRow(next, mark))
	add(rows.Put, encodeLease(next.Stream, l))
	if p != nil {
		rebuilt := *p
		rebuilt.Revision = next.Revision
		body, err := encodeProgress(rebuilt)
		if err != nil {
			return nil, err
		}
		add(rows.Put, body)
	}
	for _, entry := range seals {
		add(rows.Insert, encodeSeal(entry))
	}
	return out, nil
}
