package logs

import "github.com/entraledger/entraledger/internal/entra"

// SignInsNonInteractiveUser is the log of sign-ins that a client made on a person's behalf.
const SignInsNonInteractiveUser entra.Stream = "signIns.nonInteractiveUser"

// signInsNonInteractiveUser is grouped as the portal groups it. Source:
// learn.microsoft.com/entra/identity/monitoring-health/concept-noninteractive-sign-ins.
func signInsNonInteractiveUser() *Log {
	return &Log{
		Stream: SignInsNonInteractiveUser, Title: "sign-ins that a client made on a person's behalf",
		Source:     MicrosoftGraph(),
		Collection: signIns, EventType: "nonInteractiveUser", Forms: []string{entra.FormBeta},
		TimeProperty: "createdDateTime", Outcome: "ErrorCode", Ordered: true,
		Licensed: true, Permission: AuditLog, Optional: appliedPolicies(),
		Table: "signinsnoninteractive", Shape: signInShape, Columns: signInColumns(), SignsIn: true,
		GroupedBy: []string{"appId", "appDisplayName", "userId", "userPrincipalName", "ipAddress", "status/errorCode",
			"resourceId", "resourceDisplayName"},
		Files: []File{
			{Name: "NonInteractiveSignIns", Columns: userSignInFile()},
			authenticationDetailsFile("NonInteractiveSignIns"), policiesFile("NonInteractiveSignIns"),
		},
	}
}
