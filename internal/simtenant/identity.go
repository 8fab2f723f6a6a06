package simtenant

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// IdentityPath is where the managed identity's tokens are had: IDENTITY_ENDPOINT is the tenant's address with this path.
const IdentityPath = "/msi/token"

// serveToken is the token endpoint of App Service's managed identity, api-version 2019-08-01.
func (t *Tenant) serveToken(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	refuse := func(status int, message string) {
		writeJSON(w, status, map[string]any{"statusCode": status, "message": message})
	}
	switch {
	case r.Header.Get("X-IDENTITY-HEADER") != t.cfg.IdentityHeader:
		refuse(http.StatusUnauthorized, "The X-IDENTITY-HEADER is missing or wrong.")
		return
	case q.Get("api-version") != "2019-08-01":
		refuse(http.StatusBadRequest, "The api-version is not supported.")
		return
	case q.Get("resource") == "":
		refuse(http.StatusBadRequest, "The resource is missing.")
		return
	}
	token, until := t.issue()
	writeJSON(w, http.StatusOK, map[string]string{
		"access_token": token, "expires_on": strconv.FormatInt(until.Unix(), 10), "resource": q.Get("resource"), "token_type": "Bearer",
	})
}

// issue makes a token that looks like a JWT and means nothing.
func (t *Tenant) issue() (token string, until time.Time) {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	until = time.Now().Add(t.cfg.TokenLifetime)
	token = part(`{"typ":"JWT","alg":"none"}`) + "." + part(`{"exp":`+strconv.FormatInt(until.Unix(), 10)+`}`) + "." + rand.Text()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tokens[token] = until
	t.issued++
	return token, until
}

// RevokeTokens makes every token that was issued so far be refused.
func (t *Tenant) RevokeTokens() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.tokens)
}

// authorize answers 401 where the token is missing, unknown or expired.
func (t *Tenant) authorize(r *http.Request) *problem {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || bearer == "" {
		return &problem{http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty."}
	}
	t.mu.Lock()
	until, known := t.tokens[bearer]
	t.mu.Unlock()
	switch {
	case !known && strings.Count(bearer, ".") != 2:
		return &problem{http.StatusUnauthorized, "InvalidAuthenticationToken", "CompactToken parsing failed with error code: 80049217"}
	case !known || time.Now().After(until):
		return &problem{http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token has expired or is not yet valid."}
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller that went away needs no answer
}
