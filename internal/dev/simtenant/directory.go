package simtenant

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
)

// The collections of the directory, as faults and counters name them.
const (
	Users             entra.Stream = "users"
	Applications      entra.Stream = "applications"
	ServicePrincipals entra.Stream = "servicePrincipals"
	CredentialUse     entra.Stream = "appCredentialSignInActivities"
	PrincipalUse      entra.Stream = "servicePrincipalSignInActivities"
	GroupMembers      entra.Stream = "groupMembers"
	Licences          entra.Stream = "subscribedSkus"
	// Federated is the list of applications with their federated credentials. Its objects are those
	// of Applications.
	Federated entra.Stream = "federatedIdentityCredentials"
)

// DirectoryCollections lists them all.
func DirectoryCollections() []entra.Stream {
	return []entra.Stream{Users, Applications, ServicePrincipals, CredentialUse, PrincipalUse, GroupMembers, Licences,
		Federated}
}

// objects are one collection: what the generator makes up, and what a test added, replaced or
// removed.
type objects struct {
	made    func(i int) []byte
	count   int
	added   [][]byte
	changed map[string][]byte // by id
	removed map[string]bool
}

// at is object i; nil where it was removed.
func (o *objects) at(i int) []byte {
	var raw []byte
	if i < o.count {
		raw = o.made(i)
	} else {
		raw = o.added[i-o.count]
	}
	id := gjson.GetBytes(raw, "id").Str
	if o.removed[id] {
		return nil
	}
	if changed, ok := o.changed[id]; ok {
		return changed
	}
	return raw
}

func (o *objects) len() int { return o.count + len(o.added) }

func (t *Tenant) newDirectory(g *generate.Generator) {
	t.directory = make(map[entra.Stream]*objects)
	for _, s := range DirectoryCollections() {
		t.directory[s] = &objects{changed: make(map[string][]byte), removed: make(map[string]bool)}
		t.counts[s] = &Counter{ByStatus: make(map[int]int)}
	}
	if g == nil {
		return
	}
	users, apps, principals, use := t.directory[Users], t.directory[Applications], t.directory[ServicePrincipals],
		t.directory[CredentialUse]
	users.count, users.made = g.Users(), func(i int) []byte { return g.AppendUser(nil, i) }
	apps.count, apps.made = g.Apps(), func(i int) []byte { return g.AppendApplication(nil, i) }
	principals.count, principals.made = g.Apps(), func(i int) []byte { return g.AppendPrincipal(nil, i) }
	t.directory[Licences].added = g.Licences()
	for k := range g.Apps() {
		use.added = append(use.added, g.CredentialUse(k)...)
		t.directory[PrincipalUse].added = append(t.directory[PrincipalUse].added, g.PrincipalUse(k))
	}
}

// AddObject adds a user, an application, ...: JSON as Graph has it. A member of a group also has a
// property groupId.
func (t *Tenant) AddObject(collection entra.Stream, raw []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.directory[collection].added = append(t.directory[collection].added, raw)
}

// ChangeObject replaces an object from now on; one that was removed comes back.
func (t *Tenant) ChangeObject(collection entra.Stream, id string, raw []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.directory[collection].changed[id] = raw
	delete(t.directory[collection].removed, id)
}

// RemoveObject deletes an object from now on.
func (t *Tenant) RemoveObject(collection entra.Stream, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.directory[collection].removed[id] = true
}

// Objects is the truth of a collection.
func (t *Tenant) Objects(collection entra.Stream) [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out [][]byte
	o := t.directory[collection]
	for i := range o.len() {
		if raw := o.at(i); raw != nil {
			out = append(out, raw)
		}
	}
	return out
}

// listing is what Graph allows for a collection of the directory.
type listing struct {
	collection entra.Stream
	top, max   int  // page size without and with $top
	reporting  bool // counts against the reporting ceiling
	units      int  // that a request costs; 0: none, it is a report
	permission string
}

func (t *Tenant) addDirectory(mux *http.ServeMux) {
	members := listing{collection: GroupMembers, top: 100, max: 999, units: 5, permission: "GroupMember.Read.All"}
	mux.HandleFunc("/v1.0/groups/{group}", t.serveGroup)
	t.addUserDetails(mux)
	for path, l := range map[string]listing{
		"/v1.0/users": {collection: Users, top: 100, max: 999, units: 2,
			permission: "User.Read.All"},
		"/v1.0/applications": {collection: Applications, top: 100, max: 999, units: 2,
			permission: "Application.Read.All"},
		"/beta/applications": {collection: Federated, top: 100, max: 100, units: 3,
			permission: "Application.Read.All"},
		"/v1.0/servicePrincipals": {collection: ServicePrincipals, top: 100, max: 999, units: 1,
			permission: "Application.Read.All"},
		"/beta/reports/appCredentialSignInActivities": {collection: CredentialUse, top: 200, max: 999,
			reporting: true, permission: "AuditLog.Read.All"},
		"/beta/reports/servicePrincipalSignInActivities": {collection: PrincipalUse, top: 200, max: 999,
			reporting: true, permission: "AuditLog.Read.All"},
		"/v1.0/subscribedSkus": {collection: Licences, top: 999, max: 999, units: 3,
			permission: "LicenseAssignment.Read.All"},
		"/v1.0/groups/{group}/transitiveMembers":        members,
		"/v1.0/groups/{group}/transitiveMembers/{kind}": members,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { t.serveDirectory(w, r, l) })
		if l.collection == Applications || l.collection == ServicePrincipals {
			mux.HandleFunc(path+"/{id}", func(w http.ResponseWriter, r *http.Request) { t.serveObject(w, r, l) })
			mux.HandleFunc(path+"/{id}/owners", func(w http.ResponseWriter, r *http.Request) { t.serveOwners(w, r, l) })
		}
		if !l.reporting {
			mux.HandleFunc(path+"/$count", func(w http.ResponseWriter, r *http.Request) { t.serveCount(w, r, l) })
		}
	}
}

// listQuery is a request for a page of the directory, read.
type listQuery struct {
	listing
	fields   []string
	expand   string
	ids      map[string]bool // of $filter; nil: there is none
	activity bool
	from     position
}

func (t *Tenant) readListQuery(r *http.Request, l listing) (listQuery, *problem) {
	q := listQuery{listing: l}
	bad := func(code, message string) (listQuery, *problem) {
		return q, &problem{http.StatusBadRequest, code, message}
	}
	values := r.URL.Query()
	q.activity = slices.Contains(strings.Split(values.Get("$select"), ","), "signInActivity")
	if q.activity {
		q.max, q.reporting = 500, true
	}
	for name := range values {
		text := values.Get(name)
		switch strings.ToLower(name) {
		case "$select":
			q.fields = strings.Split(text, ",")
		case "$expand":
			wanted := map[entra.Stream]string{Applications: "owners", ServicePrincipals: "owners",
				Federated: "federatedIdentityCredentials"}[q.collection]
			if q.expand, _, _ = strings.Cut(text, "("); q.expand != wanted || wanted == "" {
				return bad("Request_BadRequest", fmt.Sprintf("Unrecognized expand '%s'.", text))
			}
		case "$filter":
			if q.units == 0 || q.collection == GroupMembers {
				return bad("Request_UnsupportedQuery", "Unsupported Query.")
			}
			var p *problem
			if q.ids, p = readIDs(text); p != nil {
				return q, p
			}
		case "$top":
			top, err := strconv.Atoi(text)
			if err != nil || top < 1 || top > q.max {
				return bad("Request_UnsupportedQuery",
					fmt.Sprintf("Invalid page size specified: '%s'. Must be between 1 and %d inclusive.", text, q.max))
			}
			q.top = top
		case "$skiptoken":
			var ok bool
			if q.from, ok = t.openToken(text); !ok {
				return bad("Directory_ExpiredPageToken",
					"The specified page token value has expired and can no longer be included in your request.")
			}
		default:
			return bad("Request_UnsupportedQuery", "Unsupported Query.")
		}
	}
	if r.PathValue("kind") != "" && r.Header.Get("ConsistencyLevel") != "eventual" { // a cast
		return bad("Request_UnsupportedQuery", "Unsupported Query.")
	}
	if q.from.page == 0 {
		q.from = t.beginWalk()
	}
	return q, nil
}

// HideMembers gives a group the visibility HiddenMembership.
func (t *Tenant) HideMembers(group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hidden = append(t.hidden, group)
}

// RemoveGroup makes a group one that the tenant does not have. All others are taken to be there.
func (t *Tenant) RemoveGroup(group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.noGroups = append(t.noGroups, group)
}

// hides reports whether the members of a group are hidden from a request: its list is then empty.
func (t *Tenant) hides(r *http.Request, group string) bool {
	t.mu.Lock()
	hidden := slices.Contains(t.hidden, group)
	t.mu.Unlock()
	return hidden && t.authorize(r, "Member.Read.Hidden") != nil
}

// serveGroup answers with a group: its id and visibility.
func (t *Tenant) serveGroup(w http.ResponseWriter, r *http.Request) {
	if denied := t.authorize(r, "GroupMember.Read.All"); denied != nil {
		t.refuse(w, denied)
		return
	}
	group := map[string]any{"id": r.PathValue("group"), "visibility": nil}
	t.mu.Lock()
	if slices.Contains(t.noGroups, r.PathValue("group")) {
		t.mu.Unlock()
		t.refuse(w, &problem{http.StatusNotFound, "Request_ResourceNotFound", "Resource '" + r.PathValue("group") +
			"' does not exist or one of its queried reference-property objects are not present."})
		return
	}
	if slices.Contains(t.hidden, r.PathValue("group")) {
		group["visibility"] = "HiddenMembership"
	}
	t.mu.Unlock()
	writeJSON(w, http.StatusOK, group)
}

func (t *Tenant) serveDirectory(w http.ResponseWriter, r *http.Request, l listing) {
	q, p := t.readListQuery(r, l)
	answered := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	over := false
	if q.reporting {
		var noted *Request
		noted, over = t.arrive(l.collection, r)
		defer func() { t.answered(noted, answered.status) }()
	} else {
		defer func() { t.count(l.collection, answered.status) }()
	}
	needed := []string{l.permission}
	if q.activity {
		needed = append(needed, "AuditLog.Read.All")
	}
	if denied := t.authorize(r, needed...); denied != nil {
		t.refuse(answered, denied)
		return
	}
	if over || t.overUnits(answered, r, l, selectsKeys(r)) {
		t.throttle(answered)
		return
	}
	if p != nil {
		t.refuse(answered, p)
		return
	}
	fault := t.due(request{stream: l.collection, version: versionOf(r), question: q.question(), position: q.from})
	if fault.ofActivity() && l.collection == Users && !q.activity {
		t.undo(fault) // without sign-in activity the list is had without licence
		fault = nil
	}
	if fault != nil && t.answerInstead(answered, r, fault) {
		return
	}
	body := t.directoryPage(r, q, fault)
	if fault != nil && t.spoil(answered, r, fault, body) {
		return
	}
	t.send(answered, r, body)
}

// question is what the request asks.
func (q listQuery) question() Question {
	if q.ids != nil {
		return ForIDs
	}
	return ForPage
}

func (t *Tenant) directoryPage(r *http.Request, q listQuery, fault *Fault) []byte {
	from := objectWalk{tenant: t, collection: objectsOf(q.collection), group: r.PathValue("group"), fields: q.fields,
		ids: q.ids}
	if fault != nil && fault.Kind == BlankActivity {
		from.fields = slices.DeleteFunc(slices.Clone(from.fields), func(f string) bool { return f == "signInActivity" })
	}
	if fault.leavesOutPart() {
		from.blank = fault
	}
	if l := r.PathValue("group"); l != "" && from.fields != nil {
		from.fields = append(slices.Clone(from.fields), "@odata.type")
		if t.hides(r, l) {
			from.group = "hidden"
		}
	}
	if q.expand != "" && from.fields != nil {
		from.fields = append(slices.Clone(from.fields), q.expand)
	}
	head := []byte(`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#` + string(q.collection) + `",`)
	return t.finishPage(r, head, from, q.from, t.pageSize(q.top, fault), fault)
}

// objectsOf is the collection that has the objects of a list.
func objectsOf(list entra.Stream) entra.Stream {
	if list == Federated {
		return Applications
	}
	return list
}

// objectWalk hands out the objects of a collection, of one group if there is one. The place's index
// counts what was passed.
type objectWalk struct {
	tenant     *Tenant
	collection entra.Stream
	group      string
	fields     []string        // nil: all
	ids        map[string]bool // nil: all
	blank      *Fault          // leaves out the activity of some users; nil: of none
}

func (w objectWalk) take(list []byte, from position, top int) (out []byte, n int, at position, more bool) {
	w.tenant.mu.Lock()
	defer w.tenant.mu.Unlock()
	o := w.tenant.directory[w.collection]
	for at = from; at.place.index < o.len() && n < top; at.place.index++ {
		raw := o.at(at.place.index)
		if raw == nil || w.collection == GroupMembers && gjson.GetBytes(raw, "groupId").Str != w.group ||
			w.ids != nil && !w.ids[gjson.GetBytes(raw, "id").Str] {
			continue
		}
		if n > 0 {
			list = append(list, ',')
		}
		begin := len(list)
		list = append(list, w.tenant.asListed(w.collection, raw)...)
		if fields := w.fields; fields != nil {
			if w.blank != nil && w.blank.blanks(n, raw, from.walk) {
				fields = slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == "signInActivity" })
			}
			list = project(list, begin, fields)
		}
		n++
	}
	return list, n, at, at.place.index < o.len()
}

// count counts a request that is no reporting request.
func (t *Tenant) count(s entra.Stream, status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[s].Total++
	t.counts[s].ByStatus[status]++
}
