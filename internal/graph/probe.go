package graph

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/preflight"
)

var _ preflight.Tenant = (*Prober)(nil)

// Prober asks for one object of each collection, to find out what the app may read.
type Prober struct {
	Logs      *Client
	Directory *Directory
}

// Now is preflight.Tenant's.
func (p *Prober) Now(ctx context.Context) (time.Time, error) { return p.Logs.Now(ctx) }

// Roles is preflight.Tenant's.
func (p *Prober) Roles(ctx context.Context) ([]string, error) {
	roles, known, err := p.Logs.roles(ctx)
	if known || err != nil {
		return roles, err
	}
	return nil, &entra.Error{Code: entra.CodeToken, Doing: "read the app's token",
		Why: "it is none whose permissions can be read", Remedy: "go by the checks of the streams"}
}

var top = regexp.MustCompile(`\$top=\d+`)

// ProbeStream is preflight.Tenant's. It asks for the stream in its richest form.
func (p *Prober) ProbeStream(ctx context.Context, s entra.Stream) error {
	r, err := p.oneOf(s, time.Hour)
	if err != nil {
		return err
	}
	return p.Logs.probe(ctx, r)
}

// oneOf is the request for one record of a stream, in its richest form, not older than age.
func (p *Prober) oneOf(s entra.Stream, age time.Duration) (request, error) {
	now := time.Now()
	r, _, err := p.Logs.firstPage(entra.Query{Stream: s, From: now.Add(-age), To: now})
	r.url = top.ReplaceAllString(r.url, "$$top=1")
	return r, err
}

// ProbeDirectory is preflight.Tenant's.
func (p *Prober) ProbeDirectory(ctx context.Context, c *collections.Collection) error {
	r := p.Directory.request("read "+c.Word+" from Graph", c)
	r.url = p.Directory.address(collections.Query{Collection: c}, top.ReplaceAllString(c.Query, "$$top=1"))
	if !c.Reporting {
		r.wait = freely // one object is far from what Graph spaces requests for keyCredentials for
	}
	return p.Directory.probe(ctx, r)
}

// RiskDisclosed is preflight.Tenant's: it looks at one sign-in of the last week. Source:
// learn.microsoft.com/graph/api/resources/signin, "riskDetail", "riskLevelAggregated",
// "riskLevelDuringSignIn".
func (p *Prober) RiskDisclosed(ctx context.Context) (disclosed, known bool, err error) {
	r, err := p.oneOf(logs.SignInsInteractiveUser, 7*24*time.Hour)
	if err != nil {
		return false, false, err
	}
	found, err := first(ctx, p.Logs, r, "riskDetail", "riskLevelAggregated", "riskLevelDuringSignIn")
	for _, level := range found {
		known = known || level != ""
		disclosed = disclosed || level != "" && level != "hidden"
	}
	return disclosed, known, err
}

// probe makes a request for a list and throws it away.
func (c *Client) probe(ctx context.Context, r request) error {
	_, err := first(ctx, c, r)
	return err
}

// first makes a request for a list, and gives texts of its first object; empty where there are
// none.
func first(ctx context.Context, c *Client, r request, properties ...string) ([]string, error) {
	return ask(ctx, c, r, func(a answer) ([]string, error) {
		defer c.giveBuffer(a.body)
		list := gjson.GetBytes(a.body.Bytes(), "value")
		if !list.IsArray() {
			return nil, errors.New("the answer holds no list")
		}
		var out []string
		for _, p := range properties {
			out = append(out, strings.Clone(list.Get("0."+p).String()))
		}
		return out, nil
	})
}
