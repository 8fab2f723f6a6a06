package graph

import (
	"context"
	"errors"
	"net/url"

	"github.com/tidwall/gjson"
	"golang.org/x/time/rate"

	"github.com/entraledger/entraledger/internal/directory"
)

var _ directory.Source = (*Directory)(nil)

// listing is where Graph has a collection of the directory, and what of it is asked for.
// Sources: learn.microsoft.com/graph/api/user-list, application-list, serviceprincipal-list, group-list-transitivemembers,
// reportroot-list-appcredentialsigninactivities, reportroot-list-serviceprincipalsigninactivities.
type listing struct {
	path, query string
	permission  string
	reporting   bool // counts against the reporting ceiling
}

const (
	userFields = "id,userPrincipalName,displayName,mail,department,userType,accountEnabled,createdDateTime,assignedLicenses,onPremisesSyncEnabled,externalUserState"
	// The hint of a secret is part of what is selected: its first three characters. It is not kept.
	holderFields = "id,appId,displayName,tags,passwordCredentials,keyCredentials"
	ownerFields  = "$expand=owners($select=id,displayName,userPrincipalName)"
)

var listings = map[directory.Phase]listing{
	// 500 is the most users that Graph gives with their sign-in activity; it refuses or drops more.
	directory.PhaseUsers:      {"/v1.0/users", "$top=500&$select=" + userFields + ",signInActivity", "AuditLog.Read.All and User.Read.All", true},
	directory.PhasePlainUsers: {"/v1.0/users", "$top=999&$select=" + userFields, "User.Read.All", false},
	directory.PhaseGroups:     {"/v1.0/groups/{group}/transitiveMembers/microsoft.graph.user", "$top=999&$select=id", "GroupMember.Read.All", false},
	directory.PhaseApps:       {"/v1.0/applications", "$top=999&$select=" + holderFields + "&" + ownerFields, "Application.Read.All", false},
	directory.PhasePrincipals: {"/v1.0/servicePrincipals", "$top=999&$select=" + holderFields + ",servicePrincipalType,appOwnerOrganizationId&" + ownerFields, "Application.Read.All", false},
	directory.PhaseUse:        {"/beta/reports/appCredentialSignInActivities", "", "AuditLog.Read.All", true},
	directory.PhaseAppUse:     {"/beta/reports/servicePrincipalSignInActivities", "", "AuditLog.Read.All", true},
}

// DirectoryPermission is the least Microsoft Graph application permission that reads a collection; several with "and" between.
func DirectoryPermission(p directory.Phase) string { return listings[p].permission }

// Directory reads users, applications and reports of use as raw pages. It is a Client whose Limiter is the snapshot's share.
type Directory struct {
	*Client
	// keys spaces requests for keyCredentials, of which Graph allows a tenant 150 a minute. Source:
	// learn.microsoft.com/graph/throttling-limits, "Identity and access service limits".
	keys *rate.Limiter
}

// NewDirectory makes a Directory of a client of its own.
func NewDirectory(c *Client) *Directory { return &Directory{Client: c, keys: rate.NewLimiter(2, 1)} }

// Objects is directory.Source's.
func (d *Directory) Objects(ctx context.Context, q directory.Query, link string) (directory.Page, error) {
	l := listings[q.Phase]
	r := d.request("read "+string(q.Phase)+" from Graph", l)
	r.url, r.walking = link, link != ""
	if l.reporting {
		r.wait = d.cfg.Limiter.Wait
	}
	if link == "" {
		r.url = d.base.String() + address(l, q.Group)
	}
	page, err := ask(ctx, d.Client, r, func(a answer) (directory.Page, error) {
		page, err := parseObjects(a.body.Bytes())
		page.Free = func() { d.giveBuffer(a.body) }
		return page, err
	})
	if err == nil {
		err = d.checkLink(r.doing, page.Next, link)
	}
	return page, err
}

func address(l listing, group string) string {
	u := url.URL{Path: l.path}
	if group != "" {
		u.Path = "/v1.0/groups/" + group + "/transitiveMembers/microsoft.graph.user"
	}
	text := u.EscapedPath()
	if l.query != "" {
		text += "?" + l.query
	}
	return text
}

// parseObjects takes a page apart. A page whose JSON is broken, that has no list, or that holds an error object is not a page.
func parseObjects(body []byte) (directory.Page, error) {
	var page directory.Page
	if !gjson.ValidBytes(body) {
		return page, errors.New("a page is not JSON")
	}
	doc := gjson.ParseBytes(body)
	if doc.Get("error").IsObject() || !doc.Get("value").IsArray() {
		return page, errors.New("a page holds no list of objects")
	}
	var err error
	doc.Get("value").ForEach(func(_, item gjson.Result) bool {
		if !item.IsObject() || item.Get("error").IsObject() {
			err = errors.New("a page holds an error object among its objects")
			return false
		}
		page.Items = append(page.Items, []byte(item.Raw))
		return true
	})
	page.Next = doc.Get(`@odata\.nextLink`).Str
	return page, err
}
