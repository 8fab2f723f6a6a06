package tables

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

var _ archive.RepairStore = (*Store)(nil)

// mostRevisions bounds the rows of revisions that one transaction takes away.
const mostRevisions = 90

// Remains is archive.RepairStore's.
func (s *Store) Remains(ctx context.Context, stream entra.Stream) (archive.Remains, error) {
	out := archive.Remains{Progress: archive.Progress{Stream: stream}}
	var lease leaseRow
	asking, page := withListing(ctx)
	err := s.query(asking, coverageTable, string(stream), leaseKey, revisionMark+"~", "", func(body []byte) error {
		key, err := keyOf(stream, body)
		if err != nil {
			return err
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
				out.Progress, out.ProgressWrong = archive.Progress{Stream: stream}, problemOf(err)
			}
		case strings.HasPrefix(key, seedMark):
			out.Seeds = append(out.Seeds, key)
		case strings.HasPrefix(key, revisionMark):
			out.Revisions = append(out.Revisions, key)
			if n, err := strconv.ParseInt(strings.TrimPrefix(key, revisionMark), 10, 64); err == nil {
				out.Revision = max(out.Revision, n)
			}
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	out.Lease = lease.lease(page.date)
	out.Begun, err = out.HasProgress, nil
	if !out.Begun {
		out.Begun, err = s.hasLedger(ctx, stream)
	}
	return out, err
}

// seedMark begins the key of a row of a revision that is made where there is none, so that one of
// several repairs can take it away. Each seed has a key of its own, and sorts before what a commit
// writes: who reads the revision meanwhile does not see it.
const seedMark = revisionMark + "0"

// seed makes sure that there is something to be taken away that nobody else has taken since the
// look. ErrMoved: look again.
func (s *Store) seed(ctx context.Context, found archive.Remains) error {
	stream := string(found.Progress.Stream)
	var actions []aztables.TransactionAction
	switch {
	case len(found.Revisions) == 0 && len(found.Seeds) == 0:
		key := fmt.Sprintf("%s%09d", seedMark, rand.IntN(1e9))
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: newRow(stream, key, 128).done().body})
	case len(found.Revisions) == 0 || len(found.Seeds) == 0:
		return nil
	default: // another repair was quicker
		for _, key := range found.Seeds {
			actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeDelete, Entity: newRow(stream, key, 128).done().body})
		}
	}
	if err := s.submit(ctx, coverageTable, actions); err != nil && !errors.Is(err, archive.ErrMoved) && !errors.Is(err, archive.ErrExists) {
		return err
	}
	return fmt.Errorf("take away the revision of %s: %w", stream, archive.ErrMoved)
}

// Rebuild is archive.RepairStore's. Of two that find the same rows of revisions, the second finds
// nothing to take away.
func (s *Store) Rebuild(ctx context.Context, l archive.Lease, found archive.Remains,
	p *archive.Progress, seals []seal.Seal) (archive.Remains, error) {
	stream := found.Progress.Stream
	if n := len(found.Revisions) + len(found.Seeds); n > mostRevisions {
		return found, &entra.Error{Code: entra.CodeTampered, Doing: "repair " + string(stream),
			Why:    fmt.Sprintf("there are %d rows %s<n> of it in table %s, and one is written", n, revisionMark, coverageTable),
			Remedy: "delete all of them but one"}
	}
	if err := s.seed(ctx, found); err != nil {
		return found, err
	}
	// A commit that is under way since before is of a lower revision, whatever it was.
	next := archive.Progress{Stream: stream, Revision: max(found.Revision, found.Progress.Revision, found.Lease.ReadAt.Unix()) + 1}
	mark := fmt.Sprintf("%s %d", l.ID, s.commits.Add(1))
	actions, err := rebuilding(l, found, next, mark, p, seals)
	if err != nil {
		return found, err
	}
	err = s.submit(ctx, coverageTable, actions)
	if errors.Is(err, archive.ErrMoved) || errors.Is(err, archive.ErrExists) {
		err = s.whoCommitted(ctx, next, mark, nil)
	}
	if err != nil {
		return found, err
	}
	found.Seeds, found.Revisions, found.Revision = nil, []string{revisionMark + strconv.FormatInt(next.Revision, 10)}, next.Revision
	found.Begun, found.HasLease, found.LeaseWrong = true, true, ""
	if p != nil {
		found.HasProgress, found.ProgressWrong, found.Progress = true, "", *p
		found.Progress.Revision = next.Revision
	}
	return found, nil
}

// rebuilding is the transaction of a Rebuild.
func rebuilding(l archive.Lease, found archive.Remains, next archive.Progress, mark string,
	p *archive.Progress, seals []seal.Seal) (out []aztables.TransactionAction, err error) {
	add := func(kind aztables.TransactionType, body []byte) {
		out = append(out, aztables.TransactionAction{ActionType: kind, Entity: body})
	}
	for _, key := range slices.Concat(found.Revisions, found.Seeds) {
		add(aztables.TransactionTypeDelete, newRow(string(next.Stream), key, 128).done().body)
	}
	add(aztables.TransactionTypeAdd, revisionRow(next, mark))
	add(aztables.TransactionTypeInsertReplace, encodeLease(next.Stream, l))
	if p != nil {
		rebuilt := *p
		rebuilt.Revision = next.Revision
		body, err := encodeProgress(rebuilt)
		if err != nil {
			return nil, err
		}
		add(aztables.TransactionTypeInsertReplace, body)
	}
	for _, entry := range seals {
		add(aztables.TransactionTypeAdd, encodeSeal(entry))
	}
	return out, nil
}
