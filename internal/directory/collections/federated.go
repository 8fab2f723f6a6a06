package collections

import (
	"context"
	"strings"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
)

// FederatedCredentials are the federated credentials of applications: trust in tokens of another
// issuer, in place of a secret.
const FederatedCredentials = "federatedCredentials"

// One walk has those of all applications: they can be expanded, in pages of 100 applications, and
// an application has 20 at most, which is what $expand gives. It is a walk of its own because only
// one relationship is expanded at a time, and that of applications expands owners. It asks beta,
// which has expressions in place of subjects, too, and where the expansion is known to work.
// Sources: learn.microsoft.com/graph/api/resources/application, "federatedIdentityCredentials";
// learn.microsoft.com/graph/api/resources/federatedidentitycredentials-overview;
// learn.microsoft.com/graph/query-parameters, "expand parameter".
func federatedCredentials() *Collection {
	return &Collection{
		Word: FederatedCredentials,
		Path: "/beta/applications", Query: "$top=100&$select=id,appId,displayName&$expand=federatedIdentityCredentials",
		Permissions: []Permission{readApplications},
		AnyRefusal:  true, Optional: true, NoWait: true, Later: true, Partition: directory.ReadApps,
		Consequence: "federated credentials are not listed",
		Keep:        keepFederated,
		Mine: func(key string) bool {
			_, rest, _ := strings.Cut(key, "_")
			return strings.HasPrefix(rest, string(rules.Federations)+"_")
		},
	}
}

// keepFederated keeps the applications that have some.
func keepFederated(_ context.Context, page Objects) ([]Kept, error) {
	var rows []directory.Row
	for _, raw := range page.Items {
		app, err := rules.ParseFederations(raw)
		if err != nil {
			return nil, &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read federated credentials from Graph",
				Err:    err,
				Remedy: "the next run tries again"}
		}
		if len(app.Federated) > 0 {
			rows = append(rows, directory.Document(app.Key(), app))
		}
	}
	return []Kept{{directory.ReadApps, rows}}, nil
}
