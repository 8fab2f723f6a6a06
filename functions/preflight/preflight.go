// Package preflight is the HTTP function that returns what the app may do in its tenant and its
// storage account, and what each missing permission means.
package preflight

import (
	"context"
	_ "embed"
	"time"

	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Config of the function.
type Config struct {
	Run    func(context.Context) []preflight.Check
	Binary preflight.Binary
	Cloud  string
	Graph  string // endpoint
	Now    func() time.Time
}

// New makes the function.
func New(cfg Config) web.Function {
	return web.Function{Name: "preflight", Trigger: trigger, Operations: []web.Operation{{
		ID: "Preflight", Summary: "Check permissions, licence, storage and clock",
		Text: "What the app may do in its tenant and its storage account, and what each missing piece means. " +
			"It takes up to a minute.",
		Role:    web.RoleRead,
		Answers: web.Shape{Name: "preflight", Is: about{}, Rows: preflight.Check{}, AsOf: true, Text: "The checks"},
		Class:   web.Long,
		Do:      cfg.check,
	}}}
}

// about is what the list says of itself.
type about struct {
	Status  preflight.Status `json:"status" text:"The worst of the checks: ok, limited or failed" enum:"ok,limited,failed"`
	Version string           `json:"version" text:"Which version answers"`
	SHA256  string           `json:"binarySha256,omitempty" text:"SHA-256 of the program that answers, in hexadecimal"`
	Cloud   string           `json:"cloud" text:"Which of Microsoft's clouds"`
	Graph   string           `json:"graphEndpoint" text:"Address of Microsoft Graph"`
}

// check runs the checks, up to a minute: they respect the ceiling of Graph's reports.
func (cfg Config) check(ctx context.Context, _ web.Request) (web.Answer, error) {
	checks := cfg.Run(ctx)
	if err := ctx.Err(); err != nil { // what failed for that says nothing
		return web.Answer{}, err
	}
	return web.List[preflight.Check]{Of: "preflight", AsOf: cfg.Now(), Value: checks,
			About: about{preflight.Worst(checks), cfg.Binary.Version, cfg.Binary.SHA256, cfg.Cloud,
				cfg.Graph}}.Answer(),
		nil
}
