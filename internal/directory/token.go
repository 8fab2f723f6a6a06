package directory

import (
	"context"
	"errors"
	"time"

	"github.com/entraledger/entraledger/internal/skiptoken"
)

// place is how far a walk through an answer is. It travels in the skip token.
type place struct {
	Snapshot string    `json:"s"`
	Question string    `json:"q"`           // hash of what was asked: a token belongs to one question
	Now      time.Time `json:"n"`           // the moment for which the first page was given
	Segment  int       `json:"g,omitempty"` // of the walk
	After    string    `json:"k,omitempty"` // key of the last row that was given
	Offset   int       `json:"o,omitempty"` // rows that were given, where the order is not that of keys
	// Read counts the rows that were read up to here, given or not; a version before did not count.
	Read int64 `json:"r,omitempty"`
	// Cursor is what the caller was told before the first page, where only the rest is asked for.
	Cursor string `json:"c,omitempty"`
	// Current is the snapshot for which this one stands in.
	Current string `json:"f,omitempty"`
	// Spared says that a page before left somebody out as in users.
	Spared bool `json:"l,omitempty"`
}

// open reads a token and the snapshot that it belongs to.
func (rd *Reader) open(ctx context.Context, token, question string) (place, Snapshot, error) {
	var p place
	t, err := skiptoken.Read(token, &p)
	if err != nil {
		return p, Snapshot{}, err
	}
	snap, err := rd.byID(ctx, p.Snapshot)
	if errors.Is(err, ErrNoSnapshot) {
		return p, snap, skiptoken.Refuse("it is none that this app gave")
	}
	if err == nil {
		err = t.Check(snap.TokenKey)
	}
	switch {
	case err != nil:
		return p, snap, err
	case p.Question != question:
		return p, snap, skiptoken.Refuse("it belongs to a question with other parameters")
	case snap.Stage != Whole:
		return p, snap, rd.gone(snap, ErrNoSnapshot)
	}
	snap, err = rd.standingIn(ctx, snap, p.Current)
	return p, snap, err
}
