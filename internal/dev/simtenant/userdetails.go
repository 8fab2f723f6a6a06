package simtenant

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// userParts are the lists and settings below a user, with the permission that each takes. A test
// gives them to the user as properties of their names.
var userParts = map[string]string{
	"sponsors": "User.Read.All", "transitiveMemberOf": "User.Read.All", "appRoleAssignments": "Directory.Read.All",
	"mailboxSettings": "MailboxSettings.Read",
}

func (t *Tenant) addUserDetails(mux *http.ServeMux) {
	mux.HandleFunc("/v1.0/users/{id}", t.serveUser)
	for part, permission := range userParts {
		mux.HandleFunc("/v1.0/users/{id}/"+part, func(w http.ResponseWriter, r *http.Request) {
			t.serveUserPart(w, r, part, permission)
		})
	}
}

// userOf finds a user; nil: a refusal was sent. Faults happen to it that are injected for Users and
// ForOne, with the part that is asked for as Part.
func (t *Tenant) userOf(w http.ResponseWriter, r *http.Request, part string, permissions ...string) []byte {
	if denied := t.authorize(r, permissions...); denied != nil {
		t.refuse(w, denied)
		return nil
	}
	fault := t.due(request{stream: Users, version: versionOf(r), question: ForOne, part: part, position: t.beginWalk()})
	if fault != nil && t.answerInstead(w, r, fault) {
		return nil
	}
	for _, raw := range t.Objects(Users) {
		if gjson.GetBytes(raw, "id").Str == r.PathValue("id") {
			return raw
		}
	}
	t.refuse(w, &problem{http.StatusNotFound, "Request_ResourceNotFound", "Resource '" + r.PathValue("id") +
		"' does not exist or one of its queried reference-property objects are not present."})
	return nil
}

// serveUser answers with one user. Without the permission for it, the day of leaving is refused.
func (t *Tenant) serveUser(w http.ResponseWriter, r *http.Request) {
	fields := strings.Split(r.URL.Query().Get("$select"), ",")
	needed, part := []string{"User.Read.All"}, ""
	if slices.Contains(fields, "employeeLeaveDateTime") {
		needed, part = append(needed, "User-LifeCycleInfo.Read.All"), "employeeLeaveDateTime"
	}
	if expand, _, _ := strings.Cut(r.URL.Query().Get("$expand"), "("); expand != "" {
		fields, part = append(fields, expand), expand
	}
	raw := t.userOf(w, r, part, needed...)
	if raw == nil {
		return
	}
	t.send(w, r, project(slices.Clone(raw), 0, fields))
}

// serveUserPart answers with a part of a user. Names of roles and groups take a permission of their
// own, without which they are null. Source:
// learn.microsoft.com/graph/permissions-overview, "Limited information returned for inaccessible
// member objects".
func (t *Tenant) serveUserPart(w http.ResponseWriter, r *http.Request, part, permission string) {
	raw := t.userOf(w, r, part, permission)
	if raw == nil {
		return
	}
	of := gjson.GetBytes(raw, part)
	if part == "mailboxSettings" {
		if !of.Exists() {
			t.refuse(w, &problem{http.StatusNotFound, "MailboxNotEnabledForRESTAPI",
				"The mailbox is either inactive, soft-deleted, or is hosted on-premise."})
			return
		}
		t.send(w, r, []byte(of.Raw))
		return
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
	body, all := []byte(`{`), of.Array()
	if rest := all[min(from, len(all)):]; len(rest) > 999 {
		all = all[:from+999]
		body = fmt.Appendf(body, `"@odata.nextLink":%q,`, scheme(r)+"://"+r.Host+r.URL.Path+
			"?$top=999&$skiptoken="+strconv.Itoa(len(all)))
	}
	body = append(body, `"value":[`...)
	for n, one := range all[min(from, len(all)):] {
		if n > 0 {
			body = append(body, ',')
		}
		text := one.Raw
		if name := one.Get("displayName"); part == "transitiveMemberOf" && !t.mayName(r, one) && name.Exists() {
			text = strings.Replace(text, name.Raw, "null", 1)
		}
		body = append(body, text...)
	}
	t.send(w, r, append(body, "]}"...))
}

// mayName reports whether the name of what a user is a member of is disclosed.
func (t *Tenant) mayName(r *http.Request, of gjson.Result) bool {
	return t.authorize(r, "Directory.Read.All") == nil ||
		of.Get(`@odata\.type`).Str == "#microsoft.graph.group" && t.authorize(r, "GroupMember.Read.All") == nil
}
