package preflight_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/preflight"
)

// tenant answers each question with an error of its own; nil: it works.
type tenant struct {
	now, roles error
	streams    error
	only       map[string]error // of single streams and collections
	directory  error
}

func (t tenant) Now(context.Context) (time.Time, error) { return time.Unix(0, 0), t.now }
func (t tenant) Roles(context.Context) ([]string, error) {
	return []string{"AuditLog.Read.All", "User.Read.All", "Application.Read.All", "Policy.Read.ConditionalAccess",
		"LicenseAssignment.Read.All"}, t.roles
}
func (t tenant) RiskDisclosed(context.Context) (disclosed, known bool, err error) {
	return true, true, nil
}
func (t tenant) ProbeStream(_ context.Context, s entra.Stream) error {
	if err, ok := t.only[string(s)]; ok {
		return err
	}
	return t.streams
}
func (t tenant) ProbeDirectory(_ context.Context, c *collections.Collection) error {
	if err, ok := t.only[c.Word]; ok {
		return err
	}
	return t.directory
}

// works is a storage account where all works.
type works struct{}

func (works) ProbeTables(context.Context) error { return nil }
func (works) ProbeBlobs(context.Context) error  { return nil }

// says is what a check is to say: a status, and a part of its consequence.
type says struct {
	status      preflight.Status
	consequence string
}

const (
	nothing  = "no log is archived, what Graph forgets meanwhile is lost, and no snapshot of the directory is made"
	thisLog  = "this log is not archived, and what Graph forgets of it is lost"
	noAnswer = "inactive-users can't answer"
)

// TestWhatACheckSaysIsTrueBesideTheOthers has what fails, and what the checks say then; all others
// are ok.
func TestWhatACheckSaysIsTrueBesideTheOthers(t *testing.T) {
	token := &entra.Error{Code: entra.CodeToken, Doing: "ask", Why: "the token is refused"}
	denied := &entra.Error{Code: entra.CodePermission, Doing: "ask", Why: "it is denied"}
	everything := map[string]says{"licence": {preflight.Limited, "see the checks"}}
	for _, name := range []string{"clock and token", "stream directoryAudits", "stream signIns.interactiveUser"} {
		everything[name] = says{preflight.Failed, nothing}
	}
	for _, c := range collections.All() {
		if !c.ByGroup() {
			everything["directory "+c.Word] = says{preflight.Failed, nothing}
		}
	}
	nowhere := maps.Clone(everything)
	for _, p := range preflight.Needed([]entra.Stream{logs.DirectoryAudits, logs.SignInsInteractiveUser}, false) {
		nowhere["permission "+p.Name] = says{preflight.Failed, nothing}
	}
	for _, p := range preflight.Permissions() {
		if p.OnDemand {
			nowhere["permission "+p.Name] = says{preflight.Failed, nothing}
		}
	}
	for name, c := range map[string]struct {
		tenant  tenant
		noBlobs bool
		want    map[string]says
	}{
		"all works":       {},
		"401 everywhere":  {tenant: tenant{streams: token, directory: token}, want: everything},
		"no token at all": {tenant: tenant{now: token, roles: token, streams: token, directory: token}, want: nowhere},
		"401 of one log only": {tenant: tenant{only: map[string]error{"directoryAudits": token}}, want: map[string]says{
			"stream directoryAudits": {preflight.Failed, thisLog + "; the other logs are archived"}}},
		"no log, and the directory": {tenant: tenant{streams: denied}, want: map[string]says{
			"stream directoryAudits":         {preflight.Failed, thisLog},
			"stream signIns.interactiveUser": {preflight.Failed, thisLog},
			"licence":                        {preflight.Limited, "see the checks"}}},
		"users without their activity": {tenant: tenant{only: map[string]error{"users": denied}}, want: map[string]says{
			"directory users": {preflight.Limited, "users are listed without their sign-in activity"}}},
		"users aren't listed": {tenant: tenant{only: map[string]error{"users": denied, "usersWithoutActivity": denied}},
			want: map[string]says{"directory users": {preflight.Failed, noAnswer},
				"directory usersWithoutActivity": {preflight.Failed, noAnswer}}},
		"users with their activity alone": {tenant: tenant{only: map[string]error{"usersWithoutActivity": denied}},
			want: map[string]says{"directory usersWithoutActivity": {preflight.Limited,
				"it is read only where directory users fails; then " + noAnswer}}},
		"no BlobEndpoint": {noBlobs: true, want: map[string]says{
			"blobs": {preflight.Limited, "whoever can write them can rewrite them"}}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := preflight.Config{Tenant: c.tenant, Storage: works{}, Blobs: works{},
				Streams: []entra.Stream{logs.DirectoryAudits, logs.SignInsInteractiveUser},
				Clock:   func() time.Time { return time.Unix(0, 0) }}
			if c.noBlobs {
				cfg.Blobs = nil
			}
			seen := 0
			for _, check := range preflight.Run(t.Context(), cfg) {
				want, ok := c.want[check.Name]
				if !ok {
					require.Equal(t, preflight.OK, check.Status, "%v", check)
					continue
				}
				seen++
				require.Equal(t, want.status, check.Status, "%v", check)
				require.Contains(t, check.Consequence, want.consequence, "%v", check)
				if want.consequence == thisLog || want.consequence == noAnswer {
					require.Equal(t, want.consequence, check.Consequence)
				}
				require.NotEmpty(t, check.Detail)
			}
			require.Equal(t, len(c.want), seen)
		})
	}
}
