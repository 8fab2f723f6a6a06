package preflight_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/preflight"
)

// TestThePermissionForHiddenGroupsIsMissedOnlyWhereAGroupIsHidden and the app works without it.
func TestThePermissionForHiddenGroupsIsMissedOnlyWhereAGroupIsHidden(t *testing.T) {
	hidden := &entra.Error{Code: entra.CodePermission, Doing: "read the members of group g", Why: "they are hidden",
		Remedy: "grant Member.Read.Hidden"}
	for name, c := range map[string]struct {
		groups bool
		hidden error
		want   preflight.Status // empty: there is no such check
	}{"no groups": {false, hidden, ""}, "none is hidden": {true, nil, preflight.OK},
		"one is hidden": {true, hidden, preflight.Limited}} {
		t.Run(name, func(t *testing.T) {
			checks := preflight.Run(t.Context(), preflight.Config{Tenant: tenant{}, Storage: works{}, Blobs: works{},
				Streams: logs.DefaultStreams(), Groups: c.groups, Clock: func() time.Time { return time.Unix(0, 0) },
				Hidden: func(context.Context) error { return c.hidden }})
			at := slices.IndexFunc(checks, func(k preflight.Check) bool {
				return k.Name == "permission Member.Read.Hidden"
			})
			if c.want == "" {
				require.Negative(t, at)
				return
			}
			require.Equal(t, c.want, checks[at].Status)
			if c.hidden != nil {
				require.Equal(t, hidden.Error(), checks[at].Detail)
				require.Equal(t, "exclude refuses such a group", checks[at].Consequence)
			}
		})
	}
}
