package logs

import "github.com/entraledger/entraledger/internal/entra"

// SignInsManagedIdentity is the log of sign-ins of managed identities.
const SignInsManagedIdentity entra.Stream = "signIns.managedIdentity"

// signInsManagedIdentity is grouped as the portal groups it. Source:
// learn.microsoft.com/entra/identity/monitoring-health/concept-managed-identity-sign-ins.
func signInsManagedIdentity() *Log {
	return &Log{
		Stream: SignInsManagedIdentity, Title: "sign-ins of managed identities", Source: MicrosoftGraph(),
		Collection: signIns, EventType: "managedIdentity", Forms: []string{entra.FormBeta},
		TimeProperty: "createdDateTime", Outcome: "ErrorCode", Ordered: true,
		Licensed: true, Permission: AuditLog, Optional: appliedPolicies(),
		Table: "signinsmanagedidentity", Shape: signInShape, Columns: signInColumns(),
		GroupedBy: []string{"servicePrincipalId", "servicePrincipalName", "status/errorCode", "resourceId",
			"resourceDisplayName"},
		Files: []File{{Name: "MSISignIns", Columns: workloadSignInFile()}, policiesFile("MSISignIns")},
	}
}
