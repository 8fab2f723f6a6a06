package report

import (
	"strings"
)

// All are the reports, one a line. Those of the first reports API are in the order in which clients
// of it list them. Names are unique whatever their case.
func All() []*Report {
	return []*Report{
		b2cAuthenticationCountSummary(),
		b2cMfaRequestCount(),
		b2cMfaRequestEvent(),
		b2cAuthenticationEvent(),
		b2cAuthenticationCount(),
		b2cMfaRequestCountSummary(),
		tenantUserCount(),
		applicationUsageDetailEvents(),
		applicationUsageSummaryEvents(),
		b2cUserJourneySummaryEvents(),
		b2cUserJourneyEvents(),
		cloudAppDiscoveryEvents(),
		mimSsgmGroupActivityEvents(),
		ssgmGroupActivityEvents(),
		mimSsprActivityEvents(),
		ssprActivityEvents(),
		mimSsprRegistrationActivityEvents(),
		ssprRegistrationActivityEvents(),
		threatenedCredentials(),
		compromisedCredentials(),
		auditEvents(),
		accountProvisioningEvents(),
		signInsFromUnknownSourcesEvents(),
		signInsFromIPAddressesWithSuspiciousActivityEvents(),
		signInsFromMultipleGeographiesEvents(),
		signInsFromPossiblyInfectedDevicesEvents(),
		irregularSignInActivityEvents(),
		allUsersWithAnomalousSignInActivityEvents(),
		signInsAfterMultipleFailuresEvents(),
		applicationUsageSummary(),
		userActivitySummary(),
		groupActivitySummary(),
		mimPasswordReset(),
		mimPasswordRegistration(),
		mimGroupActivity(),
	}
}

// Legacy are those of the first reports API.
func Legacy() []*Report {
	var out []*Report
	for _, r := range All() {
		if r.Legacy {
			out = append(out, r)
		}
	}
	return out
}

// Find finds a report by its name, without regard to case; nil: there is none. old keeps it to
// those of the first reports API.
func Find(name string, old bool) *Report {
	for _, r := range All() {
		if (r.Legacy || !old) && strings.EqualFold(r.Name, name) {
			return r
		}
	}
	return nil
}
