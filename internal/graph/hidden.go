package graph

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

// HiddenMembers is the permission without which Graph gives no members of a group whose membership
// is hidden, and no error. Sources: learn.microsoft.com/graph/api/group-list-transitivemembers;
// github.com/microsoftgraph/microsoft-graph-docs/issues/12552.
const HiddenMembers = "Member.Read.Hidden"

// Readable is snapshots.Source's. It asks for the group's visibility, and looks into the app's
// token where that is HiddenMembership.
func (d *Directory) Readable(ctx context.Context, q collections.Query) error {
	r := d.request("read group "+q.Group+" from Graph", q.Collection)
	r.wait = freely
	r.url = d.address(collections.Query{Collection: &collections.Collection{Path: "/v1.0/groups/" + q.Group}},
		"$select=id,visibility")
	visibility, err := ask(ctx, d.Client, r, func(a answer) (string, error) {
		defer d.giveBuffer(a.body)
		if !gjson.ValidBytes(a.body.Bytes()) || gjson.GetBytes(a.body.Bytes(), "id").Str == "" {
			return "", errors.New("the answer is no group")
		}
		return strings.Clone(gjson.GetBytes(a.body.Bytes(), "visibility").Str), nil
	})
	if err != nil || !strings.EqualFold(visibility, "HiddenMembership") {
		return err
	}
	roles, known, err := d.roles(ctx)
	if err != nil || slices.Contains(roles, HiddenMembers) {
		return err
	}
	refused := &entra.Error{Code: entra.CodePermission, Doing: "read the members of group " + q.Group,
		Why: "its membership is hidden, and Graph then gives none of them, without an error",
		Remedy: "grant the app's identity the Microsoft Graph application permission " + HiddenMembers +
			" (infra/grant.sh)"}
	if !known {
		refused.Why += "; whether the app may read them can't be told from its token"
		refused.Remedy = "put these members into a group whose membership is not hidden"
	}
	return refused
}

// claims are what the app's token says of itself. It is not verified: it is the app's own, fresh
// from its identity.
type claims struct {
	Roles  []string `json:"roles"` // application permissions
	Tenant string   `json:"tid"`
}

// claims reads the app's token. known is false where it is none that can be read.
func (c *Client) claims(ctx context.Context) (out claims, known bool, err error) {
	token, err := c.cfg.Credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{c.cfg.Scope}})
	if err != nil {
		return out, false, c.unanswered(ctx, request{doing: "get a token for Microsoft Graph"}, err)
	}
	parts := strings.Split(token.Token, ".")
	if len(parts) != 3 {
		return out, false, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &out) != nil {
		return claims{}, false, nil
	}
	return out, true, nil
}

// roles are the application permissions in the app's token; known is as in claims.
func (c *Client) roles(ctx context.Context) (roles []string, known bool, err error) {
	token, known, err := c.claims(ctx)
	return token.Roles, known, err
}

// TenantID is the id of the tenant that the app's token is of; empty where the token does not tell
// it. Source: learn.microsoft.com/entra/identity-platform/access-token-claims-reference (tid).
func (c *Client) TenantID(ctx context.Context) (string, error) {
	out, _, err := c.claims(ctx)
	if err != nil || uuid.Validate(out.Tenant) != nil {
		return "", err
	}
	return strings.ToLower(out.Tenant), nil
}
