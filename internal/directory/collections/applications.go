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
	ownerFields      = "$expand=owners($select=id,displayName,userPrincipalName)"
)

// Source: learn.microsoft.com/graph/api/application-list.
func applications() *Collection {
	return &Collection{
		Word: Applications,
		Path: "/v1.0/applications", Query: "$top=999&$select=" + credentialFields + "&" + ownerFields,
		ByID:        "$select=" + credentialFields,
		Permissions: []Permission{readApplications},
		Consequence: "expiring-credentials can't answer",
		Keep: func(_ context.Context, page Objects) ([]Kept, error) {
			return keepApps(Applications, rules.OnApplication, page, &page.Snapshot.Applications)
		},
		Evidence: ByCredential, Partition: directory.ReadApps, Origin: rules.OnApplication,
	}
}

// keepApps keeps the applications or service principals that have credentials, and counts them.
func keepApps(word string, origin rules.Origin, page Objects, count *int64) ([]Kept, error) {
	if page.First {
		*count = 0
	}
	var rows []directory.Row
	for _, raw := range page.Items {
		app, err := rules.ParseApp(origin, raw)
		if err != nil {
			return nil, &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read " + word + " from Graph", Err: err,
				Remedy: "the next run tries again"}
		}
		if len(app.Secrets)+len(app.Keys) > 0 {
			rows = append(rows, directory.Document(app.Key(), app))
		}
	}
	*count += int64(len(rows))
	return []Kept{{directory.ReadApps, rows}}, nil
}
