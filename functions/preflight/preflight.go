// Package preflight is the HTTP function that returns what the app may do in its tenant and its
// storage account, and what each missing permission means.
package preflight

import (
	"context"
	_ "embed"
	"time"

	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Config of the function.
type Config struct {
	Run    func(context.Context) []preflight.Check
	Store  jobs.Store // keeps what they said last
	Binary preflight.Binary
	Cloud  string
	Graph  string // endpoint
	Now    func() time.Time
}

// New makes the function.
func New(cfg Config) web.Function {
	answers := web.Shape{Name: "preflight", Is: about{}, Rows: preflight.Check{}, AsOf: true, Text: "The checks"}
	return web.Function{Name: "preflight", Trigger: trigger, Operations: []web.Operation{
		{
			ID: "Preflight", Summary: "Check permissions, licence, storage and clock",
			Text: "What the app may do in its tenant and its storage account, and what each missing piece means. " +
				"It takes up to a minute.",
			Role: web.RoleRead, Answers: answers, Class: web.Long, Do: cfg.check,
		},
		{
			Given: "view", Word: "latest", ID: "LatestPreflight", Summary: "The latest checks",
			Text: "What the checks said when they were last made, by the first run of this version or " +
				"when somebody asked.",
			Role: web.RoleRead, Answers: answers, Do: cfg.latest,
		},
	}}
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
	// The answer is worth more than that it is kept: what may keep it off is among the checks.
	_ = preflight.Renew(ctx, cfg.Store, cfg.Binary.Version, checks, cfg.Now())
	return cfg.answer(checks, cfg.Now()), nil
}

// latest answers with what is kept, at once.
func (cfg Config) latest(ctx context.Context, _ web.Request) (web.Answer, error) {
	checks, at, err := preflight.Latest(ctx, cfg.Store, cfg.Binary.Version)
	if err != nil {
		return web.Answer{}, err
	}
	return cfg.answer(checks, at), nil
}

func (cfg Config) answer(checks []preflight.Check, at time.Time) web.Answer {
	return web.List[preflight.Check]{Of: "preflight", AsOf: at, Value: checks, About: about{preflight.Worst(checks),
		cfg.Binary.Version, cfg.Binary.SHA256, cfg.Cloud, cfg.Graph}}.Answer()
}
