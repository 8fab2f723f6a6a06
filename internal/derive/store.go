package derive

import (
	"context"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// StampState says what a period's stamp tells.
type StampState int

// The states of stamps.
const (
	StampMissing StampState = iota // there is none
	StampOpen                      // the period is being made, or a run was killed that made it
	StampMade                      // its rows are there
	StampAltered                   // it is not what was written
)

// Stamp says of which revision a period's rows are, and what they are all together. It is written
// after the rows.
type Stamp struct {
	State    StampState
	Revision Revision
	Version  int   // of the view
	Edition  int64 // of the rows; views whose rows grow have none
	Together Together
	Tag      string // of the stamp as it is stored, for who replaces it; empty: there was none
}

// Names tells whether the period's rows are of a revision, by a version of the view.
func (s Stamp) Names(r Revision, version int) bool {
	return s.State == StampMade && s.Revision == r && s.Version == version
}

// Draft is a period of a view that is being made.
type Draft struct {
	Period  Period
	Edition int64 // later drafts of a stream have higher ones
	Was     Stamp // the period's stamp before
}

// Keeper keeps the rows of one view.
type Keeper interface {
	// Stamps lists the stamps of a stream's periods that start in [from, to), by their start.
	Stamps(ctx context.Context, s entra.Stream, from, to time.Time) (map[time.Time]Stamp, error)
	// PutStamp writes a period's stamp, if the one that is stored still has its Tag
	// (ledger.ErrMoved otherwise), and returns it with its new one. Of a view whose rows grow it is
	// written in any case.
	PutStamp(ctx context.Context, p Period, stamp Stamp) (Stamp, error)
	// PutRows stores rows under the draft's edition, and tells what they are together. Nothing that
	// a stamp of another edition names is touched. Of a view whose rows grow each is joined with
	// the stored one.
	PutRows(ctx context.Context, d Draft, made []Row) (Together, error)
	// DropStale removes the rows of earlier editions than the draft's.
	DropStale(ctx context.Context, d Draft) error
	// Rows reads the rows of an edition that are as they were written, in the order of their keys
	// as they are stored, and what those are together.
	Rows(ctx context.Context, p Period, edition int64) ([]Row, Together, error)
	// Mark is how many entries of a stream's log the view has followed; 0 where the present version
	// has followed none, or where the row is not what was written.
	Mark(ctx context.Context, s entra.Stream) (int64, error)
	SetMark(ctx context.Context, s entra.Stream, entries int64) error
}

// Source is where the records of views come from.
type Source interface {
	// ReadContents yields the contents of [from, to). Raw is good until the next, and nil where it
	// is not needed.
	ReadContents(ctx context.Context, s entra.Stream, from, to time.Time, n Needs) iter.Seq2[Content, error]
}

// Store is an archive whose views can be made.
type Store interface {
	ledger.LeaseStore
	ledger.Reader
	Source
	// Kept is where a view is kept.
	Kept(v View) Keeper
}
