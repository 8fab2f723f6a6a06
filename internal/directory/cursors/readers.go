package cursors

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/skiptoken"
)

// Reader is a caller for whom the app keeps the cursor.
type Reader struct {
	Key    string    // of its name, see KeyOf
	Name   string    // as it was first written
	Cursor string    // the text of the cursor
	AsOf   time.Time // of the snapshot up to which it has been told, in whole seconds
	Moved  time.Time // when it was moved there

	Place    string // where it is kept, for errors; the store sets it
	Revision string // of what is kept; empty: nothing is
}

// Store keeps readers. Errors about what is kept and is not what was written are those of Altered.
type Store interface {
	// Reader reads the reader of a key; ErrNoReader if there is none.
	Reader(ctx context.Context, key string) (Reader, error)
	// SaveReader writes a reader if it is still the one of its revision; ErrMoved otherwise.
	SaveReader(ctx context.Context, r Reader) (Reader, error)
	// DeleteReader deletes the reader of a key, whatever is kept of it; ErrNoReader if nothing is.
	DeleteReader(ctx context.Context, key string) error
	// ListReaders gives readers whose keys come after one, in a fixed order: at most top.
	ListReaders(ctx context.Context, after string, top int) ([]Reader, error)
}

// The errors of a Store.
var (
	ErrNoReader = errors.New("there is no such reader")
	ErrMoved    = errors.New("another request has moved the reader")
)

// tries bounds how often a move is repeated that others were quicker to make. Each time another
// move was made, so it takes as many moves at once.
const tries = 50

// OfReader is the cursor of what a reader has been told: the zero one where there is no such reader
// yet. An error of the cursor itself is Explain's or Altered's.
func (c *Cursors) OfReader(ctx context.Context, name string) (timeline.Cursor, error) {
	key, err := KeyOf(name)
	if err != nil {
		return timeline.Cursor{}, err
	}
	kept, err := c.store.Reader(ctx, key)
	if errors.Is(err, ErrNoReader) {
		return timeline.Cursor{}, nil
	}
	if err != nil {
		return timeline.Cursor{}, err
	}
	return c.Kept(ctx, kept)
}

// Kept reads the cursor of a reader that is kept. The error is Explain's or Altered's.
func (c *Cursors) Kept(ctx context.Context, kept Reader) (timeline.Cursor, error) {
	cursor, err := c.Open(ctx, kept.Cursor)
	switch {
	case errors.Is(err, timeline.ErrAltered):
		return timeline.Cursor{}, Altered(kept.Name, kept.Place, "its cursor is none that this app gave")
	case err != nil:
		return timeline.Cursor{}, Explain(kept.Name, err)
	case !cursor.AsOf.Equal(kept.AsOf):
		return timeline.Cursor{}, Altered(kept.Name, kept.Place, "its cursor is of another time than it says")
	}
	return cursor, nil
}

// Advance moves a reader forward to the cursor of an answer that was dealt with, and never back. It
// gives what is kept now, and whether this call has moved it. What is killed before the one write
// has done nothing, and may be repeated. Errors are *entra.Error.
func (c *Cursors) Advance(ctx context.Context, name, text string) (kept Reader, moved bool, err error) {
	key, err := KeyOf(name)
	if err != nil {
		return Reader{}, false, err
	}
	offered, err := c.Open(ctx, text)
	if err == nil && offered.Number == 0 {
		err = &entra.Error{Code: entra.CodeBadRequest, Err: timeline.ErrAltered} // no answer has it
	}
	if err != nil {
		return Reader{}, false, unusable(name, err)
	}
	for range tries {
		kept, err := c.store.Reader(ctx, key)
		if errors.Is(err, ErrNoReader) {
			kept, err = Reader{Key: key, Name: name}, nil
		}
		if err != nil {
			return Reader{}, false, err
		}
		next, err := c.next(ctx, kept, offered)
		if err != nil || next == kept {
			return kept, false, err
		}
		saved, err := c.store.SaveReader(ctx, next)
		if !errors.Is(err, ErrMoved) {
			return saved, err == nil, err
		}
	}
	return Reader{}, false, &entra.Error{Code: entra.CodeUnavailable, Doing: "move reader " + strconv.Quote(name),
		Why: "others were quicker " + strconv.Itoa(tries) + " times", Remedy: "ask again"}
}

// next is what a reader becomes by a cursor; the same where it does not move.
func (c *Cursors) next(ctx context.Context, kept Reader, offered timeline.Cursor) (Reader, error) {
	var told timeline.Cursor
	if kept.Revision != "" {
		var err error
		if told, err = c.Kept(ctx, kept); err != nil {
			return kept, err
		}
	}
	cursor, err := timeline.Advance(told, offered)
	if err != nil {
		return kept, Explain(kept.Name, err)
	}
	if cursor.Number == told.Number {
		return kept, nil
	}
	next := kept
	next.AsOf, next.Moved = cursor.AsOf, c.now().UTC().Truncate(entra.Tick)
	next.Cursor, err = c.Seal(ctx, cursor)
	return next, err
}

// Delete forgets a reader, whatever is kept of it, and tells whether there was one.
func (c *Cursors) Delete(ctx context.Context, name string) (was bool, err error) {
	key, err := KeyOf(name)
	if err == nil {
		err = c.store.DeleteReader(ctx, key)
	}
	if errors.Is(err, ErrNoReader) {
		return false, nil
	}
	return err == nil, err
}

// Find gives one reader; ErrNoReader where there is none, also where no reader can have the name.
func (c *Cursors) Find(ctx context.Context, name string) (Reader, error) {
	key, err := KeyOf(name)
	if err != nil {
		return Reader{}, ErrNoReader
	}
	return c.store.Reader(ctx, key)
}

// page is where a page of readers begins. It travels in the skip token.
type page struct {
	After string `json:"k"` // the last key of the page before
}

// List gives at most top readers, and the token of the next page; empty: there is none. token is
// empty for the first page; one that this app did not give is an error of package skiptoken.
func (c *Cursors) List(ctx context.Context, token string, top int) (readers []Reader, next string, err error) {
	key, err := c.derived(ctx, "pages of readers\n")
	if err != nil {
		return nil, "", err
	}
	var from page
	if token != "" {
		read, err := skiptoken.Read(token, &from)
		if err == nil {
			err = read.Check(key)
		}
		if err != nil {
			return nil, "", err
		}
	}
	readers, err = c.store.ListReaders(ctx, from.After, top+1)
	if err != nil || len(readers) <= top {
		return readers, "", err
	}
	return readers[:top], skiptoken.Seal(key, page{After: readers[top-1].Key}), nil
}
