package logs

import "github.com/entraledger/entraledger/internal/entra"

// SignInsInteractiveUser is the log of sign-ins that a person made.
const SignInsInteractiveUser entra.Stream = "signIns.interactiveUser"

func signInsInteractiveUser() *Log {
	return &Log{
		Stream: SignInsInteractiveUser, Title: "sign-ins that a person made", Source: MicrosoftGraph(),
		Collection: signIns, EventType: "interactiveUser", Unfiltered: true,
		Forms: []string{entra.FormBeta, entra.FormV1}, TimeProperty: "createdDateTime", Ordered: true,
		Outcome:  "ErrorCode",
		Licensed: true, Permission: AuditLog, Optional: appliedPolicies(),
		Table: "signinsinteractive", Shape: signInShape,
		Columns: append(signInColumns(), Column{Path: "sessionId", Name: "SessionId", Since: 2}), SignsIn: true,
		Files: []File{
			{Name: "InteractiveSignIns", Columns: userSignInFile()},
			authenticationDetailsFile("InteractiveSignIns"), policiesFile("InteractiveSignIns"),
		},
	}
}
