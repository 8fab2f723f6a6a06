package graph

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
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

var top = regexp.MustCompile(`\$top=\d+`)

// ProbeStream is preflight.Tenant's.
func (p *Prober) ProbeStream(ctx context.Context, s entra.Stream) error {
	now := time.Now()
	address := top.ReplaceAllString(p.Logs.query(s, now.Add(-time.Hour), now), "$$top=1")
	return p.Logs.probe(ctx, request{doing: "read " + string(s) + " from Graph", url: address, permission: Permission(s), wait: p.Logs.cfg.Limiter.Wait})
}

// ProbeDirectory is preflight.Tenant's.
func (p *Prober) ProbeDirectory(ctx context.Context, phase directory.Phase) error {
	l := listings[phase]
	l.query = top.ReplaceAllString(l.query, "$$top=1")
	r := request{doing: "read " + string(phase) + " from Graph", url: p.Directory.base.String() + address(l, ""), permission: l.permission, wait: p.Directory.keys.Wait,
		licence: "this needs Microsoft Entra ID P1 or P2"}
	if l.reporting {
		r.wait = p.Directory.cfg.Limiter.Wait
	}
	return p.Directory.probe(ctx, r)
}

// probe makes a request for a list and throws it away.
func (c *Client) probe(ctx context.Context, r request) error {
	_, err := ask(ctx, c, r, func(a answer) (struct{}, error) {
		defer c.giveBuffer(a.body)
		if !gjson.GetBytes(a.body.Bytes(), "value").IsArray() {
			return struct{}{}, errors.New("the answer holds no list")
		}
		return struct{}{}, nil
	})
	return err
}
