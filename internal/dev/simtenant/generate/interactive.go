package generate

import (
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

// repeats: one interactive sign-in in this many comes twice with one id, first asking for strong
// authentication (50074).
const repeats = 200

// rarely: one record in so many has a member of an enum that v1.0's first callers did not know.
// Sign-ins have several such enums, each at another record.
const rarely = 350

// interactive is a signIn as beta has it: whole seconds, every property. Source of the properties
// and their order: the API's own answers, as published in its reference.
func (g *Generator) interactive(w *writer, r *rand, at time.Time, i int) {
	idSource := r
	if i%repeats < 2 { // both have the first one's id and user
		idSource = newRand(g.cfg.Seed, "repeated", i/repeats)
	}
	id := guid(idSource)
	u, a := pick(idSource, g.active), pick(idSource, g.apps)
	o, strong := interactiveOutcome(r, i)
	w.raw("{")
	w.str("id", id)
	w.time("createdDateTime", at)
	w.who(u)
	w.str("appId", a.id)
	w.str("appDisplayName", a.name)
	address := g.address(r, u)
	w.str("ipAddress", address)
	w.maybe(r, 12, "ipAddressFromResourceProvider", address)
	w.str("clientAppUsed", clientApp(r))
	w.str("userAgent", u.device.agent)
	w.guid("correlationId", r)
	w.str("conditionalAccessStatus", o.access)
	w.str("originalRequestId", id)
	w.lit("isInteractive", "true")
	w.issuer(i)
	w.str("clientCredentialType", "none")
	w.num("processingTimeInMilliseconds", 40+r.below(700))
	w.risk(r, i)
	w.lit("riskEventTypes", "[]")
	w.resource(a)
	w.tenants(u)
	w.lit("authenticationMethodsUsed", "[]")
	w.str("authenticationRequirement",
		map[bool]string{false: "singleFactorAuthentication", true: "multiFactorAuthentication"}[strong])
	w.str("signInIdentifier", u.upn)
	identified := pick(r, []string{"userPrincipalName", "userPrincipalName", "userPrincipalName", "proxyAddress"})
	w.str("signInIdentifierType", seldom(i, 57, "passkey", identified))
	w.lit("signInEventTypes", `["interactiveUser"]`)
	w.principal()
	w.userType(u, i)
	w.lit("flaggedForReview", fmt.Sprint(o.code != 0 && r.oneIn(9)))
	w.session(r, u, i, seldom(i, 201, "refreshToken", pick(r, []string{"none", "none", "none", "primaryRefreshToken"})))
	w.str("originalTransferMethod", "none")
	w.nulls("mfaDetail", "authenticationAppDeviceDetails", "globalSecureAccessIpAddress")
	w.lit("isThroughGlobalSecureAccess", "false")
	w.raw(`,"conditionalAccessAudiences":[],"appliedEventListeners":[],"authenticationAppPolicyEvaluationDetails":[]`)
	g.circumstances(w, r, at, interactiveSignIn{u, a, o, strong, i})
}

// interactiveSignIn is what the parts of a record go by.
type interactiveSignIn struct {
	user    user
	app     app
	outcome outcome
	strong  bool
	i       int
}

// circumstances are the members that are objects and lists: the device, the place, policies, steps.
func (g *Generator) circumstances(w *writer, r *rand, at time.Time, s interactiveSignIn) {
	u, a, o, strong, i := s.user, s.app, s.outcome, s.strong, s.i
	w.protection(r, u)
	status(w, o)
	deviceDetail(w, u)
	location(w, r, u.place)
	g.policies(w, r, o, i)
	w.places(r, u)
	w.processing(r, a)
	w.steps(r, at, o, strong)
	w.demands(r, o, strong)
	w.raw(`,"privateLinkDetails":{"policyId":"","policyName":"","resourceId":"","policyTenantId":""}}`)
}

// interactiveOutcome also returns whether strong authentication was done.
func interactiveOutcome(r *rand, i int) (o outcome, strong bool) {
	o = newOutcome(r)
	switch i % repeats {
	case 0:
		o = outcomes[2]
	case 1:
		o = outcomes[0]
	}
	strong = o.strong() || r.below(5) < 2
	if o.code == 0 && strong && r.below(3) > 0 {
		o.details = "MFA requirement satisfied by claim in the token"
	}
	if i%rarely == 9 {
		o.access = "notEvaluated"
	}
	return o, strong
}

// seldom is a member that hardly any record has, or the usual one.
func seldom(i, at int, rare, usual string) string {
	if i%rarely == at {
		return rare
	}
	return usual
}

// strong reports whether the outcome came of a demand for strong authentication.
func (o outcome) strong() bool { return o.code == 50074 || o.code == 50076 || o.code == 500121 }

// clientApp is a protocol of old once in a while.
func clientApp(r *rand) string {
	if r.oneIn(80) {
		return pick(r, []string{"Exchange ActiveSync", "IMAP4", "Authenticated SMTP", "Other clients"})
	}
	return pick(r, []string{"Browser", "Browser", "Mobile Apps and Desktop clients"})
}

func (w *writer) who(u user) {
	w.str("userDisplayName", u.name)
	w.str("userPrincipalName", u.upn)
	w.str("userId", u.id)
}

// maybe is a text once in n records, and null in the others.
func (w *writer) maybe(r *rand, n int, name, value string) {
	if r.oneIn(n) {
		w.str(name, value)
	} else {
		w.nulls(name)
	}
}

func (w *writer) issuer(i int) {
	w.str("tokenIssuerName", "")
	w.str("tokenIssuerType", seldom(i, 33, "AzureADBackupAuth", "AzureAD"))
}

func (w *writer) risk(r *rand, i int) {
	level, state, types := "none", "none", "[]"
	switch {
	case i%rarely == 105:
		level, state, types = "high", "atRisk", `["attackerInTheMiddle"]`
	case r.oneIn(70):
		level, state = pick(r, []string{"low", "medium", "high"}),
			pick(r, []string{"atRisk", "remediated", "dismissed"})
		types = pick(r, []string{`["unfamiliarFeatures"]`, `["anonymizedIPAddress"]`,
			`["unlikelyTravel","unfamiliarFeatures"]`})
	}
	w.str("riskDetail", seldom(i, 129, "userChangedPasswordOnPremises", "none"))
	w.strs(level, "riskLevelAggregated", "riskLevelDuringSignIn")
	w.str("riskState", state)
	w.lit("riskEventTypes_v2", types)
}

func (w *writer) resource(a app) {
	w.str("resourceDisplayName", a.resource)
	w.str("resourceId", a.resourceID)
	w.str("resourceServicePrincipalId", a.resourceID)
}

func (w *writer) tenants(u user) {
	home := tenantID
	if u.guest {
		home = partnerID
	}
	w.strs(tenantID, "resourceTenantId", "resourceOwnerTenantId", "appOwnerTenantId")
	w.str("homeTenantId", home)
	w.str("homeTenantName", "")
}

// principal is of the service principal that a user's sign-in has not.
func (w *writer) principal() {
	w.strs("", "servicePrincipalName", "servicePrincipalId")
	w.nulls("federatedCredentialId", "servicePrincipalCredentialKeyId", "servicePrincipalCredentialThumbprint",
		"azureResourceId")
	w.lit("managedServiceIdentity",
		`{"msiType":"none","associatedResourceId":"","federatedTokenId":"","federatedTokenIssuer":""}`)
	w.lit("agent", `{"agentType":"notAgentic","parentAppId":"","agentSubjectType":"notAgentic"}`)
}

func (w *writer) userType(u user, i int) {
	kind, access := "member", "none"
	if u.guest {
		kind, access = "guest", "b2bCollaboration"
	}
	w.str("userType", seldom(i, 153, "externalMember", kind))
	w.str("crossTenantAccessType", seldom(i, 177, "passthrough", access))
	w.lit("isTenantRestricted", "false")
}

func (w *writer) session(r *rand, u user, i int, incoming string) {
	w.num("autonomousSystemNumber", u.network)
	w.str("uniqueTokenIdentifier", base64.RawURLEncoding.EncodeToString([]byte(token(r, 16))))
	w.str("incomingTokenType", incoming)
	// Device codes and passwords in requests are rare, and what people look for.
	protocol := pick(r, append(slices.Repeat([]string{"none", "none", "oAuth2", "saml20"}, 15), "deviceCode", "ropc"))
	w.str("authenticationProtocol", seldom(i, 225, "nativeAuth", protocol))
	w.guid("sessionId", r)
}

// protection reports whether tokens are bound to the device.
func (w *writer) protection(r *rand, u user) {
	bound, code := "unbound", pick(r, []int{1002, 1003, 1008})
	if u.device.id != "" && r.oneIn(3) {
		bound, code = "bound", 0
	}
	w.nulls("appTokenProtectionStatus")
	w.str("signInTokenProtectionStatus", bound)
	w.raw(fmt.Sprintf(`,"tokenProtectionStatusDetails":{"signInSessionStatus":%q,"signInSessionStatusCode":%d}`, bound,
		code))
}

// places are the named locations of the address.
func (w *writer) places(r *rand, u user) {
	w.lit("authenticationContextClassReferences", "[]")
	switch {
	case u.guest || r.oneIn(3):
		w.lit("networkLocationDetails", "[]")
	case r.oneIn(4):
		w.raw(`,"networkLocationDetails":[{"networkType":"namedNetwork","networkNames":["Branch offices","` +
			u.place.country + `"]}]`)
	default:
		w.raw(`,"networkLocationDetails":[{"networkType":"trustedNamedLocation","networkNames":["Head office"]}]`)
	}
}

// processing are details of the authentication's processing. The service writes booleans as texts.
func (w *writer) processing(r *rand, a app) {
	truth := func(n int) string { return map[bool]string{false: "False", true: "True"}[r.oneIn(n)] }
	w.raw(`,"authenticationProcessingDetails":[{"key":"Login Hint Present","value":"` + truth(2) +
		`"},{"key":"Legacy TLS (TLS 1.0, 1.1, 3DES)",` +
		`"value":"` + truth(150) + `"},{"key":"Is CAE Token","value":"` + truth(4) + `"}`)
	if r.oneIn(3) {
		w.raw(`,{"key":"Oauth Scope Info","value":"[\"User.Read\",\"openid\",\"profile\"]"}`)
	}
	if r.oneIn(4) {
		w.raw(`,{"key":"Azure AD App Authentication Library","value":"Family: MSAL Library: MSAL.JS 3.27.0 Platform: ` +
			a.id[:4] + `"}`)
	}
	w.raw("]")
}

var secondSteps = []string{"Mobile app notification", "Mobile app notification", "Text message",
	"OATH verification code",
	"Previously satisfied"}

// steps are what the user did to prove who it is.
func (w *writer) steps(r *rand, at time.Time, o outcome, strong bool) {
	method, detail := "Password", `"Password in the cloud"`
	if o.code == 0 && r.oneIn(4) {
		method, detail = pick(r, []string{"Windows Hello for Business", "FIDO2 security key", "X.509 Certificate"}),
			"null"
	}
	done, result := "true", "Correct password"
	switch {
	case o.code == 50126:
		done, result = "false", "Invalid username or password or Invalid on-premise username or password."
	case method != "Password":
		result = ""
	}
	stamp := at.Format(time.RFC3339)
	w.raw(`,"authenticationDetails":[{"authenticationStepDateTime":"` + stamp + `","authenticationMethod":"` + method)
	w.raw(`","authenticationMethodDetail":` + detail + `,"succeeded":` + done)
	w.raw(`,"authenticationStepResultDetail":"` + result +
		`","authenticationStepRequirement":"Primary authentication"}`)
	if strong && o.code != 50126 {
		second, result := pick(r, secondSteps), "MFA completed in Azure AD"
		switch {
		case o.code != 0:
			done, result = "false", o.details
		case second == "Previously satisfied":
			result = "MFA requirement satisfied by claim in the token"
		}
		w.raw(`,{"authenticationStepDateTime":"` + stamp + `","authenticationMethod":"` + second)
		w.raw(`","authenticationMethodDetail":null,"succeeded":` + done)
		w.str("authenticationStepResultDetail", result)
		w.raw(`,"authenticationStepRequirement":"Multifactor authentication"}`)
	}
	w.raw("]")
}

// demands are who asked for strong authentication, and for signing in again.
func (w *writer) demands(r *rand, o outcome, strong bool) {
	demands := "[]"
	if strong {
		const policy = `[{"requirementProvider":"multiConditionalAccess","detail":"Conditional Access"}]`
		demands = pick(r, []string{policy, policy, `[{"requirementProvider":"user","detail":"Per-user MFA"}]`,
			`[{"requirementProvider":"request","detail":"App requires MFA"}]`})
	}
	w.lit("authenticationRequirementPolicies", demands)
	lifetimes := "[]"
	if o.code == 0 && r.oneIn(6) {
		lifetimes = `[{"expirationRequirement":"signInFrequencyPeriodicReauthentication",` +
			`"detail":"Sign-in frequency (periodic re-authentication)"}]`
	}
	w.lit("sessionLifetimePolicies", lifetimes)
}
