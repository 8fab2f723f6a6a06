package web

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Role is an app role.
type Role string

// App roles that a caller's token needs if Microsoft Entra authentication is in front of the app.
// They belong to the app registration that infra/ names with entraClientId.
const (
	RoleRead    Role = "Ledger.Read"    // every question
	RoleOperate Role = "Ledger.Operate" // also what starts work: to collect, to make a snapshot
	// RoleReadAttributes is needed beside one of the others for audits of custom security
	// attributes. None of the others has it in it.
	RoleReadAttributes Role = logs.ReadAttributes
	// RoleIngest delivers records, and opens nothing else. None of the others has it in it.
	RoleIngest Role = "Ledger.Ingest"
)

// caller is who asks, as far as what is given depends on it.
type caller struct {
	byRole bool     // app roles decide
	roles  []string // of the caller
	// attributes says that where a key alone decides, it opens audits of custom security
	// attributes, too.
	attributes bool
}

// principalHeader is set by App Service's authentication for a caller whose token it has verified;
// it removes the header from a caller's request. Source:
// learn.microsoft.com/azure/app-service/configure-authentication-user-identities.
const principalHeader = "X-MS-CLIENT-PRINCIPAL"

// RequireRoles makes every HTTP function require an app role. Callers are accepted only behind App
// Service's authentication (authenticated): without it, a caller could write the header, so every
// HTTP function refuses. Timers still run.
func (h *Host) RequireRoles(authenticated bool) {
	h.requireRoles, h.authenticated = true, authenticated
}

// AllowAttributes makes a function key alone open audits of custom security attributes. Where app
// roles are required it changes nothing.
func (h *Host) AllowAttributes() { h.attributes = true }

// MayRead refuses a caller who may not have a stream's records. Every operation whose answer has
// records in it asks for each of their streams, before it reads any; one that counts them need not.
func (r Request) MayRead(s entra.Stream) error {
	role := logs.Of(s).CallerRole
	switch {
	case role == "", r.caller.byRole && slices.Contains(r.caller.roles, role):
		return nil
	case r.caller.byRole:
		return &entra.Error{Code: entra.CodeRole, Doing: "read " + string(s),
			Why: "the caller lacks an app role that this log needs beside " + string(RoleRead),
			Remedy: "assign " + role + " to it, in the enterprise application of this app; " +
				string(RoleOperate) + " does not include it"}
	case r.caller.attributes:
		return nil
	}
	return &entra.Error{Code: entra.CodeRole, Doing: "read " + string(s),
		Why: "a function key alone does not open this log: HTTP_ATTRIBUTE_AUDITS is not allow",
		Remedy: "have callers authenticated (HTTP_AUTHORIZATION entra) and assign " + role + " to those who may, " +
			"or set HTTP_ATTRIBUTE_AUDITS to allow, so that every key opens it"}
}

// AuthenticationOff is the error of an app that asks for app roles while nothing checks who calls.
func AuthenticationOff() error {
	return &entra.Error{Code: entra.CodeAuthentication, Doing: "find out who asks",
		Why: "HTTP_AUTHORIZATION is entra, and App Service's authentication is off: " +
			"WEBSITE_AUTH_ENABLED is neither true nor 1",
		Remedy: "switch the app's authentication on (deploy with entraClientId, or the app's page Authentication), " +
			"or set HTTP_AUTHORIZATION to key; timers run on meanwhile"}
}

// authorize refuses a caller without the role, and tells who asks otherwise. Who may make the app
// work may ask it, too.
func (h *Host) authorize(r *http.Request, role Role) (caller, error) {
	who := caller{byRole: h.requireRoles, attributes: h.attributes}
	if !h.requireRoles {
		return who, nil
	}
	if !h.authenticated {
		return who, AuthenticationOff()
	}
	var ok bool
	if who.roles, ok = rolesOf(r.Header.Get(principalHeader)); !ok {
		return who, &entra.Error{Code: entra.CodeUnauthenticated, Doing: "find out who asks",
			Why: "the request carries no Microsoft Entra identity",
			Remedy: "send a token for this app (Authorization: Bearer), beside the function key; " +
				"HTTP_AUTHORIZATION is entra here"}
	}
	if slices.Contains(who.roles, string(RoleOperate)) && role != RoleIngest ||
		slices.Contains(who.roles, string(role)) {
		return who, nil
	}
	return who, &entra.Error{Code: entra.CodeRole, Doing: "answer " + r.Method + " " + r.URL.Path,
		Why:    "the caller lacks an app role",
		Remedy: "assign " + string(role) + " to it, in the enterprise application of this app"}
}

// rolesOf reads the roles in the header; ok is false if it names no caller.
func rolesOf(header string) (roles []string, ok bool) {
	data, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return nil, false
	}
	var principal struct {
		RoleType string `json:"role_typ"`
		Claims   []struct {
			Type  string `json:"typ"`
			Value string `json:"val"`
		} `json:"claims"`
	}
	if json.Unmarshal(data, &principal) != nil || len(principal.Claims) == 0 {
		return nil, false
	}
	for _, c := range principal.Claims {
		if c.Type == "roles" || principal.RoleType != "" && c.Type == principal.RoleType {
			roles = append(roles, c.Value)
		}
	}
	return roles, true
}
