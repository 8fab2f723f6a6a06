package simtenant

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/logs"
)

// IdentityPath is where the managed identity's tokens are had: IDENTITY_ENDPOINT is the tenant's
// address with this path.
const IdentityPath = "/msi/token"

// ID is the tenant's id.
const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

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
		"access_token": token, "expires_on": strconv.FormatInt(until.Unix(),
			10), "resource": q.Get("resource"), "token_type": "Bearer",
	})
}

// pass is what a token grants.
type pass struct {
	until time.Time // in real time
	roles []string
}

// permissions are what the tenant grants the app until one is removed: all that its logs and its
// directory need.
func (t *Tenant) permissions() []string {
	out := []string{"User.Read.All", "Application.Read.All", "GroupMember.Read.All",
		"LicenseAssignment.Read.All"}
	for _, l := range t.known {
		out = append(out, l.Permission)
		if l.Optional != nil {
			out = append(out, l.Optional.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// issue makes a token that looks like a JWT, with the app's permissions as its roles, and that
// cannot be verified.
func (t *Tenant) issue() (token string, until time.Time) {
	part := func(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }
	until = time.Now().Add(t.cfg.TokenLifetime)
	t.mu.Lock()
	defer t.mu.Unlock()
	roles := slices.DeleteFunc(append(t.permissions(), t.granted...), func(p string) bool { return t.revoked[p] })
	claims, _ := json.Marshal(map[string]any{"exp": until.Unix(), "roles": roles, "tid": ID}) // it never fails
	token = part([]byte(`{"typ":"JWT","alg":"none"}`)) + "." + part(claims) + "." + rand.Text()
	t.tokens[token] = pass{until, roles}
	t.issued++
	return token, until
}

// Revoke removes a permission, or restores it: tokens that are issued from now on are without it.
func (t *Tenant) Revoke(permission string, away bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked[permission] = away
}

// Grant gives a permission to the app that it would not have by itself: to tokens that are issued
// from now on.
func (t *Tenant) Grant(permission string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.granted = append(t.granted, permission)
}

// RevokeTokens makes every token that was issued so far be refused.
func (t *Tenant) RevokeTokens() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.tokens)
}

// authorize answers 401 where the token is missing, unknown or expired, and 403 where it lacks a
// permission.
func (t *Tenant) authorize(r *http.Request, needed ...string) *problem {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || bearer == "" {
		return &problem{http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty."}
	}
	t.mu.Lock()
	token, known := t.tokens[bearer]
	t.mu.Unlock()
	switch {
	case !known && strings.Count(bearer, ".") != 2:
		return &problem{http.StatusUnauthorized, "InvalidAuthenticationToken",
			"CompactToken parsing failed with error code: 80049217"}
	case !known || time.Now().After(token.until):
		return &problem{http.StatusUnauthorized, "InvalidAuthenticationToken",
			"Access token has expired or is not yet valid."}
	}
	for _, p := range needed {
		if !slices.Contains(token.roles, p) {
			return &problem{http.StatusForbidden, "Authentication_MSGraphPermissionMissing", missing(p)}
		}
	}
	return nil
}

// blind reports whether a request's token has none of the permissions that disclose the property of
// a log's optional permission. Graph then leaves it out, without an error.
func (t *Tenant) blind(r *http.Request, l *logs.Log) bool {
	if l.Optional == nil {
		return false
	}
	t.mu.Lock()
	roles := t.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")].roles
	t.mu.Unlock()
	enough := append([]string{l.Optional.Name}, l.Optional.Instead...)
	return !slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(enough, role) })
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller that went away needs no answer
}
