// Package questions keeps, for a day, questions that are too long for a link. The link then carries
// a token in their place.
package questions

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Kept is how long a question is kept after the last link to it was written.
const Kept = 24 * time.Hour

// Question is what a link stands for.
type Question struct {
	Token string    // what the link carries
	Of    string    // the operation and the path: the token is good for nothing else
	Query string    // of the address, percent-encoded, without a key
	At    time.Time // when a link to it was written last
}

// Store keeps questions.
type Store interface {
	// Question reads one; ErrNone where there is none.
	Question(ctx context.Context, token string) (Question, error)
	// KeepQuestion writes one, also over an older one with its token.
	KeepQuestion(ctx context.Context, q Question) error
	// DropQuestions drops those whose last link was written before a moment.
	DropQuestions(ctx context.Context, before time.Time) error
}

// ErrNone says that no question has a token.
var ErrNone = errors.New("there is no such question")

// MostAnHour bounds what one process stores in an hour, in bytes: about 10,000 questions of 6 KB. So
// nobody fills the table with questions of which each differs from the one before.
const MostAnHour = 64 << 20

// besides is what a question takes beside its text, in bytes.
const besides = 1 << 10

// Questions are those of one archive. It is safe for concurrent use.
type Questions struct {
	store Store
	now   func() time.Time

	mu     sync.Mutex
	begun  time.Time // of an hour, of which are
	secret []byte
	stored map[string]struct{} // the tokens of new questions
	bytes  int                 // what those take
}

// New makes Questions.
func New(store Store, now func() time.Time) *Questions { return &Questions{store: store, now: now} }

// The bytes of a token: a salt, and a hash of it and of the question. Nobody can guess a token, learn
// from one what was asked, or put another question under it. The salt is made of the question and
// of what only this process knows, for an hour: who asks the same once more gets the same token, and
// no second row. It is not for ever, so that a row that is old enough to be dropped is not written again.
const (
	saltBytes  = 9
	tokenBytes = saltBytes + 15
)

var token = regexp.MustCompile(`^[A-Za-z0-9_-]{32}$`)

// New gives a question a token. It is not kept yet.
func (k *Questions) New(of, query string) Question {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.turn()
	h := hmac.New(sha256.New, k.secret)
	writeQuestion(h, of, query)
	return Question{Token: tokenOf(h.Sum(nil)[:saltBytes], of, query), Of: of, Query: query}
}

func writeQuestion(h hash.Hash, of, query string) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(of))))
	h.Write([]byte(of))
	h.Write([]byte(query))
}

func tokenOf(salt []byte, of, query string) string {
	h := sha256.New()
	h.Write(salt)
	writeQuestion(h, of, query)
	return base64.RawURLEncoding.EncodeToString(append(salt[:saltBytes:saltBytes],
		h.Sum(nil)[:tokenBytes-saltBytes]...))
}

// Fits tells whether a question is the one that its token was made of.
func (q Question) Fits() bool {
	salt, err := base64.RawURLEncoding.DecodeString(q.Token)
	return err == nil && len(salt) == tokenBytes && tokenOf(salt[:saltBytes], q.Of, q.Query) == q.Token
}

// Keep keeps a question from now on. A process that is killed afterwards, and before its answer,
// leaves a row that nobody asks for and a purge drops. An error with entra.CodeBusy: the process has
// stored MostAnHour of new ones.
func (k *Questions) Keep(ctx context.Context, q Question) error {
	if q.At.IsZero() { // it is none that was read
		if err := k.admit(q); err != nil {
			return err
		}
	}
	q.At = k.now().UTC()
	return k.store.KeepQuestion(ctx, q)
}

// turn begins an hour where the one before is over.
func (k *Questions) turn() {
	now := k.now()
	if k.secret != nil && now.Sub(k.begun).Abs() < time.Hour {
		return
	}
	k.begun, k.secret, k.stored, k.bytes = now, make([]byte, sha256.Size), map[string]struct{}{}, 0
	_, _ = rand.Read(k.secret) // it never fails
}

// admit counts a new question once in an hour.
func (k *Questions) admit(q Question) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.turn()
	if _, known := k.stored[q.Token]; known {
		return nil
	}
	size := len(q.Query) + besides
	if k.bytes+size > MostAnHour {
		return &entra.Error{Code: entra.CodeBusy, Doing: "keep question",
			Why: fmt.Sprintf("more than %d MB of long questions were asked within an hour, each unlike the others",
				MostAnHour>>20),
			Remedy: "ask again in an hour, or shorter: a question below 6 KB is kept nowhere"}
	}
	k.stored[q.Token] = struct{}{}
	k.bytes += size
	return nil
}

// Recall gives the question of a token back. An error with entra.CodeTokenExpired: it is unknown, or
// its last link is older than Kept. With entra.CodeBadRequest: it is one of another operation.
func (k *Questions) Recall(ctx context.Context, text, of string) (Question, error) {
	if !token.MatchString(text) {
		return Question{}, gone("no link that this app wrote has it")
	}
	q, err := k.store.Question(ctx, text)
	switch {
	case errors.Is(err, ErrNone):
		return Question{}, gone("it is unknown: questions are kept for a day after the last link to them")
	case err != nil:
		return Question{}, err
	case q.At.Add(Kept).Before(k.now()):
		return Question{}, gone("its link is older than 24 hours")
	case q.Of != of:
		return Question{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "read question",
			Why: "it belongs to another address", Remedy: "follow the link exactly as it was given"}
	}
	return q, nil
}

// Expire drops what no link may ask for any more. A question whose link is written again at this
// moment is younger than that.
func (k *Questions) Expire(ctx context.Context) error {
	return k.store.DropQuestions(ctx, k.now().Add(-Kept-time.Hour))
}

func gone(why string) error {
	return &entra.Error{Code: entra.CodeTokenExpired, Doing: "read question", Why: why,
		Remedy: "ask again from the first page, with the whole question; a long one with POST .../$query"}
}
