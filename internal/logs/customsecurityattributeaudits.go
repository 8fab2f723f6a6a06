package logs

import "github.com/entraledger/entraledger/internal/entra"

// CustomSecurityAttributeAudits is the log of changes of custom security attributes.
const CustomSecurityAttributeAudits entra.Stream = "customSecurityAttributeAudits"

// ReadAttributes is the app role of callers who are given records that tell the values of custom
// security attributes. Microsoft keeps these audits apart: no administrator reads them by default,
// only the roles Attribute Log Reader and Attribute Log Administrator do. Source:
// learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference, "Attribute Log
// Reader".
const ReadAttributes = "Ledger.ReadAttributes"

// customSecurityAttributeAudits is opt-in, because it needs a permission of its own. It exists in
// beta only.
func customSecurityAttributeAudits() *Log {
	return &Log{
		Stream: CustomSecurityAttributeAudits, Title: "changes of custom security attributes", OptIn: true,
		Source:     MicrosoftGraph(),
		Collection: "customSecurityAttributeAudits", Unfiltered: true, Forms: []string{entra.FormBeta},
		TimeProperty: "activityDateTime", Outcome: "Result", Ordered: true,
		Permission: "CustomSecAttributeAuditLogs.Read.All",
		Table:      "customsecurityattributeaudits", Shape: auditShape, Columns: auditColumns(), KnownWords: true,
		CallerRole: ReadAttributes,
	}
}
