package simtenant

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// maxExpanded is how many objects $expand gives. Source:
// developer.microsoft.com/graph/known-issues, "Some limitations apply to query parameters".
const maxExpanded = 20

// asListed is an application or service principal as a list has it: with no more than 20 owners,
// and without the certificates themselves where the tenant gives these with single objects only.
// Others stay as they are.
func (t *Tenant) asListed(collection entra.Stream, raw []byte) []byte {
	if collection != Applications && collection != ServicePrincipals {
		return raw
	}
	for {
		next := gjson.GetBytes(raw, fmt.Sprintf("owners.%d", maxExpanded))
		if !next.Exists() {
			break
		}
		begin := next.Index
		for raw[begin] != ',' { // the comma before it
			begin--
		}
		raw = slices.Concat(raw[:begin], raw[next.Index+len(next.Raw):])
	}
	if !t.cfg.KeysOfOne {
		return raw
	}
	for i := range gjson.GetBytes(raw, "keyCredentials").Array() {
		if key := gjson.GetBytes(raw, fmt.Sprintf("keyCredentials.%d.key", i)); key.Type == gjson.String {
			raw = slices.Concat(raw[:key.Index], []byte("null"), raw[key.Index+len(key.Raw):])
		}
	}
	return raw
}

// object is one object of a collection; nil where there is none.
func (t *Tenant) object(collection entra.Stream, id string) []byte {
	for _, raw := range t.Objects(collection) {
		if gjson.GetBytes(raw, "id").Str == id {
			return raw
		}
	}
	return nil
}

// serveObject answers with one application or service principal.
func (t *Tenant) serveObject(w http.ResponseWriter, r *http.Request, l listing) {
	t.servePart(w, r, l, func(raw []byte) []byte {
		if fields := r.URL.Query().Get("$select"); fields != "" {
			raw = project(slices.Clone(raw), 0, strings.Split(fields, ","))
		}
		return raw
	})
}

// serveOwners answers with all owners of one application or service principal.
func (t *Tenant) serveOwners(w http.ResponseWriter, r *http.Request, l listing) {
	t.servePart(w, r, l, func(raw []byte) []byte {
		return []byte(`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#directoryObjects","value":` +
			gjson.GetBytes(raw, "owners").Raw + `}`)
	})
}

func (t *Tenant) servePart(w http.ResponseWriter, r *http.Request, l listing, body func([]byte) []byte) {
	answered := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	defer func() { t.count(l.collection, answered.status) }()
	if p := t.authorize(r, l.permission); p != nil {
		t.refuse(answered, p)
		return
	}
	if t.overUnits(answered, r, l, selectsKeys(r)) {
		t.throttle(answered)
		return
	}
	fault := t.due(request{stream: l.collection, version: versionOf(r), question: ForOne, position: t.beginWalk()})
	if fault != nil && t.answerInstead(answered, r, fault) {
		return
	}
	raw := t.object(l.collection, r.PathValue("id"))
	if raw == nil {
		t.refuse(answered, &problem{http.StatusNotFound, "Request_ResourceNotFound", fmt.Sprintf(
			"Resource '%s' does not exist or one of its queried reference-property objects are not present.",
			r.PathValue("id"))})
		return
	}
	t.send(answered, r, body(raw))
}

// federatedOf is the application whose federated credentials a path names by its appId. The router
// has no pattern for such a path.
func federatedOf(path string) (appID string, ok bool) {
	rest, begins := strings.CutPrefix(path, "/v1.0/applications(appId='")
	appID, ends := strings.CutSuffix(rest, "')/federatedIdentityCredentials")
	return appID, begins && ends
}

// serveFederated answers with the federated credentials of an application, which a test gave it as
// a property of their name.
func (t *Tenant) serveFederated(w http.ResponseWriter, r *http.Request, appID string) {
	if p := t.authorize(r, "Application.Read.All"); p != nil {
		t.refuse(w, p)
		return
	}
	for _, raw := range t.Objects(Applications) {
		if !strings.EqualFold(gjson.GetBytes(raw, "appId").Str, appID) {
			continue
		}
		list := gjson.GetBytes(raw, "federatedIdentityCredentials").Raw
		if list == "" {
			list = "[]"
		}
		t.send(w, r, []byte(`{"value":`+list+`}`))
		return
	}
	t.refuse(w, &problem{http.StatusNotFound, "Request_ResourceNotFound",
		fmt.Sprintf("Resource '%s' does not exist.", appID)})
}
