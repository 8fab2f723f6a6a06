package reference

import _ "embed"

// Property is one property of a log's records, or of an object within them.
type Property struct {
	Collection string `json:"collection"` // Graph's name of the log, as signIns
	Path       string `json:"property"`   // as status/errorCode; through lists, too
	Type       string `json:"type"`       // text, number, boolean, time, object, list of texts, list of objects
	// Forms are the forms of Graph that have it, as "v1.0, beta". Empty: no published one has, but
	// records were seen with it.
	Forms   string `json:"forms,omitempty"`
	Meaning string `json:"meaning,omitempty"` // empty where no source says
}

// properties are those of all logs. Sources: the schemas of Graph's v1.0 and beta
// (github.com/microsoftgraph/msgraph-metadata, commit f54f11b6) and
// learn.microsoft.com/graph/api/resources/signin, directoryaudit and provisioningobjectsummary, with
// meanings in our words. Those without a form are of published sample records.
//
//go:embed properties.tsv
var properties string

// Properties are those of all logs, by log and path.
func Properties() []Property {
	var out []Property
	for _, c := range table(properties, 5) {
		out = append(out, Property{c[0], c[1], c[2], c[3], c[4]})
	}
	return out
}

// Application is one of Microsoft's own applications. Its service principals belong to Microsoft's
// services: one that is disabled breaks them.
type Application struct {
	AppID string `json:"appId"`
	Name  string `json:"displayName,omitempty"` // empty where the source has none
	// OwnerTenantID is Microsoft's tenant that owns it; empty where the source does not say.
	OwnerTenantID string `json:"ownerTenantId,omitempty"`
	// NameSource is graph (a service principal whose appOwnerOrganizationId is that tenant) or learn
	// (Microsoft's page).
	NameSource string `json:"nameSource"`
}

// applications are some of Microsoft's own; there are more. Sources: service principals that Graph
// gives with appOwnerOrganizationId f8cdef31-a31e-4b4a-93e4-5f571e91255a or another of Microsoft's
// tenants, as github.com/merill/microsoft-info collects them (20 August 2026; what that list has from
// others is left out), and
// learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in.
//
//go:embed microsoftapplications.tsv
var applications string

// Applications are those of Microsoft that are known, by name.
func Applications() []Application {
	var out []Application
	for _, c := range table(applications, 4) {
		out = append(out, Application{c[0], c[1], c[2], c[3]})
	}
	return out
}

// ProvisioningErrorCode is a code of a provisioning record's errorInformation. A record may have the
// application's name before it: compare the end.
type ProvisioningErrorCode struct {
	Code    string `json:"provisioningErrorCode"`
	Meaning string `json:"meaning,omitempty"` // empty where no source says
	Remedy  string `json:"remedy,omitempty"`
}

// provisioningErrorCodes are those of
// learn.microsoft.com/entra/identity/monitoring-health/howto-analyze-provisioning-logs, in our words.
//
//go:embed provisioningerrorcodes.tsv
var provisioningErrorCodes string

// ProvisioningErrorCodes are those that are known, in the order of the source.
func ProvisioningErrorCodes() []ProvisioningErrorCode {
	var out []ProvisioningErrorCode
	for _, c := range table(provisioningErrorCodes, 3) {
		out = append(out, ProvisioningErrorCode{c[0], c[1], c[2]})
	}
	return out
}
