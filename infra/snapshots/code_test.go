package snapshots_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/web"
)

const root = "../.."

// elsewhere are settings of the code that an app in Azure does not get, with the reason.
var elsewhere = map[string]string{
	"ARCHIVE_STORAGE":              "a connection string holds a key",
	"GRAPH_ENDPOINT":               "AZURE_CLOUD says it",
	"FUNCTIONS_CUSTOMHANDLER_PORT": "the host sets it",
	"IDENTITY_ENDPOINT":            "the platform sets it",
	"IDENTITY_HEADER":              "the platform sets it",
	"WEBSITE_AUTH_ENABLED":         "the platform sets it",
}

// platform are settings that the Functions host reads, and no code of ours.
var platform = []string{"APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "APPLICATIONINSIGHTS_CONNECTION_STRING",
	"AzureWebJobsStorage__accountName",
	"AzureWebJobsStorage__blobServiceUri", "AzureWebJobsStorage__clientId", "AzureWebJobsStorage__credential",
	"AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__tableServiceUri", "GOMEMLIMIT"}

// plain is a case in which everything that the code has a default for is at the template's default,
// too.
const plain = "locked"

func allSettings() []settings.Setting {
	return slices.Concat(settings.All(), settings.Schedules(), settings.Platform())
}

// deployed are the settings of a case.
func deployed(t *testing.T, name string) map[string]string {
	out, _ := load(t, name).one(sites).settings()
	require.NotEmpty(t, out)
	return out
}

func TestEverySettingOfTheCodeIsDeployedAndTheOtherWayRound(t *testing.T) {
	wanted := slices.Clone(platform)
	for _, s := range allSettings() {
		if elsewhere[s.Name] == "" {
			wanted = append(wanted, s.Name)
		}
	}
	require.ElementsMatch(t, wanted, slices.Collect(maps.Keys(deployed(t, plain))))
}

// read is what the handler makes of a case's settings; addresses that only a deployment knows are
// made up.
func read(t *testing.T, values map[string]string) settings.Settings {
	values["ARCHIVE_STORAGE__tableServiceUri"] = "https://x.table.core.windows.net"
	out, err := settings.Load(func(name string) string { return values[name] })
	require.NoError(t, err)
	return out
}

func TestTheTemplatesDefaultsAreTheCodes(t *testing.T) {
	values := deployed(t, plain)
	own := map[string]string{"ARCHIVE_STORAGE__clientId": values["ARCHIVE_STORAGE__clientId"]}
	require.Equal(t, read(t, own), read(t, values))
	for _, s := range settings.Schedules() {
		require.Equal(t, s.Default, values[s.Name])
	}
}

func TestTheHandlerUnderstandsWhatEveryCaseDeploys(t *testing.T) {
	for name, c := range cases {
		if c.template == "" {
			got := read(t, deployed(t, name))
			require.Equal(t, load(t, name).cloud, got.Cloud.Name, name)
		}
	}
}

// TestPermissionsAreThoseThatTheCodeNeeds compares what each case says it needs with the code's own
// list.
func TestPermissionsAreThoseThatTheCodeNeeds(t *testing.T) {
	chosen := []entra.Stream{"directoryAudits", "provisioning", "customSecurityAttributeAudits"}
	seen := map[string]bool{}
	for name, c := range cases {
		if c.template != "" {
			continue
		}
		needed := preflight.Needed(logs.DefaultStreams(), false)
		if name == "chosen" {
			needed = preflight.Needed(chosen, true)
			needed = append(needed, slices.DeleteFunc(preflight.Permissions(),
				func(p preflight.Permission) bool { return !p.Alternative })...)
		}
		if c.noPolicy {
			needed = slices.DeleteFunc(needed,
				func(p preflight.Permission) bool { return p.Name == "Policy.Read.ConditionalAccess" })
		}
		var wanted []any
		for _, p := range needed {
			wanted = append(wanted, p.Name)
			seen[p.Name] = true
		}
		s := load(t, name)
		require.ElementsMatch(t, wanted, s.Outputs["graphPermissions"], name)
	}
	all := slices.DeleteFunc(preflight.Permissions(), func(p preflight.Permission) bool { return p.OnDemand })
	for _, p := range all {
		require.True(t, seen[p.Name], "no case needs %s", p.Name)
	}
	require.Len(t, seen, len(all))
}

func TestGrantsAreForTheAppsIdentityOneForEachPermission(t *testing.T) {
	s := load(t, "grants")
	require.Len(t, s.of(grants), len(load(t, plain).Outputs["graphPermissions"].([]any)))
	require.Len(t, s.Resources, len(s.of(grants)))
	for _, r := range s.of(grants) {
		require.Equal(t, "66666666-6666-4666-8666-666666666666", r.at("principalId"))
		require.Equal(t, open("reference('graph').id"), r.at("resourceId"))
		require.Contains(t, textOf(r.at("appRoleId")), "filter(reference('graph').appRoles")
	}
	text, err := os.ReadFile("grants.bicepparam")
	require.NoError(t, err)
	for _, p := range load(t, plain).Outputs["graphPermissions"].([]any) {
		require.Contains(t, string(text), "'"+p.(string)+"'")
	}
}

// functionFile is as much of function.json as these checks read.
type functionFile struct {
	Bindings []struct {
		Type      string   `json:"type"`
		Direction string   `json:"direction"`
		Name      string   `json:"name"`
		AuthLevel string   `json:"authLevel"`
		Schedule  string   `json:"schedule"`
		Monitor   bool     `json:"useMonitor"`
		Methods   []string `json:"methods"`
		Route     string   `json:"route"`
	} `json:"bindings"`
}

func functions(t *testing.T) map[string]functionFile {
	paths, err := filepath.Glob(filepath.Join(root, "functions", "*", "function.json"))
	require.NoError(t, err)
	require.Greater(t, len(paths), 15)
	out := map[string]functionFile{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var f functionFile
		d := json.NewDecoder(strings.NewReader(string(data)))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&f), path)
		out[filepath.Base(filepath.Dir(path))] = f
	}
	return out
}

func TestEveryScheduleThatAFunctionNamesIsDeployedAndTheOtherWayRound(t *testing.T) {
	var named, described []string
	values := deployed(t, plain)
	for name, f := range functions(t) {
		for _, b := range f.Bindings {
			if b.Type != "timerTrigger" {
				continue
			}
			setting := strings.Trim(b.Schedule, "%")
			require.Equal(t, "%"+setting+"%", b.Schedule, "%s: a schedule is a setting", name)
			require.True(t, b.Monitor, "%s: without the monitor, a run that was missed is not made up for", name)
			require.Len(t, strings.Fields(values[setting]), 6, "%s is an NCRONTAB of six fields", setting)
			named = append(named, setting)
		}
	}
	for _, s := range settings.Schedules() {
		described = append(described, s.Name)
	}
	require.ElementsMatch(t, described, named)
}

func TestEveryHTTPFunctionAsksForAKeyButThePage(t *testing.T) {
	for name, f := range functions(t) {
		for _, b := range f.Bindings {
			if b.Type == "httpTrigger" {
				level := "function"
				switch name {
				case "repair":
					level = "admin" // it writes what every other run goes by: it asks for the master key
				case "ui":
					level = "anonymous" // files without a single datum
				}
				require.Equal(t, level, b.AuthLevel, name)
				require.NotEmpty(t, b.Methods, name)
				require.NotEmpty(t, b.Route, name)
			}
		}
	}
}

func TestEverySettingIsInTheExample(t *testing.T) {
	var example struct{ Values map[string]string }
	data, err := os.ReadFile(filepath.Join(root, "local.settings.json.example"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &example))
	for _, s := range allSettings() {
		if slices.Contains([]string{"FUNCTIONS_CUSTOMHANDLER_PORT", "ARCHIVE_STORAGE__tableServiceUri",
			"WEBSITE_AUTH_ENABLED"}, s.Name) {
			continue // the host's, the other way to name the storage, the platform's
		}
		require.Contains(t, example.Values, s.Name)
		delete(example.Values, s.Name)
	}
	require.Empty(t, example.Values, "the example has settings that nothing reads")
}

func TestTheAppRolesAreThoseThatTheHandlerAsksFor(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(infra, "approles.json"))
	require.NoError(t, err)
	var roles []struct {
		ID, Value, DisplayName, Description string
		IsEnabled                           bool
		AllowedMemberTypes                  []string
	}
	require.NoError(t, json.Unmarshal(data, &roles))
	var values []string
	for _, r := range roles {
		require.Regexp(t, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, r.ID)
		require.True(t, r.IsEnabled)
		require.NotEmpty(t, r.Description)
		require.ElementsMatch(t, []string{"User", "Application"}, r.AllowedMemberTypes)
		values = append(values, r.Value)
	}
	require.ElementsMatch(t, []string{string(web.RoleRead), string(web.RoleOperate),
		string(web.RoleReadAttributes), string(web.RoleIngest)}, values)
}
