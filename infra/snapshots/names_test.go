package snapshots_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// kindOf is the required form of a type of resources: its version, its name, whether it accepts
// tags, and its part.
type kindOf struct {
	version string
	name    *regexp.Regexp // of the last part of the name
	parts   []string       // the parts whose tag it may have; none: it accepts no tags
	region  string         // where it is: "here", "global", or empty where it has no place of its own
}

func form(text string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + text + `)$`) }

// kinds are all types that the templates deploy. Source of the names' rules: learn.microsoft.com,
// "Naming rules and restrictions for Azure resources". Versions of networks stay below 2025-07-01:
// from there on new subnets are private by default.
var kinds = map[string]kindOf{
	identities:  {"2024-11-30", form(`[A-Za-z0-9][A-Za-z0-9_-]{2,127}`), []string{"identity"}, "here"},
	workspaces:  {"2025-07-01", form(`[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]`), []string{"monitoring"}, "here"},
	components:  {"2020-02-02", form(`[^%&\\?/]{0,259}[^%&\\?/. ]`), []string{"monitoring"}, "here"},
	accounts:    {"2025-06-01", form(`[a-z0-9]{3,24}`), []string{"host", "archive"}, "here"},
	blobService: {"2025-06-01", form(`default`), nil, ""},
	tables:      {"2025-06-01", form(`default`), nil, ""},
	containers:  {"2025-06-01", form(`[a-z0-9](?:-?[a-z0-9]){2,62}`), nil, ""},
	policies:    {"2025-06-01", form(`default`), nil, ""},
	locks:       {"2020-05-01", form(`[A-Za-z0-9._()-]{0,89}[A-Za-z0-9_()-]`), nil, ""},
	roles:       {"2022-04-01", form(`<guid\('.+', reference\('.+'\)\.principalId, '[0-9a-f-]{36}'\)>`), nil, ""},
	// Only the first 32 characters of an app's name distinguish its host from another's in the
	// storage they share.
	sites:      {"2025-03-01", form(`[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]`), []string{"app"}, "here"},
	plans:      {"2025-03-01", form(`[A-Za-z0-9-]{1,40}`), []string{"app"}, "here"},
	configs:    {"2025-03-01", form(`authsettingsV2|appsettings`), nil, ""},
	publishing: {"2025-03-01", form(`ftp|scm`), nil, ""},
	packages:   {"2025-03-01", form(`onedeploy`), nil, ""},
	alertRules: {"2023-12-01", form(`[^*#&+:<>?@%{}\\/]{0,259}[^*#&+:<>?@%{}\\/. ]`), []string{"alerts"}, "here"},
	mailGroups: {"2023-01-01", form(`[^*#&+:<>?@%{}\\/]{0,259}[^*#&+:<>?@%{}\\/. ]`), []string{"alerts"}, "global"},
	logging:    {"2021-05-01-preview", form(`[^*<>%&:?+/\\]{1,260}`), nil, ""},
	firewalls:  {"2025-05-01", form(`[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]`), []string{"network"}, "here"},
	networks:   {"2025-05-01", form(`[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]`), []string{"network"}, "here"},
	endpoints:  {"2025-05-01", form(`[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]`), []string{"network"}, "here"},
	zoneGroups: {"2025-05-01", form(`[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]`), nil, ""},
	zones:      {"2024-06-01", form(`privatelink(?:\.[a-z0-9]+){3,}`), []string{"network"}, "global"},
	zoneLinks:  {"2024-06-01", form(`[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]`), []string{"network"}, "global"},
	tenantLogs: {"2017-04-01", form(`[^*<>%&:?+/\\]{1,64}`), nil, ""},
	attrLogs:   {"2017-04-01-preview", form(`[^*<>%&:?+/\\]{1,64}`), nil, ""},
	grants:     {"", form(`<nil>`), nil, ""}, // what Microsoft Graph grants has no name, and its version in its type
}

var nameRules = map[string]rule{
	"every type is known, and asked for by the version that was looked at": func(s *snapshot) (out []string) {
		for _, r := range s.Resources {
			if kind, ok := kinds[r.Type]; !ok || r.APIVersion != kind.version {
				out = append(out, fmt.Sprintf("%s of version %q, not %q", r.Type, r.APIVersion, kind.version))
			}
		}
		return out
	},
	"every name fits its type": func(s *snapshot) (out []string) {
		for _, r := range s.Resources {
			name := r.last()
			if r.Type == roles || r.Name == nil {
				name = r.name() // an expression, with slashes of its own, or none
			}
			if kind, ok := kinds[r.Type]; ok && !kind.name.MatchString(name) {
				out = append(out, fmt.Sprintf("%s is named %q", r.Type, name))
			}
		}
		for _, r := range s.of(mailGroups) {
			if short, _ := r.at("groupShortName").(string); len(short) < 1 || len(short) > 12 {
				out = append(out, "the short name "+short)
			}
		}
		return out
	},
	"no two resources have one id": func(s *snapshot) (out []string) {
		seen := map[string]bool{}
		for _, r := range s.Resources {
			if id := textOf(r.ID); r.ID != nil {
				if seen[id] {
					out = append(out, id)
				}
				seen[id] = true
			}
		}
		return out
	},
	"names that have to be free in all of Azure hold the name and eight characters of the group's id": func(s *snapshot) (out []string) {
		unique := form(`(?:func-|st)` + s.base + `-?[a-z0-9]{8}[ah]?`)
		for _, kind := range []string{sites, accounts} {
			for _, r := range s.of(kind) {
				if r.name() != s.archive && !unique.MatchString(r.name()) {
					out = append(out, r.name())
				}
			}
		}
		return out
	},
	"everything that takes tags says which deployment and which part it is of": func(s *snapshot) (out []string) {
		for _, r := range s.Resources {
			kind := kinds[r.Type]
			isTagged := r.Tags["entraledger"] == s.base && slices.Contains(kind.parts, r.Tags["part"])
			if len(kind.parts) > 0 && !isTagged || len(kind.parts) == 0 && len(r.Tags) > 0 {
				out = append(out, fmt.Sprintf("%s %s has the tags %v", r.Type, r.name(), r.Tags))
			}
		}
		// A DNS zone accepts no blanks and no leading digits in names of tags, and 15 tags at most.
		for _, r := range slices.Concat(s.of(zones), s.of(zoneLinks)) {
			if len(r.Tags) != 2 {
				out = append(out, fmt.Sprintf("%s has the tags %v", r.name(), r.Tags))
			}
		}
		for _, r := range s.of(accounts) {
			wanted := "host"
			if textOf(r.ID) == s.account("a") {
				wanted = "archive"
			}
			if r.Tags["part"] != wanted {
				out = append(out, fmt.Sprintf("%s is tagged %s, not %s", r.name(), r.Tags["part"], wanted))
			}
		}
		return out
	},
	"everything is in the region that was asked for": func(s *snapshot) (out []string) {
		for _, r := range s.Resources {
			if wanted := strings.Replace(kinds[r.Type].region, "here", s.region, 1); r.Location != wanted {
				out = append(out, fmt.Sprintf("%s is in %q, not %q", r.name(), r.Location, wanted))
			}
		}
		return out
	},
}
