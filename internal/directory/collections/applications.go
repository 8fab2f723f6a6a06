package collections

import (
	"context"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
)

// Applications are the app registrations with their credentials and owners.
const Applications = "applications"

const (
	// The hint of a secret is part of what is selected: its first three characters. It is not kept.
	credentialFields = "id,appId,displayName,tags,passwordCredentials,keyCredentials"
	ownerFields      = "id,displayName,userPrincipalName,mail"
	withOwners       = "$expand=owners($select=" + ownerFields + ")"
)

// Source: learn.microsoft.com/graph/api/application-list.
func applications() *Collection {
	return &Collection{
		Word: Applications,
		Path: "/v1.0/applications", Query: "$top=999&$select=" + credentialFields + "&" + withOwners,
		ByID:        "$select=" + credentialFields,
		Permissions: []Permission{readApplications},
		Consequence: "expiring-credentials can't answer",
		Keep: func(ctx context.Context, page Objects) ([]Kept, error) {
			return keepApps(ctx, Applications, rules.OnApplication, page, &page.Snapshot.Applications)
		},
		Evidence: ByCredential, Partition: directory.ReadApps, Origin: rules.OnApplication,
	}
}

// keepApps keeps the applications or service principals that have credentials, and counts them. Of
// the others it keeps what the credentials of the same application lack.
func keepApps(ctx context.Context, word string, origin rules.Origin, page Objects, count *int64) ([]Kept, error) {
	if page.First {
		*count = 0
	}
	var rows []directory.Row
	left := maxParts
	for _, raw := range page.Items {
		app, err := rules.ParseApp(origin, raw)
		if err != nil {
			return nil, &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read " + word + " from Graph", Err: err,
				Remedy: "the next run tries again"}
		}
		if len(app.Secrets)+len(app.Keys) == 0 {
			if app.Tells() {
				app = app.Bare()
				if err := completeApp(ctx, page, &app, &left); err != nil {
					return nil, err
				}
				rows = append(rows, directory.Document(app.Key(), app))
			}
			continue
		}
		if err := completeApp(ctx, page, &app, &left); err != nil {
			return nil, err
		}
		rows = append(rows, directory.Document(app.Key(), app))
		*count++
	}
	return []Kept{{directory.ReadApps, rows}}, nil
}

const (
	// maxParts bounds how many questions about single objects one page of a list leads to. What was
	// not asked stays unknown.
	maxParts = 100
	// maxExpanded is how many objects $expand gives, without a link to more. Sources:
	// developer.microsoft.com/graph/known-issues, "Some limitations apply to query parameters";
	// learn.microsoft.com/graph/query-parameters, "expand parameter".
	maxExpanded = 20
)

// completeApp asks for what the list leaves out of an object: owners beyond the twentieth, and the
// certificates of which it must be known which one is active, unless the snapshot before knows
// them. Two pages of Microsoft's differ on whether a list has those:
// learn.microsoft.com/graph/api/serviceprincipal-list says so, and
// learn.microsoft.com/graph/api/resources/keycredential that they come for a single object alone.
func completeApp(ctx context.Context, page Objects, app *rules.App, left *int) error {
	var parts []Part
	if len(app.Owners) >= maxExpanded {
		parts = append(parts, Part{app.ID, "owners", "$top=999&$select=" + ownerFields})
	}
	if app.LacksThumbprint() {
		if row, ok := page.Before(ctx, directory.ReadApps, app.Key()); ok {
			app.TakeThumbprints(row.Doc)
		}
	}
	if app.LacksThumbprint() {
		parts = append(parts, Part{app.ID, "", "$select=id,keyCredentials"})
	}
	all := len(app.Owners) < maxExpanded // of the owners
	for _, p := range parts {
		if *left == 0 {
			break
		}
		*left--
		err := page.Part(ctx, p, func(items [][]byte) error {
			if p.Of != "" {
				app.AddOwners(items)
				all = true
			} else if len(items) > 0 {
				app.AddThumbprints(items[0])
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !all {
		row, _ := page.Before(ctx, directory.ReadApps, app.Key())
		app.TakeOwners(row.Doc)
	}
	return nil
}
