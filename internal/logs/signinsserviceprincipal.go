package logs

import "github.com/entraledger/entraledger/internal/entra"

// SignInsServicePrincipal is the log of sign-ins of applications.
const SignInsServicePrincipal entra.Stream = "signIns.servicePrincipal"

// signInsServicePrincipal is grouped as the portal groups it. Source:
// learn.microsoft.com/entra/identity/monitoring-health/concept-service-principal-sign-ins.
func signInsServicePrincipal() *Log {
	return &Log{
		Stream: SignInsServicePrincipal, Title: "sign-ins of applications", Source: MicrosoftGraph(),
		Collection: signIns, EventType: "servicePrincipal", Forms: []string{entra.FormBeta},
		TimeProperty: "createdDateTime", Outcome: "ErrorCode", Ordered: true,
		Licensed: true, Permission: AuditLog, Optional: appliedPolicies(),
		Table: "signinsserviceprincipal", Shape: signInShape, Columns: signInColumns(),
		GroupedBy: []string{"servicePrincipalId", "servicePrincipalName", "status/errorCode", "ipAddress", "resourceId",
			"resourceDisplayName"},
		Files: []File{{Name: "ApplicationSignIns", Columns: workloadSignInFile()}, policiesFile("ApplicationSignIns")},
	}
}
