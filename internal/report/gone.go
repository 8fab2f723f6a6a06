package report

// What the first reports API had and nobody has any more. Sources: that API's own list of May 2017;
// learn.microsoft.com/defender-cloud-apps/set-up-cloud-discovery;
// learn.microsoft.com/azure/active-directory-b2c/view-audit-logs.

const b2cSuccessor = "the sign-ins and audits of the B2C tenant itself: deploy Entra Ledger for that tenant, and ask " +
	"its auditLogs/signIns, and auditLogs/directoryAudits with loggedByService eq 'B2C'"

func b2c(name, text string) *Report {
	return &Report{Name: name, Text: text, Source: b2cSuccessor, Legacy: true, Gone: b2cSuccessor}
}

func b2cAuthenticationEvent() *Report {
	return b2c("b2cAuthenticationEvent", "Sign-ins of consumers in a B2C tenant")
}

func b2cAuthenticationCount() *Report {
	return b2c("b2cAuthenticationCount", "How many sign-ins of consumers a B2C tenant had, by day and policy")
}

func b2cAuthenticationCountSummary() *Report {
	return b2c("b2cAuthenticationCountSummary", "How many sign-ins of consumers a B2C tenant had, by day")
}

func b2cMfaRequestEvent() *Report {
	return b2c("b2cMfaRequestEvent", "Requests for a second factor in a B2C tenant")
}

func b2cMfaRequestCount() *Report {
	return b2c("b2cMfaRequestCount", "How many requests for a second factor a B2C tenant had, by day and kind")
}

func b2cMfaRequestCountSummary() *Report {
	return b2c("b2cMfaRequestCountSummary", "How many requests for a second factor a B2C tenant had, by day")
}

func b2cUserJourneyEvents() *Report {
	return b2c("b2cUserJourneyEvents", "User journeys of consumers in a B2C tenant")
}

func b2cUserJourneySummaryEvents() *Report {
	return b2c("b2cUserJourneySummaryEvents", "How many user journeys of consumers a B2C tenant had")
}

func cloudAppDiscoveryEvents() *Report {
	const successor = "cloud discovery of Microsoft Defender for Cloud Apps, which has an API of its own: " +
		"no log of Entra has what Cloud App Discovery saw"
	return &Report{Name: "cloudAppDiscoveryEvents", Text: "Which cloud applications people used, as agents on their " +
		"machines saw it", Source: successor, Legacy: true, Gone: successor}
}
