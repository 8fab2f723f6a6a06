package rules

import "strings"

// ofMicrosoft tells whether a tenant is one in which Microsoft keeps its own applications. Sources:
// learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in
// (f8cdef31-…, Microsoft Services), 72f988bf-…, Microsoft's corporate tenant, and cdc5aeea-…, which
// owns Microsoft Graph Command Line Tools. The list of Microsoft's applications has no other.
func ofMicrosoft(tenant string) bool {
	switch strings.ToLower(tenant) {
	case "f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47",
		"cdc5aeea-15c5-4db6-b079-fcadd2505dc2":
		return true
	}
	return false
}

// OfMicrosoft tells whether the object is a service principal of Microsoft's.
func (h App) OfMicrosoft() bool { return ofMicrosoft(h.OwnerTenant) }

// RenewedByMicrosoft tells whether nobody here renews the credential: it is on a service principal
// of Microsoft's, and signs no SAML tokens here.
func (c Credential) RenewedByMicrosoft() bool { return c.Microsoft && !c.SAML }
