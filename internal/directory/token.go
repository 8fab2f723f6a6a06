package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// place is where a walk through an answer stands. It travels in the skip token.
type place struct {
	Snapshot string    `json:"s"`
	Question string    `json:"q"`           // hash of what was asked: a token belongs to one question
	Now      time.Time `json:"n"`           // the moment for which the first page was given
	Segment  int       `json:"g,omitempty"` // of the walk
	After    string    `json:"k,omitempty"` // key of the last row that was given
	Offset   int       `json:"o,omitempty"` // rows that were given, where the order is not that of keys
}

// signature is how many bytes of the HMAC a token carries.
const signature = 16

// seal writes a place as a token that nobody can make up: a part of another snapshot, or keys that the question would
// not lead to, can't be had by changing it.
func (p place) seal(key []byte) string {
	body, err := json.Marshal(p)
	if err != nil {
		panic("write a skip token: " + err.Error()) // a place always has a JSON form
	}
	return base64.RawURLEncoding.EncodeToString(append(sign(key, body), body...))
}

func sign(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(body) // a hash takes every byte
	return mac.Sum(nil)[:signature]
}

func badToken(why string) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read $skiptoken", Why: why,
		Remedy: "follow @odata.nextLink exactly as it was given, or begin again without $skiptoken"}
}

// open reads a token and the snapshot that it belongs to.
func (rd *Reader) open(ctx context.Context, token, question string) (place, Snapshot, error) {
	var p place
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(text) <= signature || json.Unmarshal(text[signature:], &p) != nil || p.Snapshot == "" {
		return p, Snapshot{}, badToken("it is none that this app gave")
	}
	snap, err := rd.byID(ctx, p.Snapshot)
	if errors.Is(err, ErrNoSnapshot) {
		return p, snap, badToken("it is none that this app gave")
	}
	if err != nil {
		return p, snap, err
	}
	switch {
	case !hmac.Equal(sign(snap.TokenKey, text[signature:]), text[:signature]):
		return p, snap, badToken("it was changed on its way")
	case p.Question != question:
		return p, snap, badToken("it belongs to a question with other parameters")
	case snap.Stage != Whole:
		return p, snap, rd.gone(snap, ErrNoSnapshot)
	}
	return p, snap, nil
}
