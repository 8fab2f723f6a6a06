// Package skiptoken writes where a walk through pages stands into a text that only this app can
// have written.
package skiptoken

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/entraledger/entraledger/internal/entra"
)

// signature is how many bytes of the HMAC a token carries.
const signature = 16

// Seal writes a place, which must have a JSON form, and signs it.
func Seal(key []byte, place any) string {
	body, err := json.Marshal(place)
	if err != nil {
		panic("write a skip token: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(append(sign(key, body), body...))
}

// Token is a token that was read and not yet checked.
type Token struct{ text []byte }

// Read reads a token into place, which says with which key it is to be checked.
func Read(token string, place any) (Token, error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(text) <= signature || json.Unmarshal(text[signature:], place) != nil {
		return Token{}, Refuse("it is none that this app gave")
	}
	return Token{text}, nil
}

// Check tells whether the token was signed with a key.
func (t Token) Check(key []byte) error {
	if len(t.text) <= signature || !hmac.Equal(sign(key, t.text[signature:]), t.text[:signature]) {
		return Refuse("it was changed on its way")
	}
	return nil
}

// Walk is a walk through the pages of one question's answer. Its tokens are good for that question
// alone.
type Walk struct {
	Secret   []byte
	Question string // without what may differ from page to page, such as their size
}

// sealed is what a walk's token holds.
type sealed struct {
	Question string `json:"q"`
	At       any    `json:"at"`
}

// Seal writes the token of the place where the walk goes on.
func (w Walk) Seal(at any) string { return Seal(w.Secret, sealed{w.Question, at}) }

// Read reads a token of this walk. What was changed, or belongs to another question, is refused.
func (w Walk) Read(token string, at any) error {
	of := sealed{At: at}
	t, err := Read(token, &of)
	if err == nil {
		err = t.Check(w.Secret)
	}
	if err == nil && of.Question != w.Question {
		err = Refuse("it belongs to a question with other parameters")
	}
	return err
}

// Refuse is the error of a token that can't be used.
func Refuse(why string) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read $skiptoken", Why: why,
		Remedy: "follow @odata.nextLink exactly as it was given, or begin again without $skiptoken"}
}

func sign(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(body) // a hash takes every byte
	return mac.Sum(nil)[:signature]
}
