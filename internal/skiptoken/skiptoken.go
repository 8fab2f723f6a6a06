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
