package collections

import (
	"context"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
)

// ServicePrincipals are the enterprise applications with their credentials and owners.
const ServicePrincipals = "servicePrincipals"

// Source: learn.microsoft.com/graph/api/serviceprincipal-list.
func servicePrincipals() *Collection {
	return &Collection{
		Word: ServicePrincipals,
		Path: "/v1.0/servicePrincipals",
		Query: "$top=999&$select=" + credentialFields + ",servicePrincipalType,appOwnerOrganizationId," +
			"accountEnabled,preferredTokenSigningKeyThumbprint&" + withOwners,
		ByID:        "$select=" + credentialFields,
		Permissions: []Permission{readApplications},
		Consequence: "expiring-credentials can't answer",
		Keep: func(ctx context.Context, page Objects) ([]Kept, error) {
			return keepApps(ctx, ServicePrincipals, rules.OnServicePrincipal, page, &page.Snapshot.Principals)
		},
		Evidence: ByCredential, Partition: directory.ReadApps, Origin: rules.OnServicePrincipal,
	}
}
