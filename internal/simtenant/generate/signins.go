package generate

import (
	"fmt"
	"time"
)

// repeats: one interactive sign-in in this many comes twice with one id, first asking for strong authentication (50074).
const repeats = 200

// interactive is a signIn as v1.0 has it: whole seconds, no signInEventTypes.
// Source of the properties and their order: the API's own answers, as published in its reference.
func (g *Generator) interactive(w *writer, r *rand, at time.Time, i int) {
	second := i%repeats == 1
	idSource := r
	if second || i%repeats == 0 { // both have the first one's id and user
		idSource = newRand(g.cfg.Seed, "repeated", i/repeats)
	}
	id := guid(idSource)
	u, a, o := pick(idSource, g.active), pick(idSource, g.apps), newOutcome(r)
	switch {
	case second:
		o = outcomes[0]
	case i%repeats == 0:
		o = outcomes[2]
	}
	w.raw("{")
	w.str("id", id)
	w.time("createdDateTime", at)
	w.str("userDisplayName", u.name)
	w.str("userPrincipalName", u.upn)
	w.str("userId", u.id)
	w.str("appId", a.id)
	w.str("appDisplayName", a.name)
	w.str("ipAddress", g.address(r, u))
	w.str("clientAppUsed", pick(r, []string{"Browser", "Browser", "Mobile Apps and Desktop clients"}))
	w.str("userAgent", u.device.agent)
	w.guid("correlationId", r)
	w.str("conditionalAccessStatus", o.access)
	w.lit("isInteractive", "true")
	w.strs("none", "riskDetail", "riskLevelAggregated", "riskLevelDuringSignIn", "riskState")
	w.lit("riskEventTypes", "[]")
	w.lit("riskEventTypes_v2", "[]")
	w.str("resourceDisplayName", a.resource)
	w.str("resourceId", a.resourceID)
	w.str("homeTenantId", tenantID)
	w.str("resourceTenantId", tenantID)
	w.nulls("servicePrincipalId", "servicePrincipalName")
	status(w, o)
	deviceDetail(w, u)
	location(w, r, u.place)
	w.nulls("authenticationAppDeviceDetails", "mfaDetail", "originalRequestId")
	w.str("tokenIssuerName", "")
	w.str("tokenIssuerType", "AzureAD")
	w.num("processingTimeInMilliseconds", 40+r.below(700))
	w.str("authenticationRequirement", pick(r, []string{"singleFactorAuthentication", "multiFactorAuthentication"}))
	w.lit("authenticationRequirementPolicies", `[{"requirementProvider":"multiConditionalAccess","detail":"Conditional Access"}]`)
	w.raw(`,"networkLocationDetails":[{"networkType":"trustedNamedLocation","networkNames":["Head office"]}]`)
	w.raw(`,"authenticationProcessingDetails":[{"key":"Login Hint Present","value":"True"},{"key":"Legacy TLS (TLS 1.0, 1.1, 3DES)","value":"False"},{"key":"Is CAE Token","value":"False"}]`)
	steps(w, at, o)
	g.policies(w, r, o, i)
	w.raw("}")
}

// steps are what the user did to prove who it is.
func steps(w *writer, at time.Time, o outcome) {
	done, result := "true", "Correct password"
	if o.code == 50126 {
		done, result = "false", "Invalid username or password or Invalid on-premise username or password."
	}
	stamp := at.Format(time.RFC3339)
	w.raw(`,"authenticationDetails":[{"authenticationStepDateTime":"` + stamp + `","authenticationMethod":"Password","authenticationMethodDetail":"Password in the cloud","succeeded":` +
		done + `,"authenticationStepResultDetail":"` + result + `","authenticationStepRequirement":"Primary authentication"}`)
	if o.code == 0 {
		w.raw(`,{"authenticationStepDateTime":"` + stamp + `","authenticationMethod":"Mobile app notification","authenticationMethodDetail":null,"succeeded":true,` +
			`"authenticationStepResultDetail":"MFA completed in Azure AD","authenticationStepRequirement":"Multifactor authentication"}`)
	}
	w.raw("]")
}

// address is the user's own most of the time.
func (g *Generator) address(r *rand, u user) string {
	if r.oneIn(10) {
		return fmt.Sprintf("%d.%d.%d.%d", 20+r.below(180), r.below(256), r.below(256), 1+r.below(254))
	}
	return u.ip
}

func status(w *writer, o outcome) {
	w.open("status", '{')
	w.num("errorCode", o.code)
	w.str("failureReason", o.reason)
	if o.details == "" {
		w.nulls("additionalDetails")
	} else {
		w.str("additionalDetails", o.details)
	}
	w.raw("}")
}

func deviceDetail(w *writer, u user) {
	w.open("deviceDetail", '{')
	w.str("deviceId", u.device.id)
	w.str("displayName", u.device.name)
	w.str("operatingSystem", u.device.system)
	w.str("browser", u.device.browser)
	if u.device.id == "" {
		w.nulls("isCompliant", "isManaged", "trustType")
	} else {
		w.lit("isCompliant", "true")
		w.lit("isManaged", "true")
		w.str("trustType", u.device.trust)
	}
	w.raw("}")
}

func location(w *writer, r *rand, p place) {
	if r.oneIn(40) {
		w.lit("location", "{}")
		return
	}
	w.open("location", '{')
	w.str("city", p.city)
	w.str("state", p.state)
	w.str("countryOrRegion", p.country)
	w.raw(`,"geoCoordinates":{"altitude":null,"latitude":` + p.latitude + `,"longitude":` + p.longitude + `}}`)
}

var policyNames = []string{"Require MFA for all users", "Block legacy authentication", "Require compliant device for Office 365", "Require MFA for admins",
	"Block access from unknown countries", "Require approved client app", "Sign-in frequency for browsers", "Require MFA for guests",
	"Terms of use", "Block device code flow", "Require phishing-resistant MFA for privileged roles", "Session controls for unmanaged devices"}

// policies are the Conditional Access policies that were evaluated. A few records have very many, as in tenants at the
// limit of policies.
func (g *Generator) policies(w *writer, r *rand, o outcome, i int) {
	n := g.cfg.Policies
	switch {
	case i%20_000 == 7_777:
		n = 230 // about 50 kB
	case i%5_000 == 3_333:
		n = 70 // about 20 kB
	}
	w.open("appliedConditionalAccessPolicies", '[')
	for k := range n {
		p := newRand(g.cfg.Seed, "policy", k)
		w.item()
		w.guid("id", p)
		w.str("displayName", fmt.Sprintf("CA%03d - %s", k+1, policyNames[k%len(policyNames)]))
		result := pick(r, []string{"notApplied", "notApplied", "notEnabled", "success", "reportOnlyNotApplied"})
		if k == 0 && o.access == "failure" {
			result = "failure"
		}
		if p.oneIn(3) {
			w.lit("enforcedGrantControls", "[]")
			w.lit("enforcedSessionControls", `["SignInFrequency"]`)
		} else {
			w.lit("enforcedGrantControls", `["Mfa","RequireCompliantDevice"]`)
			w.lit("enforcedSessionControls", "[]")
		}
		w.str("result", result)
		w.raw("}")
	}
	w.raw("]")
}

// nonInteractive is a signIn as beta has it.
func (g *Generator) nonInteractive(w *writer, r *rand, at time.Time) {
	u, a, o := pick(r, g.active), pick(r, g.apps), newOutcome(r)
	w.raw("{")
	w.guid("id", r)
	w.time("createdDateTime", at)
	w.str("userDisplayName", u.name)
	w.str("userPrincipalName", u.upn)
	w.str("userId", u.id)
	w.str("appId", a.id)
	w.str("appDisplayName", a.name)
	w.str("ipAddress", u.ip)
	w.nulls("ipAddressFromResourceProvider")
	w.str("clientAppUsed", "Mobile Apps and Desktop clients")
	w.str("userAgent", u.device.agent)
	w.guid("correlationId", r)
	w.str("conditionalAccessStatus", o.access)
	w.guid("originalRequestId", r)
	w.lit("isInteractive", "false")
	w.str("tokenIssuerName", "")
	w.str("tokenIssuerType", "AzureAD")
	w.str("clientCredentialType", "none")
	w.num("processingTimeInMilliseconds", 20+r.below(400))
	w.strs("none", "riskDetail", "riskLevelAggregated", "riskLevelDuringSignIn", "riskState")
	w.lit("riskEventTypes_v2", "[]")
	w.str("resourceDisplayName", a.resource)
	w.str("resourceId", a.resourceID)
	w.strs(tenantID, "resourceTenantId", "homeTenantId")
	w.str("homeTenantName", "")
	w.lit("authenticationMethodsUsed", "[]")
	w.str("authenticationRequirement", pick(r, []string{"singleFactorAuthentication", "multiFactorAuthentication"}))
	w.strs("", "signInIdentifier", "servicePrincipalName", "servicePrincipalId")
	w.lit("signInEventTypes", `["nonInteractiveUser"]`)
	w.str("userType", pick(r, []string{"member", "member", "member", "guest"}))
	w.lit("flaggedForReview", "false")
	w.lit("isTenantRestricted", "false")
	w.num("autonomousSystemNumber", 3303+r.below(60))
	w.str("crossTenantAccessType", "none")
	w.str("uniqueTokenIdentifier", token(r, 24))
	w.str("incomingTokenType", pick(r, []string{"primaryRefreshToken", "refreshToken"}))
	w.str("authenticationProtocol", "none")
	w.nulls("appTokenProtectionStatus", "federatedCredentialId", "signInTokenProtectionStatus", "azureResourceId")
	w.str("sessionId", guid(r))
	w.str("originalTransferMethod", "none")
	w.lit("managedServiceIdentity", `{"msiType":"none","associatedResourceId":"","federatedTokenId":"","federatedTokenIssuer":""}`)
	w.lit("agent", `{"agentType":"notAgentic","parentAppId":"","agentSubjectType":"notAgentic"}`)
	w.lit("tokenProtectionStatusDetails", `{"signInSessionStatus":"unbound","signInSessionStatusCode":1002}`)
	status(w, o)
	deviceDetail(w, u)
	location(w, r, u.place)
	g.policies(w, r, o, 0)
	w.lit("authenticationContextClassReferences", "[]")
	w.raw(`,"authenticationProcessingDetails":[{"key":"Legacy TLS (TLS 1.0, 1.1, 3DES)","value":"False"},{"key":"Oauth Scope Info","value":"[\"User.Read\",\"Mail.ReadWrite\",\"offline_access\"]"},{"key":"Is CAE Token","value":"True"}]`)
	w.raw(`,"networkLocationDetails":[{"networkType":"trustedNamedLocation","networkNames":["Head office"]}]`)
	w.raw(`,"authenticationDetails":[{"authenticationStepDateTime":"` + at.Format(time.RFC3339) + `","authenticationMethod":"Previously satisfied","authenticationMethodDetail":null,"succeeded":true,"authenticationStepResultDetail":"First factor requirement satisfied by claim in the token","authenticationStepRequirement":"Primary authentication"}]`)
	w.raw(`,"authenticationRequirementPolicies":[],"sessionLifetimePolicies":[],"privateLinkDetails":{"policyId":"","policyName":"","resourceId":"","policyTenantId":""}}`)
}

// workload is a sign-in of a service principal or a managed identity as beta has it: no user.
func (g *Generator) workload(w *writer, r *rand, at time.Time, managed bool) {
	a := pick(r, g.apps)
	event, credential := "servicePrincipal", pick(r, []string{"clientSecret", "clientSecret", "clientAssertion"})
	if managed {
		event, credential = "managedIdentity", "none"
	}
	o := outcomes[0]
	if !managed && r.oneIn(60) {
		o = outcome{code: 7000222, reason: "The provided client secret keys for app are expired.", access: "notApplied"}
	}
	w.raw("{")
	w.guid("id", r)
	w.time("createdDateTime", at)
	w.str("appId", a.id)
	w.str("appDisplayName", "")
	w.strs("", "userDisplayName", "userPrincipalName", "userId", "clientAppUsed", "userAgent")
	w.str("ipAddress", fmt.Sprintf("20.%d.%d.%d", r.below(256), r.below(256), 1+r.below(254)))
	w.guid("correlationId", r)
	w.str("conditionalAccessStatus", "notApplied")
	w.str("originalRequestId", "")
	w.lit("isInteractive", "false")
	w.str("tokenIssuerType", "AzureAD")
	w.str("clientCredentialType", credential)
	w.num("processingTimeInMilliseconds", r.below(300))
	w.strs("none", "riskDetail", "riskLevelAggregated", "riskLevelDuringSignIn", "riskState")
	w.lit("riskEventTypes_v2", "[]")
	w.str("resourceDisplayName", a.resource)
	w.str("resourceId", a.resourceID)
	w.strs(tenantID, "resourceTenantId", "homeTenantId", "resourceOwnerTenantId", "appOwnerTenantId")
	w.str("resourceServicePrincipalId", a.resourceID)
	w.str("servicePrincipalName", a.name)
	w.str("servicePrincipalId", a.principal)
	w.str("servicePrincipalCredentialKeyId", a.key)
	w.str("servicePrincipalCredentialThumbprint", "")
	w.lit("signInEventTypes", `["`+event+`"]`)
	w.lit("flaggedForReview", "false")
	w.lit("isTenantRestricted", "false")
	w.num("autonomousSystemNumber", 8075)
	w.str("crossTenantAccessType", "none")
	w.str("uniqueTokenIdentifier", token(r, 24))
	w.str("incomingTokenType", "none")
	w.str("authenticationProtocol", "none")
	w.nulls("federatedCredentialId", "sessionId", "deviceDetail")
	if managed {
		w.lit("managedServiceIdentity", `{"msiType":"systemAssigned","associatedResourceId":"/subscriptions/`+tenantID+`/resourcegroups/ops/providers/Microsoft.Web/sites/`+ascii(a.name)+`","federatedTokenId":"","federatedTokenIssuer":""}`)
	} else {
		w.lit("managedServiceIdentity", `{"msiType":"none","associatedResourceId":"","federatedTokenId":"","federatedTokenIssuer":""}`)
	}
	w.lit("agent", `{"agentType":"notAgentic","parentAppId":"","agentSubjectType":"notAgentic"}`)
	status(w, o)
	location(w, r, places[3])
	w.lit("appliedConditionalAccessPolicies", "[]")
	w.raw(`,"authenticationProcessingDetails":[{"key":"Azure AD App Authentication Library","value":"Family: MSAL Library: MSAL.NET 4.66.1 Platform: .NET"}]`)
	w.raw(`,"authenticationDetails":[],"networkLocationDetails":[]}`)
}
