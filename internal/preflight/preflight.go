// Package preflight finds out what the app may do in its tenant and its storage account, and says
// in words what each missing piece means.
package preflight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/parallel"
)

// Tenant is what is asked of the tenant.
type Tenant interface {
	// Now is the tenant's clock.
	Now(ctx context.Context) (time.Time, error)
	// Roles are the application permissions that the app's token carries.
	Roles(ctx context.Context) ([]string, error)
	// RiskDisclosed reports whether sign-ins carry their risk, which takes P2: others see "hidden".
	// known is false where there is no sign-in.
	RiskDisclosed(ctx context.Context) (disclosed, known bool, err error)
	// ProbeStream asks for one record of a stream.
	ProbeStream(ctx context.Context, s entra.Stream) error
	// ProbeDirectory asks for one object of a collection of the directory.
	ProbeDirectory(ctx context.Context, c *collections.Collection) error
}

// Storage is the storage account.
type Storage interface {
	// ProbeTables writes a row, reads it and takes it away again.
	ProbeTables(ctx context.Context) error
}

// Blobs is where the heads of the logs go.
type Blobs interface {
	// ProbeBlobs lists the heads' container, and makes it if it is not there.
	ProbeBlobs(ctx context.Context) error
}

// Status of a check.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Limited Status = "limited" // the app works without it, and says so
	Failed  Status = "failed"
)

// Check is one thing that was looked at.
type Check struct {
	Name        string     `json:"name" text:"What was looked at"`
	Status      Status     `json:"status" enum:"ok,limited,failed"`
	Code        entra.Code `json:"code,omitempty" text:"Why, as a code"`
	Detail      string     `json:"detail" text:"What was found, and what to do"`
	Consequence string     `json:"consequence,omitempty" text:"What it means"`
}

// Texts are those that are too long for their line.
func (Check) Texts() map[string]string {
	return map[string]string{
		"status": "ok; limited: the app works without it, and says so; failed",
	}
}

// Config says what is looked at.
type Config struct {
	Tenant  Tenant
	Storage Storage
	Blobs   Blobs // nil: none are configured
	Streams []entra.Stream
	Groups  bool // groups' members are read, too
	// Hidden is why members of a group that is read are hidden from the app; nil: the
	// token alone tells. It is asked only where Groups is set.
	Hidden func(ctx context.Context) error
	// Collections are what a snapshot reads; nil: collections.All.
	Collections collections.List
	// Callers reports whether somebody verifies who calls an HTTP function; nil: a key is all that
	// is asked for.
	Callers func() error
	// ReadBy says who is given the records of a log that takes an app role of its own.
	ReadBy func(role string) string
	Clock  func() time.Time
	AtOnce int // checks that are made at the same time; 0: 4
}

func (cfg Config) collections() collections.List {
	if cfg.Collections == nil {
		return collections.All()
	}
	return cfg.Collections
}

// part is a check to be made.
type part struct {
	name        string
	probe       func(context.Context) error
	consequence string
	optional    bool   // without it the app works, and says so
	ofGraph     bool   // Graph has to accept the token
	ofToken     bool   // the token itself is looked at
	onDemand    string // what its lack means, where it takes nothing from what the app does by itself
	fine        string // what a check that succeeds says; empty: that it works
}

// streamCheck is the name of a stream's check, by which the licence is told.
func streamCheck(s entra.Stream) string { return "stream " + string(s) }

// directoryCheck is the name of a collection's check.
func directoryCheck(c *collections.Collection) string { return "directory " + c.Word }

// atOnce is how many checks are made at the same time, by default.
const atOnce = 4

// Run makes all checks. What fails is a result and no error.
func Run(ctx context.Context, cfg Config) []Check {
	parts := parts(cfg)
	out := make([]Check, len(parts))
	group := parallel.New()
	group.SetLimit(cmp.Or(cfg.AtOnce, atOnce))
	for i, p := range parts {
		group.Go(func() error {
			out[i] = p.check(ctx)
			return nil
		})
	}
	_ = group.Wait() // no check gives an error
	compare(cfg, parts, out)
	return append(out, licence(ctx, cfg, out))
}

func (p part) check(ctx context.Context) Check {
	err := parallel.Recovered(func() error { return p.probe(ctx) })
	if err == nil {
		return Check{Name: p.name, Status: OK, Detail: cmp.Or(p.fine, "it works")}
	}
	if p.onDemand != "" && entra.CodeOf(err) == entra.CodePermission {
		return Check{Name: p.name, Status: OK, Detail: "it is not granted, and need not be: without it " + p.onDemand +
			"; infra/grant.sh grants it"}
	}
	c := Check{Name: p.name, Status: Failed, Code: entra.CodeOf(err), Detail: err.Error(), Consequence: p.consequence}
	if p.optional {
		c.Status = Limited
	}
	return c
}

func parts(cfg Config) []part {
	out := []part{
		{name: clockAndToken, probe: cfg.clock,
			consequence: "without a token nothing can be read; " +
				"with a clock that is wrong, tokens and signatures are refused"},
		{name: "tables", probe: cfg.Storage.ProbeTables, consequence: "nothing can be archived or answered"},
	}
	if cfg.Callers != nil {
		out = append(out, part{name: "authentication", probe: func(context.Context) error { return cfg.Callers() },
			consequence: "every HTTP function answers 503; timers run on", fine: "App Service verifies who calls"})
	}
	if cfg.Blobs != nil {
		out = append(out, part{name: "blobs", probe: cfg.Blobs.ProbeBlobs,
			consequence: headsInTables})
	} else {
		out = append(out, part{name: "blobs", optional: true, consequence: headsInTables,
			probe: func(context.Context) error {
				return &entra.Error{Code: entra.CodeNotFound, Doing: "find the blob service of the archive",
					Why: "ARCHIVE_STORAGE has no BlobEndpoint",
					Remedy: "add BlobEndpoint=... to the connection string, as the account's other addresses are, " +
						"or name the account by ARCHIVE_STORAGE__tableServiceUri in its place"}
			}})
	}
	for _, p := range needed(cfg.collections(), cfg.Streams, cfg.Groups) {
		one := part{name: "permission " + p.Name,
			probe:       func(ctx context.Context) error { return cfg.permission(ctx, p) },
			consequence: strings.ReplaceAll(p.Without, "`", ""), optional: p.Optional,
			ofToken: true, fine: "the app's token carries it"}
		if p.bySetting && p.Optional && cfg.Hidden != nil {
			one.fine = "no group of SNAPSHOT_GROUPS is hidden from the app"
			one.probe = cfg.Hidden
		}
		out = append(out, one)
	}
	for _, p := range permissions(cfg.collections()) {
		if p.OnDemand {
			out = append(out, part{name: "permission " + p.Name,
				probe:    func(ctx context.Context) error { return cfg.permission(ctx, p) },
				onDemand: strings.ReplaceAll(p.Without, "`", ""), ofToken: true, fine: "the app's token carries it"})
		}
	}
	for _, s := range cfg.Streams {
		out = append(out, part{name: streamCheck(s),
			probe:       func(ctx context.Context) error { return cfg.Tenant.ProbeStream(ctx, s) },
			consequence: notArchived + othersAre, ofGraph: true})
	}
	for _, s := range cfg.Streams {
		if role := logs.Of(s).CallerRole; role != "" && cfg.ReadBy != nil {
			out = append(out, part{name: "callers of " + string(s), fine: cfg.ReadBy(role),
				probe: func(context.Context) error { return nil }})
		}
	}
	for _, c := range cfg.collections() {
		if c.ByGroup() {
			continue // which groups there are is a setting's matter
		}
		out = append(out, part{name: directoryCheck(c), consequence: c.Consequence, optional: c.Optional, ofGraph: true,
			probe: func(ctx context.Context) error { return cfg.Tenant.ProbeDirectory(ctx, c) }})
	}
	return out
}

// Worst is the worst status of some checks.
func Worst(checks []Check) Status {
	worst := OK
	for _, c := range checks {
		if c.Status == Failed || c.Status == Limited && worst == OK {
			worst = c.Status
		}
	}
	return worst
}

// mostOff is how far the clocks may be apart before it is worth a word; tokens allow five minutes.
const mostOff = 2 * time.Minute

func (cfg Config) clock(ctx context.Context) error {
	now, err := cfg.Tenant.Now(ctx)
	if err != nil {
		return err
	}
	if off := now.Sub(cfg.Clock()).Abs(); off > mostOff {
		return &entra.Error{Code: entra.CodeInternal, Doing: "compare the clocks",
			Why:    fmt.Sprintf("the tenant's is %s off this machine's", off.Round(time.Second)),
			Remedy: "set the machine's clock; the archive goes by the tenant's"}
	}
	return nil
}

// permission looks in the app's token for one, or for a wider one.
func (cfg Config) permission(ctx context.Context, p Permission) error {
	roles, err := cfg.Tenant.Roles(ctx)
	if err != nil {
		return err
	}
	for _, enough := range append([]string{p.Name}, p.Instead...) {
		if slices.Contains(roles, enough) {
			return nil
		}
	}
	return &entra.Error{Code: entra.CodePermission, Doing: "look for " + p.Name + " in the app's token",
		Why: "it is not there",
		Remedy: "grant it to the app's identity (infra/grant.sh), and restart the app: " +
			"a token that was issued before lives for up to a day"}
}

// licence tells which licence the tenant shows, and what it means.
func licence(ctx context.Context, cfg Config, checks []Check) Check {
	for _, s := range cfg.Streams {
		i := slices.IndexFunc(checks, func(k Check) bool { return k.Name == streamCheck(s) })
		if i < 0 || !logs.Of(s).Licensed {
			continue
		}
		switch {
		case checks[i].Status == OK:
			return Check{Name: "licence", Status: OK, Detail: premium(ctx, cfg)}
		case checks[i].Code == entra.CodeLicence:
			return Check{Name: "licence", Status: Limited, Code: entra.CodeLicence,
				Detail: "the tenant has no Microsoft Entra ID P1 or P2 licence",
				Consequence: "Graph gives audits only, and keeps them for 7 days; " +
					"sign-ins and sign-in activity are not disclosed, so who is inactive is unknown"}
		}
	}
	return Check{Name: "licence", Status: Limited,
		Detail:      "none of the logs that need a licence could be read, so it can't be told",
		Consequence: "see the checks of the streams"}
}

// premium tells P1 from P2, as far as a sign-in of the last days does.
func premium(ctx context.Context, cfg Config) string {
	const kept = "Graph keeps its logs for 30 days"
	disclosed, known, err := cfg.Tenant.RiskDisclosed(ctx)
	switch {
	case err != nil || !known:
		return "the tenant discloses sign-ins: it has Microsoft Entra ID P1 or P2, and " + kept
	case disclosed:
		return "the tenant has Microsoft Entra ID P2: sign-ins carry their risk, and " + kept
	default:
		return "the tenant has Microsoft Entra ID P1: " + kept +
			", and says hidden for the risk of sign-ins, which is archived so"
	}
}
