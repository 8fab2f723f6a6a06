package collections

import (
	"context"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
)

// ApplicationUse is the report of when each application was last used, where the tenant has it.
const ApplicationUse = "applicationUse"

// Source: learn.microsoft.com/graph/api/reportroot-list-serviceprincipalsigninactivities.
func applicationUse() *Collection {
	return &Collection{
		Word: ApplicationUse,
		Path: "/beta/reports/servicePrincipalSignInActivities", Reporting: true, Uncounted: true,
		Permissions: []Permission{reportsOfUse},
		AnyRefusal:  true, Optional: true,
		Consequence: "when an application was last used is not known",
		Keep: func(_ context.Context, page Objects) ([]Kept, error) {
			return keepUse(directory.ReadAppUse, page, func(u rules.Use) string { return u.AppID })
		},
		Evidence: ByUse, Partition: directory.ReadAppUse,
	}
}
