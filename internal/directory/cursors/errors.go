package cursors

import (
	"errors"
	"net/url"
	"strconv"

	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
)

// forget says how a reader is forgotten.
func forget(name string) string {
	return "DELETE /api/readers/" + url.PathEscape(name) + " forgets it, and the next call then has everything"
}

// Altered is the error of a reader of which something else is kept than was written. place names
// its row.
func Altered(name, place, why string) error {
	return &entra.Error{Code: entra.CodeTampered, Doing: "read reader " + strconv.Quote(name),
		Why: place + " is not what was written: " + why, Remedy: forget(name) + "; find out who changed the row"}
}

// Explain is the error of a reader whose cursor can't be used, for an error of timeline.Open,
// timeline.Advance or timeline.Cursor.Check. Other errors stay as they are.
func Explain(name string, err error) error {
	e := &entra.Error{Code: entra.CodeOf(err), Doing: "use reader " + strconv.Quote(name), Err: err,
		Remedy: forget(name)}
	switch {
	case errors.Is(err, timeline.ErrTooOld):
		e.Why = "what it was told last is older than what is remembered"
	case errors.Is(err, timeline.ErrForeign):
		e.Why = "what it was told is of another archive, or the archive was put back to an earlier day"
	case errors.Is(err, timeline.ErrFuture):
		e.Why = "what it was told last is of a snapshot not known here"
		e.Remedy = "ask again in a minute; if it stays, the archive was put back to an earlier day: " + forget(name)
	case errors.Is(err, timeline.ErrOtherQuestion):
		e.Why = "it belongs to another question, and one reader asks one question"
		e.Remedy = "ask with the same parameters as before, or take a reader of another name; " + forget(name)
	default:
		return err
	}
	return e
}

// unusable is the error of a cursor that a reader is to be moved to.
func unusable(name string, err error) error {
	e := &entra.Error{Code: entra.CodeOf(err), Doing: "move reader " + strconv.Quote(name), Err: err,
		Remedy: "give nextCursor exactly as the answer had it that was dealt with"}
	switch {
	case errors.Is(err, timeline.ErrAltered):
		e.Why = timeline.ErrAltered.Error()
	case errors.Is(err, timeline.ErrForeign):
		e.Why = timeline.ErrForeign.Error()
	default:
		return err
	}
	return e
}
