package logs

import "github.com/entraledger/entraledger/internal/entra"

// CustomSecurityAttributeAudits is the log of changes of custom security attributes.
const CustomSecurityAttributeAudits entra.Stream = "customSecurityAttributeAudits"

// customSecurityAttributeAudits is opt-in, because it needs a permission of its own. It exists in
// beta only.
func customSecurityAttributeAudits() *Log {
	return &Log{
		Stream: CustomSecurityAttributeAudits, Title: "changes of custom security attributes", OptIn: true,
		Source:     MicrosoftGraph(),
		Collection: "customSecurityAttributeAudits", Unfiltered: true, Forms: []string{entra.FormBeta},
		TimeProperty: "activityDateTime", Ordered: true,
		Permission: "CustomSecAttributeAuditLogs.Read.All",
		Table:      "customsecurityattributeaudits", Shape: auditShape, Columns: auditColumns(), KnownWords: true,
	}
}
