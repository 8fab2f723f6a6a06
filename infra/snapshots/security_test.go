package snapshots_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/blobs"
	"github.com/entraledger/entraledger/internal/preflight"
)

var securityRules = map[string]rule{
	"storage takes no keys, nothing anonymous, and TLS 1.2 only": func(s *snapshot) (out []string) {
		for _, r := range s.of(accounts) {
			out = append(out, wantAll(r, map[string]any{
				"allowSharedKeyAccess": false, "allowBlobPublicAccess": false, "allowCrossTenantReplication": false,
				"defaultToOAuthAuthentication": true, "minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": true,
			})...)
		}
		for _, r := range s.of(containers) {
			out = append(out, want(r, "publicAccess", "None")...)
		}
		return out
	},
	"storage answers on the internet only where it is not private": func(s *snapshot) (out []string) {
		access, action := "Enabled", "Allow"
		if s.private {
			access, action = "Disabled", "Deny"
		}
		for _, r := range s.of(accounts) {
			out = append(out, wantAll(r, map[string]any{"publicNetworkAccess": access,
				"networkAcls.defaultAction": action, "networkAcls.bypass": "AzureServices"})...)
		}
		return out
	},
	"what is deleted from blobs can be restored": func(s *snapshot) (out []string) {
		if s.isApp() {
			out = wantCount(s, blobService, 2)
		}
		for _, r := range s.of(blobService) {
			for _, policy := range []string{"deleteRetentionPolicy", "containerDeleteRetentionPolicy"} {
				out = append(out, want(r, policy+".enabled", true)...)
				if days, _ := r.at(policy + ".days").(float64); days < 1 {
					out = append(out, fmt.Sprintf("%s: %s keeps nothing", r.name(), policy))
				}
			}
		}
		return out
	},
	"the archive can't be deleted, and its heads can't be changed":                  archiveIsKept,
	"the app's identity has the roles that the code names, and nobody else has any": rolesAreTheCodes,
	"the app is one user-assigned identity": func(s *snapshot) (out []string) {
		if !s.isApp() {
			return nil
		}
		wanted := map[string]any{"type": "UserAssigned",
			"userAssignedIdentities": map[string]any{textOf(s.one(identities).ID): map[string]any{}}}
		if got := s.one(sites).Identity; !reflect.DeepEqual(got, wanted) {
			out = append(out, fmt.Sprintf("the app's identity is %v", got))
		}
		const authentication = "functionAppConfig.deployment.storage.authentication"
		return append(out, wantAll(s.one(sites), map[string]any{authentication + ".type": "UserAssignedIdentity",
			authentication + ".userAssignedIdentityResourceId": textOf(s.one(identities).ID)})...)
	},
	"monitoring takes no keys": func(s *snapshot) (out []string) {
		for _, r := range s.of(workspaces) {
			out = append(out, want(r, "features.disableLocalAuth", true)...)
		}
		for _, r := range s.of(components) {
			out = append(out, want(r, "DisableLocalAuth", true)...)
		}
		return out
	},
	"nothing holds or hands out a key": func(s *snapshot) (out []string) {
		text, err := json.Marshal(s.Resources)
		if err != nil {
			return []string{err.Error()}
		}
		for _, word := range []string{"listKeys", "listAccountSas", "listServiceSas", "AccountKey=",
			"SharedAccessSignature", "sig="} {
			if strings.Contains(string(text), word) {
				out = append(out, "the resources say "+word)
			}
		}
		return out
	},
	"nobody publishes with a password": func(s *snapshot) (out []string) {
		if !s.isApp() {
			return nil
		}
		var ways []string
		for _, r := range s.of(publishing) {
			ways = append(ways, r.last())
			out = append(out, want(r, "allow", false)...)
		}
		if slices.Sort(ways); !slices.Equal(ways, []string{"ftp", "scm"}) {
			out = append(out, fmt.Sprintf("publishing is ruled for %v", ways))
		}
		return out
	},
	"the app is reached by TLS 1.2 only": func(s *snapshot) (out []string) {
		for _, r := range s.of(sites) {
			out = append(out, wantAll(r, map[string]any{"httpsOnly": true, "siteConfig.minTlsVersion": "1.2",
				"siteConfig.scmMinTlsVersion":       "1.2",
				"siteConfig.remoteDebuggingEnabled": false})...)
		}
		return out
	},
	"authentication is written whether it is on or off": authenticationIsWritten,
}

// archiveIsKept looks at the lock, and at the policy of the heads, which a locked one replaces.
func archiveIsKept(s *snapshot) (out []string) {
	if !s.isApp() {
		return nil
	}
	wanted := map[string]int{locks: 1, policies: 1}
	if s.noLock {
		wanted[locks] = 0
	}
	if s.locked {
		wanted[policies] = 0
	}
	for kind, n := range wanted {
		out = append(out, wantCount(s, kind, n)...)
	}
	for _, r := range s.of(locks) {
		out = append(out, want(r, "level", "CanNotDelete")...)
		if !strings.HasPrefix(textOf(r.ID), s.account("a")+"/") {
			out = append(out, fmt.Sprintf("the lock is on %v", r.ID))
		}
	}
	heads := s.account("a") + "/blobServices/default/containers/" + blobs.Container
	for _, r := range s.of(policies) {
		out = append(out, want(r, "allowProtectedAppendWrites", false)...)
		if days, _ := r.at("immutabilityPeriodSinceCreationInDays").(float64); days < 1 ||
			textOf(r.ID) != heads+"/immutabilityPolicies/default" {
			out = append(out, fmt.Sprintf("the policy is on %v, for %v days", r.ID, days))
		}
	}
	if !slices.ContainsFunc(s.of(containers), func(r *predicted) bool { return textOf(r.ID) == heads }) {
		out = append(out, "there is no container for the heads: "+heads)
	}
	return out
}

// rolesAreTheCodes compares the assignments with those that the code's own list has, and their
// names with scope, principal and role.
func rolesAreTheCodes(s *snapshot) (out []string) {
	if !s.isApp() {
		return wantCount(s, roles, 0)
	}
	scopes := map[string]string{"the Functions host's storage account": s.account("h"),
		"the archive's storage account": s.account("a"),
		"Application Insights":          textOf(s.one(components).ID)}
	principal := fmt.Sprintf("reference('%s', '%s').principalId", textOf(s.one(identities).ID),
		s.one(identities).APIVersion)
	var wanted, have []string
	for _, role := range preflight.Roles() {
		scope := scopes[role.On]
		name := fmt.Sprintf("guid('%s', %s, '%s')", scope, principal, role.ID)
		wanted = append(wanted, fmt.Sprintf("%s by extensionResourceId('%s', '%s', %s)", role.ID, scope, roles, name))
	}
	for _, r := range s.of(roles) {
		definition, id := textOf(r.at("roleDefinitionId")), strings.Trim(textOf(r.ID), "<>")
		have = append(have, definition[strings.LastIndex(definition, "/")+1:]+" by "+id)
		out = append(out, wantAll(r, map[string]any{"principalId": open(principal),
			"principalType": "ServicePrincipal"})...)
		if r.name() == "" || !strings.Contains(id, strings.Trim(r.name(), "<>")) {
			out = append(out, fmt.Sprintf("the assignment %v is named %s", r.ID, r.name()))
		}
	}
	slices.Sort(wanted)
	if slices.Sort(have); !slices.Equal(wanted, have) {
		out = append(out, fmt.Sprintf("the roles are\n%s\nand not\n%s", strings.Join(have, "\n"),
			strings.Join(wanted, "\n")))
	}
	return out
}

// authenticationIsWritten: what an earlier deployment switched on stays on where a later one does
// not say that it is off.
func authenticationIsWritten(s *snapshot) (out []string) {
	if !s.isApp() {
		return nil
	}
	out = wantCount(s, configs, 1)
	r, action, authorization := s.one(configs), "AllowAnonymous", "key"
	if r.last() != "authsettingsV2" {
		out = append(out, "the app's configuration that is written is "+r.last())
	}
	providers, paths := map[string]any{}, []any{}
	if s.entra {
		paths = []any{"/api/ui", "/api/ui/*"} // the page alone, which holds no data
		login := clouds[s.cloud]["authentication"].(map[string]any)["loginEndpoint"].(string)
		action, authorization = "Return401", "entra"
		providers = map[string]any{"azureActiveDirectory": map[string]any{"enabled": true,
			"registration": map[string]any{"clientId": clientID, "openIdIssuer": login + tenantID + "/v2.0"},
			"validation":   map[string]any{"allowedAudiences": []any{clientID, "api://" + clientID}},
		}}
	}
	out = append(out, wantAll(r, map[string]any{"platform.enabled": s.entra,
		"globalValidation.requireAuthentication": s.entra,
		"globalValidation.excludedPaths":         paths, "globalValidation.unauthenticatedClientAction": action,
		"httpSettings.requireHttps": true,
		"login.tokenStore.enabled":  false,
		"identityProviders":         providers})...)
	if have, _ := s.one(sites).settings(); have["HTTP_AUTHORIZATION"] != authorization {
		out = append(out, "HTTP_AUTHORIZATION is "+have["HTTP_AUTHORIZATION"])
	}
	return out
}
