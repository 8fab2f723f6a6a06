package logs

import "github.com/entraledger/entraledger/internal/entra"

// DirectoryAudits is the log of changes in the tenant.
const DirectoryAudits entra.Stream = "directoryAudits"

func directoryAudits() *Log {
	return &Log{
		Stream: DirectoryAudits, Title: "changes in the tenant", Source: MicrosoftGraph(),
		Collection: "directoryAudits", Unfiltered: true, Forms: []string{entra.FormBeta, entra.FormV1},
		TimeProperty: "activityDateTime", Outcome: "Result", Ordered: true,
		Permission: AuditLog,
		Table:      "directoryaudits", Shape: auditShape, Columns: auditColumns(), KnownWords: true,
		Files: []File{{Name: "AuditLogs", Columns: auditFile()}},
	}
}
