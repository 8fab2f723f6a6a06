package snapshots_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// probes say where each parameter of each template goes.
var probes = map[string]map[string]probe{
	"main.bicep": mainProbes(),
	"upgrade.bicep": {
		"appName": func(s *snapshot, _ any) any { return strings.Split(s.one(configs).name(), "/")[0] },
		// Only of the package's address; if that is given, the release is nowhere else.
		"release": func(s *snapshot, _ any) any {
			return releaseIn(textOf(s.one(packages).at("packageUri")))
		},
		"packageUri": func(s *snapshot, _ any) any { return s.one(packages).at("packageUri") },
	},
	"grants.bicep": {
		"principalId": func(s *snapshot, _ any) any { return s.of(grants)[0].at("principalId") },
		// The compiler leaves their names open: each grant asks for another one of the list.
		"permissions": func(s *snapshot, wanted any) any {
			out := []any{}
			for i, r := range s.of(grants) {
				id := r.at("appRoleId")
				if id == open(fmt.Sprintf("filter(reference('graph').appRoles, lambda('role', "+
					"equals(lambdaVariables('role').value, parameters('permissions')[%d])))[0].id", i)) {
					id = wanted.([]any)[i]
				}
				out = append(out, id)
			}
			return out
		},
	},
	"tenant.bicep": {
		"name": func(s *snapshot, _ any) any {
			return ofEach(s, tenantLogs, attrLogs, "",
				(*predicted).name)
		},
		"storageAccountId":            destination("storageAccountId"),
		"workspaceId":                 destination("workspaceId"),
		"eventHubAuthorizationRuleId": destination("eventHubAuthorizationRuleId"),
		"eventHubName":                destination("eventHubName"),
		"marketplacePartnerId":        destination("marketplacePartnerId"),
		"customSecurityAttributes": func(s *snapshot, _ any) any {
			return len(s.of(attrLogs)) == 1 && enabledLogs(s.one(attrLogs))[0] == "CustomSecurityAttributeAuditLogs"
		},
		"categories": func(s *snapshot, _ any) any { return enabledLogs(s.one(tenantLogs)) },
	},
}

// releaseIn is the release whose files an address or a command names.
func releaseIn(text string) any {
	found := regexp.MustCompile(`/releases/download/([^/]+)/`).FindStringSubmatch(text)
	if found == nil {
		return unseen
	}
	return found[1]
}

// ofEach is what all resources of two types show, if that is one thing.
func ofEach(s *snapshot, first, second, none string, show func(*predicted) string) any {
	var seen []any
	for _, r := range slices.Concat(s.of(first), s.of(second)) {
		if v := show(r); !slices.Contains(seen, any(v)) {
			seen = append(seen, v)
		}
	}
	if len(seen) == 1 {
		return seen[0]
	}
	return append(seen, none)
}

// destination is a place that both settings of the tenant's logs name.
func destination(member string) probe {
	return func(s *snapshot, _ any) any {
		return ofEach(s, tenantLogs, attrLogs, member, func(r *predicted) string { return textOf(r.at(member)) })
	}
}

// enabledLogs are the categories that are sent, in their order. One that is not is a hole.
func enabledLogs(r *predicted) []any {
	out := []any{}
	for _, v := range r.list("logs") {
		if entry := v.(map[string]any); entry["enabled"] == true {
			out = append(out, entry["category"])
		}
	}
	return out
}

// settingOf are the parameters that become a setting as they are; a list with commas between.
var settingOf = map[string]string{"cloud": "AZURE_CLOUD", "streams": "ARCHIVE_STREAMS", "backfill": "ARCHIVE_BACKFILL",
	"passes": "ARCHIVE_PASSES", "retention": "ARCHIVE_RETENTION", "hold": "ARCHIVE_HOLD",
	"alertAfter":        "ARCHIVE_ALERT_AFTER",
	"graceAfterRestore": "INACTIVE_GRACE_AFTER_RESTORE",
	"runBudget":         "ARCHIVE_RUN_BUDGET", "archiveSchedule": "ARCHIVE_SCHEDULE",
	"snapshotSchedule": "SNAPSHOT_SCHEDULE",
	"indexSchedule":    "INDEX_SCHEDULE", "purgeSchedule": "PURGE_SCHEDULE", "snapshotGroups": "SNAPSHOT_GROUPS",
	"graphRequests": "GRAPH_REQUESTS_PER_10S", "publicBaseUrl": "PUBLIC_BASE_URL",
	"attributeAudits": "HTTP_ATTRIBUTE_AUDITS", "mimPartsKeyReference": "MIM_PARTS_KEY"}

// propertyOf are those that become a property of every resource of some types as they are.
var propertyOf = map[string]map[string][]string{
	"softDeleteDays":       {blobService: {"deleteRetentionPolicy.days", "containerDeleteRetentionPolicy.days"}},
	"instanceMemoryMB":     {sites: {"functionAppConfig.scaleAndConcurrency.instanceMemoryMB"}},
	"maximumInstanceCount": {sites: {"functionAppConfig.scaleAndConcurrency.maximumInstanceCount"}},
	"logRetentionDays":     {workspaces: {"retentionInDays"}},
	"logDailyCapGb":        {workspaces: {"workspaceCapping.dailyQuotaGb"}},
	"headsImmutableDays":   {policies: {"immutabilityPeriodSinceCreationInDays"}}, // none where it is locked
	"networkAddressPrefix": {networks: {"addressSpace.addressPrefixes"}},          // none where it is public
}

func mainProbes() map[string]probe {
	out := map[string]probe{
		"name":     func(s *snapshot, _ any) any { return s.one(sites).Tags["entraledger"] },
		"location": func(s *snapshot, _ any) any { return s.one(sites).Location }, // a rule compares the others
		"tags":     tagsOfAll,
		"archiveRedundancy": func(s *snapshot, _ any) any {
			for _, r := range s.of(accounts) {
				if textOf(r.ID) == s.account("a") {
					return r.SKU["name"]
				}
			}
			return "no archive"
		},
		"archiveAccountName": func(s *snapshot, wanted any) any {
			for _, r := range s.of(accounts) {
				if !regexp.MustCompile(`^st` + s.base + `[a-z0-9]{8}[ah]$`).MatchString(r.name()) {
					return r.name()
				}
			}
			return ""
		},
		"headsLocked":        func(s *snapshot, _ any) any { return len(s.of(policies)) == 0 },
		"lockArchive":        func(s *snapshot, _ any) any { return len(s.of(locks)) > 0 },
		"auditArchiveAccess": func(s *snapshot, _ any) any { return len(s.of(logging)) > 0 },
		"alertEmails": func(s *snapshot, _ any) any {
			out := []any{}
			for _, v := range s.one(mailGroups).list("emailReceivers") {
				out = append(out, v.(map[string]any)["emailAddress"])
			}
			return out
		},
		"network": func(s *snapshot, _ any) any {
			return map[any]string{"Enabled": "public",
				"Disabled": "private"}[s.of(accounts)[0].at("publicNetworkAccess")]
		},
		"entraClientId": func(s *snapshot, _ any) any {
			if id := s.one(configs).at("identityProviders.azureActiveDirectory.registration.clientId"); id != nil {
				return id
			}
			return ""
		},
		"conditionalAccessDetails": needs("Policy.Read.ConditionalAccess", "signIns."),
		"hiddenGroups": func(s *snapshot, _ any) any {
			if settings, _ := s.one(sites).settings(); settings["SNAPSHOT_GROUPS"] == "" {
				return unseen
			}
			return slices.Contains(s.Outputs["graphPermissions"].([]any), any("Member.Read.Hidden"))
		},
		"provisioningPermission": needs("ProvisioningLog.Read.All", "provisioning"),
		"otherSettings": func(*snapshot,
			any) any {
			return unseen
		}, // it is secure: a rule looks at the expression
		"release": func(s *snapshot, _ any) any {
			return releaseIn(s.Outputs["grantCommand"].(string))
		},
		"packageUri": func(s *snapshot, _ any) any {
			if len(s.of(packages)) == 0 {
				return ""
			}
			return s.one(packages).at("packageUri")
		},
	}
	for parameter, setting := range settingOf {
		out[parameter] = func(s *snapshot, wanted any) any {
			settings, _ := s.one(sites).settings()
			if _, isList := wanted.([]any); !isList {
				return settings[setting]
			}
			list := []any{}
			for entry := range strings.SplitSeq(settings[setting], ",") {
				if entry != "" {
					list = append(list, entry)
				}
			}
			return list
		}
	}
	for parameter, kinds := range propertyOf {
		out[parameter] = func(s *snapshot, wanted any) any { return everywhere(s, kinds, wanted) }
	}
	return out
}

// everywhere is wanted where all the properties have it, the first other value otherwise, unseen
// where there are none.
func everywhere(s *snapshot, kinds map[string][]string, wanted any) any {
	seen := any(unseen)
	for kind, paths := range kinds {
		for _, r := range s.of(kind) {
			for _, path := range paths {
				v := r.at(path)
				if list, isList := v.([]any); isList && len(list) == 1 {
					v = list[0]
				}
				if seen = v; !same(v, wanted) {
					return v
				}
			}
		}
	}
	return seen
}

// tagsOfAll is wanted if every resource that accepts any tag has these, the tags of the first that
// has others otherwise. The deployment's own win.
func tagsOfAll(s *snapshot, wanted any) any {
	for i := range s.Resources {
		r := &s.Resources[i]
		if len(kinds[r.Type].parts) == 0 || r.Type == zones || r.Type == zoneLinks {
			continue
		}
		own := 0
		for name, value := range wanted.(map[string]any) {
			if name == "entraledger" || name == "part" {
				own++
			} else if r.Tags[name] != value {
				return r.Tags
			}
		}
		if len(r.Tags) != len(wanted.(map[string]any))-own+2 {
			return r.Tags
		}
	}
	return wanted
}

// needs is whether a permission is asked for; unseen where no stream that begins so is archived.
func needs(permission, stream string) probe {
	return func(s *snapshot, _ any) any {
		settings, _ := s.one(sites).settings()
		if !strings.Contains(","+settings["ARCHIVE_STREAMS"], ","+stream) {
			return unseen
		}
		return slices.Contains(s.Outputs["graphPermissions"].([]any), any(permission))
	}
}
