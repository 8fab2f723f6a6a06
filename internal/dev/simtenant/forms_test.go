package simtenant_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// v1Properties are what v1.0 has of a sign-in.
var v1Properties = strings.Fields(`id createdDateTime userDisplayName userPrincipalName userId appId appDisplayName
ipAddress clientAppUsed correlationId conditionalAccessStatus isInteractive riskDetail riskLevelAggregated riskLevelDuringSignIn riskState riskEventTypes
riskEventTypes_v2 resourceDisplayName resourceId status deviceDetail location appliedConditionalAccessPolicies`)

// betaProperties are what beta has beside.
var betaProperties = strings.Fields(`authenticationDetails authenticationProcessingDetails
authenticationRequirement authenticationRequirementPolicies authenticationProtocol incomingTokenType uniqueTokenIdentifier sessionId sessionLifetimePolicies networkLocationDetails
autonomousSystemNumber crossTenantAccessType homeTenantId homeTenantName resourceTenantId resourceServicePrincipalId servicePrincipalId
servicePrincipalName servicePrincipalCredentialKeyId servicePrincipalCredentialThumbprint clientCredentialType federatedCredentialId
managedServiceIdentity tokenProtectionStatusDetails agent signInEventTypes signInIdentifier signInIdentifierType userType
flaggedForReview originalRequestId ipAddressFromResourceProvider userAgent tokenIssuerType processingTimeInMilliseconds`)

func names(record gjson.Result) []string {
	var out []string
	record.ForEach(func(key, _ gjson.Result) bool {
		out = append(out, key.Str)
		return true
	})
	return out
}

func texts(c *client, form string, s entra.Stream) []string {
	var out []string
	for raw := range c.tenant.TruthIn(form, s) {
		out = append(out, string(raw))
	}
	return out
}

// requireWithin checks that all of thin is in rich with the same text.
func requireWithin(t *testing.T, thin, rich gjson.Result) {
	if !thin.IsObject() && !(thin.IsArray() && thin.Get("0").IsObject()) {
		require.Equal(t, rich.Raw, thin.Raw)
		return
	}
	require.Equal(t, thin.IsArray(), rich.IsArray())
	if thin.IsArray() {
		require.Len(t, thin.Array(), len(rich.Array()))
	}
	thin.ForEach(func(key, value gjson.Result) bool {
		if thin.IsArray() {
			requireWithin(t, value, rich.Array()[key.Int()])
		} else {
			requireWithin(t, value, rich.Get(key.Str))
		}
		return true
	})
}

func TestV1HasOfASignInWhatItKnowsWithTheSameTexts(t *testing.T) {
	c := made(t)
	s := logs.SignInsInteractiveUser
	rich, _ := c.all(pathIn(entra.FormBeta, s) + "?$orderby=createdDateTime%20asc")
	thin, _ := c.all(signInsV1 + "?$orderby=createdDateTime%20asc")
	require.Equal(t, texts(c, entra.FormBeta, s), rich)
	require.Equal(t, texts(c, entra.FormV1, s), thin)
	require.NotEmpty(t, thin)
	for i := range thin {
		poor, whole := gjson.Parse(thin[i]), gjson.Parse(rich[i])
		require.ElementsMatch(t, v1Properties, names(poor))
		require.Subset(t, names(whole), v1Properties)
		require.Subset(t, names(whole), betaProperties)
		require.ElementsMatch(t, []string{"id", "displayName", "enforcedGrantControls", "enforcedSessionControls",
			"result"},
			names(poor.Get("appliedConditionalAccessPolicies.0")))
		require.Contains(t, names(whole.Get("appliedConditionalAccessPolicies.0")), "conditionsNotSatisfied")
		require.NotContains(t, names(poor.Get("deviceDetail")), "browserId")
		requireWithin(t, poor, whole)
	}
	_, _, body := c.get(signInsV1 + "/" + gjson.Get(thin[0], "id").Str)
	require.Contains(t, thin, string(body), "one record, too, comes in the version's form")
}

func TestOnlyUserAgentTellsTheFormsOfAnAuditApart(t *testing.T) {
	c := made(t)
	rich, thin := texts(c, entra.FormBeta, logs.DirectoryAudits), texts(c, entra.FormV1, logs.DirectoryAudits)
	require.Len(t, thin, len(rich))
	for i := range rich {
		require.ElementsMatch(t, append(names(gjson.Parse(thin[i])), "userAgent"), names(gjson.Parse(rich[i])))
		requireWithin(t, gjson.Parse(thin[i]), gjson.Parse(rich[i]))
	}
	require.Equal(t, texts(c, entra.FormBeta, logs.Provisioning), texts(c, entra.FormV1, logs.Provisioning))
}

func TestWhatNeitherVersionKnowsStaysInBoth(t *testing.T) {
	c := serve(t, simtenant.Config{Now: now})
	const at = `"createdDateTime":"2026-11-21T10:00:00Z"`
	for _, ca := range [][2]string{
		{
			`{"id":"a",` + at + `,"content":[1.0,{"agent":"x"}],"agent":{"agentType":"x"},"filler":"\u00e9"}`,
			`{"id":"a",` + at + `,"content":[1.0,{"agent":"x"}],"filler":"\u00e9"}`,
		},
		{
			`{ "agent" : null , "id" : "b" , ` + at + ` ,"userType":"}\\\"{"  }`,
			`{ "id" : "b" , ` + at + ` }`,
		},
		{
			`{"id":"c",` + at + `,"status":{"more":1,"errorCode":0,"errorCode":1},"sessionId":"x"}`,
			`{"id":"c",` + at + `,"status":{"more":1,"errorCode":0,"errorCode":1}}`,
		},
	} {
		raw, want := ca[0], ca[1]
		require.NoError(t, c.tenant.Add(logs.SignInsInteractiveUser, []byte(raw), time.Time{}))
		require.Contains(t, texts(c, entra.FormBeta, logs.SignInsInteractiveUser), raw)
		require.Contains(t, texts(c, entra.FormV1, logs.SignInsInteractiveUser), want)
		_, _, body := c.get(signInsV1)
		require.Contains(t, string(body), want)
	}
}

func TestTruthIsOfTheLogsOwnForm(t *testing.T) {
	c := made(t)
	for _, l := range logs.Collected() {
		var own []string
		for raw := range c.tenant.Truth(l.Stream) {
			own = append(own, string(raw))
		}
		require.Equal(t, texts(c, l.Form(), l.Stream), own)
		_, _, body := c.get("/_sim/records/" + string(l.Stream) + "?form=beta")
		require.Equal(t, texts(c, entra.FormBeta, l.Stream), strings.Split(strings.TrimSpace(string(body)), "\n"))
	}
	status, _, _ := c.get("/_sim/records/provisioning?form=v2")
	require.Equal(t, 400, status)
}

// rareMembers are the members of enums that a reader gets only with the header, of records that the
// generator makes up.
var rareMembers = map[entra.Stream]map[string]string{
	logs.SignInsInteractiveUser: {
		"riskDetail": "userChangedPasswordOnPremises", "conditionalAccessStatus": "notEvaluated",
		"signInIdentifierType": "passkey",
		"userType":             "externalMember", "incomingTokenType": "refreshToken",
		"crossTenantAccessType":  "passthrough",
		"authenticationProtocol": "nativeAuth", "tokenIssuerType": "AzureADBackupAuth",
		"riskEventTypes_v2.0": "attackerInTheMiddle",
	},
	logs.DirectoryAudits: {"operationType": "Restore", "result": "partialSuccess"},
	logs.Provisioning:    {"provisioningAction": "restore", "provisioningStatusInfo.status": "deferred"},
}

func TestNewMembersOfEnumsComeOnlyToThoseWhoPreferThem(t *testing.T) {
	exactly := map[entra.Stream]int{logs.SignInsInteractiveUser: 1000, logs.DirectoryAudits: 1000,
		logs.Provisioning: 1000}
	c := serve(t, simtenant.Config{Now: now, Generate: &generate.Config{
		Seed: 1, Users: 2, Apps: 2, Days: 20, Policies: 1, End: now, Exactly: exactly}})
	get := func(form string, s entra.Stream, prefer string) []gjson.Result {
		_, _, body := c.get(pathIn(form, s), "Prefer", prefer)
		records := gjson.GetBytes(body, "value").Array()
		require.Len(t, records, 1000)
		return records
	}
	for s, members := range rareMembers {
		for _, form := range []string{entra.FormV1, entra.FormBeta} {
			every := get(form, s, "odata.maxpagesize=1000, Include-Unknown-Enum-Members")
			known := get(form, s, "odata.maxpagesize=1000")
			for path, member := range members {
				if !every[0].Get(strings.Split(path, ".")[0]).Exists() {
					continue // only beta has it
				}
				seen := 0
				for i := range every {
					want := every[i].Get(path).Str
					if want == member {
						seen++
						want = "unknownFutureValue"
					}
					require.Equal(t, want, known[i].Get(path).Str, "%s %s", form, path)
				}
				require.True(t, seen >= 2 && seen <= 10, "%s %s: %d of 1000", s, path, seen)
			}
		}
	}
	for _, p := range get(entra.FormV1, logs.SignInsInteractiveUser, "") {
		require.NotContains(t, p.Get("appliedConditionalAccessPolicies.0.result").Str, "reportOnly")
	}
}

func TestV1MayWriteEqualValuesOtherwise(t *testing.T) {
	c := serve(t, simtenant.Config{Now: now, OtherSpelling: true, Generate: &generate.Config{
		Seed: 1, Users: 30, Apps: 4, Days: 3, Policies: 1, End: now}})
	for _, s := range []entra.Stream{logs.SignInsInteractiveUser, logs.DirectoryAudits, logs.Provisioning} {
		rich, thin := texts(c, entra.FormBeta, s), texts(c, entra.FormV1, s)
		for i := range thin {
			var poor, whole map[string]any
			require.NoError(t, json.Unmarshal([]byte(thin[i]), &poor))
			require.NoError(t, json.Unmarshal([]byte(rich[i]), &whole))
			property := logs.Of(s).TimeProperty
			require.Len(t, poor[property], len("2026-11-21T14:30:00.0000000Z"))
			at, err := entra.ParseTime(poor[property].(string))
			require.NoError(t, err)
			then, err := entra.ParseTime(whole[property].(string))
			require.NoError(t, err)
			require.Equal(t, then, at)
			poor[property] = whole[property]
			for name := range poor {
				if name != "deviceDetail" && name != "appliedConditionalAccessPolicies" { // beta has more of these
					require.Equal(t, whole[name], poor[name], name)
				}
			}
			require.False(t, strings.ContainsFunc(thin[i], func(c rune) bool { return c > 127 }), "letters are escaped")
		}
	}
	require.Regexp(t, `"errorCode":\d+\.0,`, texts(c, entra.FormV1, logs.SignInsInteractiveUser)[0])
}

func TestV1CantBeAskedForWhatItLacks(t *testing.T) {
	c := made(t)
	for filter, property := range map[string]string{
		"signInEventTypes/any(t: t eq 'nonInteractiveUser')":       "signInEventTypes",
		"authenticationRequirement eq 'multiFactorAuthentication'": "authenticationRequirement",
		"startswith(servicePrincipalName,'x')":                     "servicePrincipalName",
	} {
		status, _, body := c.get(query(signInsV1, "$filter", filter))
		require.Equal(t, 400, status, filter)
		require.Contains(t, string(body), "Could not find a property named '"+property+
			"' on type 'microsoft.graph.signIn'")
		status, _, _ = c.get(query("/beta/auditLogs/signIns", "$filter", filter))
		require.Equal(t, 200, status, filter)
	}
	status, _, _ := c.get("/v1.0/auditLogs/customSecurityAttributeAudits")
	require.Equal(t, 400, status, "it is only in beta")
}

func TestRequestsAreKnownByVersionAndPreference(t *testing.T) {
	c := made(t)
	c.get(signInsV1, "Prefer", "")
	c.get(pathIn(entra.FormBeta, logs.Provisioning))
	c.get("/beta/reports/appCredentialSignInActivities", "Prefer", "x")
	var versions []string
	var preferences []bool
	for _, r := range c.tenant.Requests() {
		versions, preferences = append(versions, r.Version), append(preferences, r.Prefer)
	}
	require.Equal(t, []string{entra.FormV1, entra.FormBeta, entra.FormBeta}, versions)
	require.Equal(t, []bool{false, true, false}, preferences)
}

// TestBetaIsTheLargerForm holds the mean size of a sign-in with twelve policies.
func TestBetaIsTheLargerForm(t *testing.T) {
	c := serve(t, simtenant.Config{Now: now, Generate: &generate.Config{
		Seed: 1, Users: 60, Apps: 10, Days: 10, Policies: 12, End: now}})
	mean := func(form string, s entra.Stream) int {
		all := texts(c, form, s)
		return len(strings.Join(all, "")) / len(all)
	}
	require.InDelta(t, 3800, mean(entra.FormV1, logs.SignInsInteractiveUser), 400)
	require.InDelta(t, 8500, mean(entra.FormBeta, logs.SignInsInteractiveUser), 800)
	require.Greater(t, mean(entra.FormBeta, logs.DirectoryAudits), mean(entra.FormV1, logs.DirectoryAudits))
}

func TestAProjectionIsServedPageByPage(t *testing.T) {
	c := made(t)
	got, pages := c.all(signInsV1 + "?$top=70")
	slices.Reverse(got)
	require.Equal(t, texts(c, entra.FormV1, logs.SignInsInteractiveUser), got)
	require.Greater(t, pages, 10)
}

// TestSignInsCarryConditionalAccessPoliciesOnlyForWhoMayReadThem: Graph leaves them out without an
// error.
func TestSignInsCarryConditionalAccessPoliciesOnlyForWhoMayReadThem(t *testing.T) {
	tokens := map[string]string{"narrow": "", "none": "", "wide": ""}
	c := serve(t, simtenant.Config{Generate: &generate.Config{Seed: 3, Users: 20, Apps: 5, Days: 2, Policies: 2}})
	renew := func() string {
		_, _, body := c.get("/msi/token?api-version=2019-08-01&resource=x", "X-IDENTITY-HEADER", "simtenant")
		return gjson.GetBytes(body, "access_token").Str
	}
	tokens["narrow"] = renew()
	c.tenant.Revoke("Policy.Read.ConditionalAccess", true)
	tokens["none"] = renew()
	c.tenant.Grant("Policy.Read.All")
	tokens["wide"] = renew()
	for name, token := range tokens {
		for _, version := range []string{"v1.0", "beta"} {
			c.token = token
			status, _, body := c.get("/" + version + "/auditLogs/signIns?$top=5")
			require.Equal(t, 200, status)
			records := gjson.GetBytes(body, "value").Array()
			require.Len(t, records, 5)
			for _, rec := range records {
				require.Equal(t, name != "none", rec.Get("appliedConditionalAccessPolicies").Exists(), "%s %s", name,
					version)
				require.True(t, rec.Get("conditionalAccessStatus").Exists())
			}
			status, _, body = c.get("/" + version + "/auditLogs/signIns/" + records[0].Get("id").Str)
			require.Equal(t, 200, status)
			require.Equal(t, name != "none", gjson.GetBytes(body, "appliedConditionalAccessPolicies").Exists(), "%s %s",
				name, version)
		}
	}
}
