// Package versionedlogs is the HTTP function logs at other addresses: clients of Microsoft Graph
// put a version before the path. Such a client's base address is this app's, with /api behind it.
package versionedlogs

import (
	_ "embed"

	"github.com/entraledger/entraledger/functions/logs"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// versions are the segments that precede auditLogs. Both return the same: the records as they were
// received.
var versions = []string{"v1.0", "beta"}

// New makes the function. It is no part of the connector, which has logs.
func New(cfg logs.Config) web.Function {
	f := logs.New(cfg)
	f.Name, f.Trigger, f.Only = "versionedlogs", trigger, map[string][]string{"version": versions}
	for i := range f.Operations {
		o := &f.Operations[i]
		o.ID = ""
		o.Path = append([]web.Parameter{web.Choice("version", "", "Both give the same", versions...)}, o.Path...)
	}
	return f
}
