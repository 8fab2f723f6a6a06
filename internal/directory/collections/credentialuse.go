package collections

import (
	"context"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
)

// CredentialUse is the report of when each credential was last used, where the tenant has it.
const CredentialUse = "credentialUse"

// Source: learn.microsoft.com/graph/api/reportroot-list-appcredentialsigninactivities.
func credentialUse() *Collection {
	return &Collection{
		Word: CredentialUse,
		Path: "/beta/reports/appCredentialSignInActivities", Reporting: true, Uncounted: true,
		Permissions: []Permission{reportsOfUse},
		AnyRefusal:  true, Optional: true,
		Consequence: "no credential is reported as unused: when they were last used is not known",
		Keep: func(_ context.Context, page Objects) ([]Kept, error) {
			return keepUse(directory.ReadUse, page, func(u rules.Use) string { return u.AppID + "_" + u.KeyID })
		},
		Evidence: ByUse, Partition: directory.ReadUse,
	}
}

// keepUse keeps the rows of a report that name an application and a time.
func keepUse(partition string, page Objects, key func(rules.Use) string) ([]Kept, error) {
	var rows []directory.Row
	for _, raw := range page.Items {
		if u := rules.ParseUse(raw); u.AppID != "" && !u.Last.IsZero() {
			rows = append(rows, directory.Document(key(u), u))
		}
	}
	return []Kept{{partition, rows}}, nil
}
