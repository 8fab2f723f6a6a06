// Package cursors writes the cursors of this archive, reads those that callers give back, and keeps
// those of readers: a caller who does not want to keep a cursor gives its reader's name instead,
// and moves the reader forward once it has dealt with an answer.
package cursors

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
)

// Keys gives random bytes that all processes of the app share, by name.
type Keys interface {
	Secret(ctx context.Context, name string) ([]byte, error)
}

// secretName is the secret that signs cursors. The archive's id and the key of skip tokens follow
// from it by labelled hashes, so that nothing else is stored.
const secretName = "cursors"

// maxText bounds the characters of a cursor's text: more than any that the app gives, whose length
// is that of the calls that it keeps.
const maxText = 5_000

// Cursors are those of one archive. It is safe for concurrent use.
type Cursors struct {
	keys  Keys
	store Store
	now   func() time.Time
}

// New makes Cursors. now is the clock of Reader.Moved.
func New(keys Keys, store Store, now func() time.Time) *Cursors {
	return &Cursors{keys: keys, store: store, now: now}
}

// Archive is the id of the archive, as a timeline.Cursor has it.
func (c *Cursors) Archive(ctx context.Context) (string, error) {
	id, err := c.derived(ctx, "archive\n")
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(id[:9]), nil
}

// derived are 32 bytes that follow from the secret and a label.
func (c *Cursors) derived(ctx context.Context, label string) ([]byte, error) {
	key, err := c.keys.Secret(ctx, secretName)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(label)) // a hash takes every byte
	return mac.Sum(nil), nil
}

// Seal writes a cursor as a text.
func (c *Cursors) Seal(ctx context.Context, cursor timeline.Cursor) (string, error) {
	key, err := c.keys.Secret(ctx, secretName)
	if err != nil {
		return "", err
	}
	return cursor.Seal(key), nil
}

// Open reads a text that Seal wrote. Errors about the text are *entra.Error: with
// timeline.ErrAltered (400) or timeline.ErrForeign (410) in them.
func (c *Cursors) Open(ctx context.Context, text string) (timeline.Cursor, error) {
	if len(text) > maxText {
		return timeline.Cursor{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the cursor",
			Why: fmt.Sprintf("it has %d characters, and no cursor has more than %d", len(text), maxText),
			Err: timeline.ErrAltered, Remedy: "give nextCursor exactly as the last answer had it"}
	}
	archive, err := c.Archive(ctx)
	if err != nil {
		return timeline.Cursor{}, err
	}
	key, err := c.keys.Secret(ctx, secretName)
	if err != nil {
		return timeline.Cursor{}, err
	}
	return timeline.Open(key, text, archive)
}
