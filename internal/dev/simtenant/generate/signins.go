package generate

import (
	"fmt"
	"time"
)

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
	w.nulls("browserId")
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

var policyNames = []string{"Global - All apps - Require MFA for all users",
	"Global - All apps - Block legacy authentication",
	"Corporate - Office 365 - Require compliant device", "Admins - All apps - Require MFA", "Global - All apps " +
		"- Block access from unknown countries",
	"Mobile - Office 365 - Require approved client " +
		"app", "Browsers - All apps - Sign-in frequency", "Guests - All apps - Require MFA",
	"Global - Intranet - Terms of use", "Global - All apps - Block device code flow", "Admins - Azure - Require " +
		"phishing-resistant MFA",
	"Unmanaged devices - Office 365 - Session controls"}

// policy is a Conditional Access policy: what stays the same in all sign-ins.
type policy struct {
	id, name, grant, session string
	conditions               string // that it has beside users and applications
}

func newPolicies(seed uint64, n int) []policy {
	out := make([]policy, n)
	for k := range out {
		r := newRand(seed, "policy", k)
		out[k] = policy{id: guid(r), name: fmt.Sprintf("CA%03d - %s", k+1, policyNames[k%len(policyNames)]),
			grant: `["Mfa","RequireCompliantDevice"]`, session: "[]"}
		if r.oneIn(3) {
			out[k].grant, out[k].session = "[]", `["SignInFrequency"]`
		}
		out[k].conditions = pick(r, []string{"devicePlatform", "location", "clientType", "signInRisk"})
	}
	return out
}

// How many policies a few records have, as in tenants at the limit of policies.
const (
	manyPolicies = 52  // about 20 kB
	mostPolicies = 148 // about 50 kB
)

// policies are the Conditional Access policies that were evaluated.
func (g *Generator) policies(w *writer, r *rand, o outcome, i int) {
	n := g.cfg.Policies
	switch {
	case i%20_000 == 7_777:
		n = mostPolicies
	case i%5_000 == 3_333:
		n = manyPolicies
	}
	w.open("appliedConditionalAccessPolicies", '[')
	for k, p := range g.evaluated[:n] {
		result := pick(r, []string{"notApplied", "notApplied", "notEnabled", "success", "reportOnlyNotApplied"})
		if k == 0 && o.access == "failure" {
			result = "failure"
		}
		w.item()
		w.str("id", p.id)
		w.str("displayName", p.name)
		w.lit("enforcedGrantControls", p.grant)
		w.lit("enforcedSessionControls", p.session)
		w.str("result", result)
		switch result {
		case "success", "failure":
			w.str("conditionsSatisfied", "application,users,"+p.conditions)
			w.raw(`,"conditionsNotSatisfied":"none",` +
				`"includeRulesSatisfied":[{"conditionalAccessCondition":"users","ruleSatisfied":"allUsers"}],` +
				`"excludeRulesSatisfied":[]`)
		case "notEnabled":
			w.raw(`,"conditionsSatisfied":"none","conditionsNotSatisfied":"none","includeRulesSatisfied":[],` +
				`"excludeRulesSatisfied":[]`)
		default:
			w.str("conditionsSatisfied", "application,users")
			w.str("conditionsNotSatisfied", p.conditions)
			w.raw(`,"includeRulesSatisfied":[],"excludeRulesSatisfied":[]`)
		}
		w.raw("}")
	}
	w.raw("]")
}

// nonInteractive is a signIn as beta has it.
func (g *Generator) nonInteractive(w *writer, r *rand, at time.Time, i int) {
	u, a, o := pick(r, g.active), pick(r, g.apps), newOutcome(r)
	w.raw("{")
	w.guid("id", r)
	w.time("createdDateTime", at)
	w.who(u)
	w.str("appId", a.id)
	w.str("appDisplayName", a.name)
	w.str("ipAddress", u.ip)
	w.maybe(r, 12, "ipAddressFromResourceProvider", u.ip)
	w.str("clientAppUsed", "Mobile Apps and Desktop clients")
	w.str("userAgent", u.device.agent)
	w.guid("correlationId", r)
	w.str("conditionalAccessStatus", o.access)
	w.guid("originalRequestId", r)
	w.lit("isInteractive", "false")
	w.issuer(i)
	w.str("clientCredentialType", "none")
	w.num("processingTimeInMilliseconds", 20+r.below(400))
	w.risk(r, i)
	w.resource(a)
	w.tenants(u)
	w.lit("authenticationMethodsUsed", "[]")
	w.str("authenticationRequirement", pick(r, []string{"singleFactorAuthentication", "multiFactorAuthentication"}))
	w.str("signInIdentifier", "")
	w.lit("signInEventTypes", `["nonInteractiveUser"]`)
	w.principal()
	w.userType(u, i)
	w.lit("flaggedForReview", "false")
	w.session(r, u, i, pick(r, []string{"primaryRefreshToken", "refreshToken"}))
	w.str("originalTransferMethod", "none")
	w.protection(r, u)
	status(w, o)
	deviceDetail(w, u)
	location(w, r, u.place)
	g.policies(w, r, o, 0)
	w.places(r, u)
	w.raw(`,"authenticationProcessingDetails":[{"key":"Legacy TLS (TLS 1.0, 1.1, 3DES)","value":"False"},` +
		`{"key":"Oauth Scope Info","value":"[\"User.Read\",\"Mail.ReadWrite\",\"offline_access\"]"},{"key":"Is ` +
		`CAE Token","value":"True"}]`)
	w.raw(`,"authenticationDetails":[{"authenticationStepDateTime":"` + at.Format(time.RFC3339) +
		`","authenticationMethod":"Previously satisfied","authenticationMethodDetail":null,"succeeded":true,` +
		`"authenticationStepResultDetail":"First factor requirement satisfied by claim in the token",` +
		`"authenticationStepRequirement":"Primary authentication"}]`)
	w.raw(`,"authenticationRequirementPolicies":[],"sessionLifetimePolicies":[],` +
		`"privateLinkDetails":{"policyId":"","policyName":"","resourceId":"","policyTenantId":""}}`)
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
	w.managedServiceIdentity(a, managed)
	w.lit("agent", `{"agentType":"notAgentic","parentAppId":"","agentSubjectType":"notAgentic"}`)
	status(w, o)
	location(w, r, places[3])
	w.lit("appliedConditionalAccessPolicies", "[]")
	w.raw(workloadDetails + "}")
}

const workloadDetails = `,"authenticationProcessingDetails":[{"key":"Azure AD App Authentication Library",` +
	`"value":"Family: MSAL Library: MSAL.NET 4.66.1 Platform: .NET"}],` +
	`"authenticationDetails":[],"networkLocationDetails":[]`

func (w *writer) managedServiceIdentity(a app, managed bool) {
	kind, resource := "none", ""
	if managed {
		kind = "systemAssigned"
		resource = "/subscriptions/" + tenantID + "/resourcegroups/ops/providers/Microsoft.Web/sites/" + ascii(a.name)
	}
	w.lit("managedServiceIdentity", `{"msiType":"`+kind+`","associatedResourceId":"`+resource+
		`","federatedTokenId":"","federatedTokenIssuer":""}`)
}
