package timeline

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Cursor says what a caller has been told: all that a question found up to a snapshot. The zero
// value has told nothing, so its answer is all that the question finds.
//
// An item of which nobody could say, at a call, whether it answers the question may have entered
// before that call without being told. Where there may be such an item, the cursor also keeps the
// calls before: the item is told once it is known again, unless a call that knew it has told of it.
type Cursor struct {
	Archive  string    // id of the archive
	Question string    // ID of the question
	Number   int       // of the snapshot of the last answer; 0: there was none
	AsOf     time.Time // of that snapshot, in whole seconds
	Earlier  []int     // snapshots of the answers before, the newest first; empty: nothing waits

	Began  int       // snapshot of the first answer, as long as it matters that this was judged later
	Judged time.Time // when it was, in units of 100 ns; zero: at the time of its snapshot
}

// maxCalls bounds how many calls a cursor keeps: a URL may hold the cursor twice.
const maxCalls = 100

// The errors of a cursor; each is within an *entra.Error.
var (
	ErrAltered       = errors.New("the cursor is none that this app gave")       // 400
	ErrOtherQuestion = errors.New("the cursor belongs to another question")      // 400
	ErrFuture        = errors.New("the cursor is of a snapshot not known here")  // 400
	ErrForeign       = errors.New("the cursor belongs to another archive")       // 410
	ErrTooOld        = errors.New("the cursor is older than what is remembered") // 410
)

// After is the cursor of the answer to c from a snapshot. waits tells whether an item waits to be
// told: who does not look for one with Asked.Waits may say yes wherever anything is unknown.
func (c Cursor) After(s Snapshot, waits bool) Cursor {
	if s.Number <= c.Number {
		return c
	}
	next := Cursor{Archive: c.Archive, Question: c.Question, Number: s.Number, AsOf: s.AsOf.UTC().Truncate(time.Second)}
	if waits {
		next.Earlier = shorten(slices.Concat([]int{c.Number}, c.Earlier))
	}
	return next.begunAs(c)
}

// JudgedAt is the cursor of a first answer, one that told everything, whose states were judged at a
// time after that of its snapshot. It tells neither again what came into the answer in between, nor
// takes for told what left it. The time counts in units of 100 ns; whole seconds give shorter
// texts.
func (c Cursor) JudgedAt(t time.Time) Cursor {
	if c.Number == 0 || !t.After(c.AsOf) {
		return c
	}
	c.Earlier, c.Began, c.Judged = nil, c.Number, t.UTC().Truncate(tick)
	return c
}

// begunAs keeps when the first answer was judged, as long as it matters: up to the first snapshot
// that is no older, and beyond that as long as something waits.
func (c Cursor) begunAs(first Cursor) Cursor {
	if len(c.Earlier) > 0 || c.AsOf.Before(first.Judged) {
		c.Began, c.Judged = first.Began, first.Judged
	}
	return c
}

// shorten keeps the newest calls and the oldest: an item that only one in between knew is told
// again, and none is forgotten.
func shorten(calls []int) []int {
	if len(calls) <= maxCalls {
		return calls
	}
	return append(slices.Clone(calls[:maxCalls-1]), calls[len(calls)-1])
}

// Base is the snapshot up to which all has been told; 0: nothing has.
func (c Cursor) Base() int {
	if len(c.Earlier) > 0 {
		return c.Earlier[len(c.Earlier)-1]
	}
	return c.Number
}

// calls are the snapshots since the base that told of what was known at them.
func (c Cursor) calls() []int {
	if len(c.Earlier) == 0 {
		return nil
	}
	return append([]int{c.Number}, c.Earlier[:len(c.Earlier)-1]...)
}

// sealed is a cursor's form in its text.
type sealed struct {
	Archive  string `json:"a"`
	Question string `json:"q"`
	Number   int    `json:"n"`
	Seconds  int64  `json:"t"`
	Earlier  []int  `json:"e,omitempty"` // each how much less than the one before

	Began  int         `json:"b,omitempty"`
	Judged json.Number `json:"j,omitempty"` // seconds since 1970
}

// signature is how many bytes of the HMAC a text carries.
const signature = 16

// Seal writes a cursor as a text that only who has the archive's key can have written.
func (c Cursor) Seal(key []byte) string {
	s := sealed{Archive: c.Archive, Question: c.Question, Number: c.Number, Seconds: c.AsOf.Unix()}
	newer := c.Number
	for _, n := range c.Earlier {
		s.Earlier = append(s.Earlier, newer-n)
		newer = n
	}
	if c.Began > 0 {
		s.Began, s.Judged = c.Began, ticksOf(c.Judged).number()
	}
	body, err := json.Marshal(s)
	if err != nil {
		panic("write a cursor: " + err.Error()) // texts and numbers always have a JSON form
	}
	return base64.RawURLEncoding.EncodeToString(slices.Concat(sign(key, body), digest(body), body))
}

// sums is how many bytes a text carries by which anybody sees that it was changed on its way: of
// another archive nobody else can.
const sums = 6

func digest(body []byte) []byte {
	sum := sha256.Sum256(body)
	return sum[:sums]
}

// sign signs a body for this use of the key alone.
func sign(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("cursor\n")) // a hash takes every byte
	_, _ = mac.Write(body)
	return mac.Sum(nil)[:signature]
}

// Open reads a text that Seal wrote. Errors are *entra.Error with one of the errors of a cursor but
// for those that Check gives.
func Open(key []byte, text, archive string) (Cursor, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(data) <= signature+sums {
		return Cursor{}, refuse(ErrAltered)
	}
	signed, body := data[:signature], data[signature+sums:]
	if !bytes.Equal(digest(body), data[signature:signature+sums]) {
		return Cursor{}, refuse(ErrAltered)
	}
	var s sealed
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&s) != nil {
		return Cursor{}, refuse(ErrAltered)
	}
	if s.Archive != archive {
		return Cursor{}, refuse(ErrForeign) // its key is another one, too
	}
	if !hmac.Equal(sign(key, body), signed) {
		return Cursor{}, refuse(ErrAltered)
	}
	c := Cursor{Archive: s.Archive, Question: s.Question, Number: s.Number, AsOf: time.Unix(s.Seconds, 0).UTC()}
	older := s.Number
	for _, less := range s.Earlier {
		older -= less
		c.Earlier = append(c.Earlier, older)
	}
	if s.Began > 0 {
		var r reader
		c.Began, c.Judged = s.Began, r.time([]json.Number{s.Judged}, 0).time()
		if r.err != nil {
			return Cursor{}, refuse(ErrAltered)
		}
	}
	return c, nil
}

// Check tells whether the question with an ID may be asked with the cursor. Errors are *entra.Error
// with ErrOtherQuestion, ErrFuture, ErrForeign or ErrTooOld.
func (c Cursor) Check(on *Snapshots, question string) error {
	switch {
	case c.Question != question:
		return refuse(ErrOtherQuestion)
	case c.Number == 0:
		return nil
	case c.Number > on.Newest():
		return refuse(ErrFuture)
	case c.Number < on.Oldest():
		return refuse(ErrTooOld)
	case on.next(c.Number) != c.Number, on.asOf(c.Number)/perSecond != ticksOf(c.AsOf)/perSecond:
		return refuse(ErrForeign) // the archive was begun anew, or put back to an earlier day
	}
	return nil
}

// At is the cursor that an answer from one of the snapshots gave to who had been told everything
// before it. Errors are those of Check.
func At(on *Snapshots, archive, question string, number int) (Cursor, error) {
	c := Cursor{Archive: archive, Question: question, Number: number}
	if on.next(number) == number {
		s := on.list[on.index(number)]
		c.AsOf = time.Unix(int64(s.asOf/perSecond), 0).UTC()
	}
	return c, c.Check(on, question)
}

// Advance is what a reader, for whom an answer's cursor is kept, is moved to by the cursor of an
// answer that was dealt with: never back. What still waits of both is told later. Where the offered
// one began anew since, it has told everything. Errors are *entra.Error with ErrForeign or
// ErrOtherQuestion: one reader asks one question.
func Advance(kept, offered Cursor) (Cursor, error) {
	switch {
	case kept.Number == 0:
		return offered, nil
	case kept.Archive != offered.Archive:
		return kept, refuse(ErrForeign)
	case kept.Question != offered.Question:
		return kept, refuse(ErrOtherQuestion)
	case offered.Number <= kept.Number:
		return kept, nil
	case offered.Began > kept.Number:
		return offered, nil
	case len(offered.Earlier) > 0:
		offered.Earlier = shorten(slices.Concat([]int{kept.Number}, kept.Earlier))
	}
	offered.Began, offered.Judged = 0, time.Time{}
	return offered.begunAs(kept), nil
}

// refuse is the error of a cursor that can't be used.
func refuse(why error) error {
	e := &entra.Error{Code: entra.CodeBadRequest, Doing: "read the cursor", Why: why.Error(), Err: why}
	switch why {
	case ErrForeign, ErrTooOld:
		e.Code = entra.CodeTokenExpired
		e.Remedy = "begin without newSince: that answer has everything, and a cursor for the next call"
	case ErrOtherQuestion:
		e.Remedy = "ask with the same parameters as when the cursor was given, or begin without newSince"
	case ErrFuture:
		e.Remedy = fmt.Sprint("ask again in a minute; if it stays, the archive was put back to an earlier day: ",
			"begin without newSince")
	default:
		e.Remedy = "give nextCursor exactly as the last answer had it, or begin without newSince"
	}
	return e
}
