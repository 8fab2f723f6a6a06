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
	"github.com/entraledger/entraledger/internal/funchost"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/settings"
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
	"AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__tableServiceUri"}

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

// TestEveryParameterReachesItsSetting looks at the case that gives each of them a value of its own.
func TestEveryParameterReachesItsSetting(t *testing.T) {
	values := deployed(t, "chosen")
	for name, wanted := range map[string]string{
		"ARCHIVE_STREAMS":   "directoryAudits,provisioning,customSecurityAttributeAudits",
		"ARCHIVE_BACKFILL":  "7d",
		"ARCHIVE_PASSES":    "6h,48h",
		"ARCHIVE_RETENTION": "400d,provisioning=35d", "ARCHIVE_HOLD": "*=2026-01-01/2026-03-31",
		"ARCHIVE_ALERT_AFTER": "6h", "ARCHIVE_RUN_BUDGET": "5m", "GRAPH_REQUESTS_PER_10S": "3,2",
		"SNAPSHOT_GROUPS": "44444444-4444-4444-8444-444444444444,55555555-5555-4555-8555-555555555555",
		"INDEX_SCHEDULE":  "0 25 * * * *", "PURGE_SCHEDULE": "0 45 4 * * *", "PUBLIC_BASE_URL": "https://ledger.example.com/api",
	} {
		require.Equal(t, wanted, values[name], name)
		require.NotEqual(t, wanted, deployed(t, plain)[name], "%s: the case says what is the default", name)
	}
	require.Equal(t, "0 */15 * * * *", deployed(t, "small")["ARCHIVE_SCHEDULE"])
	require.Equal(t, "0 */10 0-6 * * *", deployed(t, "large")["SNAPSHOT_SCHEDULE"])
	require.Equal(t, "AzureUSGovernment", deployed(t, "government")["AZURE_CLOUD"])
	s := load(t, "chosen")
	require.Equal(t, "4711", s.one(sites).Tags["costCenter"])
	require.Len(t, s.one(mailGroups).list("emailReceivers"), 2)
	require.InDelta(t, 100, s.one(sites).at("functionAppConfig.scaleAndConcurrency.maximumInstanceCount"), 0)
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
		var wanted []any
		for _, p := range needed {
			wanted = append(wanted, p.Name)
			seen[p.Name] = true
		}
		s := load(t, name)
		require.ElementsMatch(t, wanted, s.Outputs["graphPermissions"], name)
		command := s.Outputs["grantCommand"].(string)
		var inCommand []any
		for _, w := range strings.Fields(command) {
			if strings.HasSuffix(w, ".All") || strings.HasPrefix(w, "Policy.") {
				inCommand = append(inCommand, w)
			}
		}
		require.Equal(t, s.Outputs["graphPermissions"], any(inCommand), name)
		require.Contains(t, command, `--app "`+s.one(sites).name()+`"`)
		require.Contains(t, command, "/download/"+release()+"/")
	}
	for _, p := range preflight.Permissions() {
		require.True(t, seen[p.Name], "no case needs %s", p.Name)
	}
	require.Len(t, seen, len(preflight.Permissions()))
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

// TestAnUpgradeAddsEveryNameThatTheTemplateSets compares an upgrade's defaults with a first
// deployment's settings.
func TestAnUpgradeAddsEveryNameThatTheTemplateSets(t *testing.T) {
	union := string(load(t, "upgrade").one(configs).Properties[""].(open))
	start := strings.Index(union, "createObject('ARCHIVE_STREAMS'")
	require.Positive(t, start)
	e := evaluator{environment: clouds["AzureCloud"], text: union, at: start}
	defaults, err := e.expression()
	require.NoError(t, err)
	wanted := map[string]any{}
	for name, value := range deployed(t, plain) {
		if !slices.Contains(platform, name) && !strings.HasPrefix(value, "<") {
			wanted[name] = value
		}
	}
	require.Equal(t, any(wanted), defaults)
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

func TestEveryHTTPFunctionAsksForAKey(t *testing.T) {
	for name, f := range functions(t) {
		for _, b := range f.Bindings {
			if b.Type == "httpTrigger" {
				level := "function"
				if name == "repair" {
					level = "admin" // it writes what every other run goes by: it asks for the master key
				}
				require.Equal(t, level, b.AuthLevel, name)
				require.NotEmpty(t, b.Methods, name)
				require.NotEmpty(t, b.Route, name)
			}
		}
	}
}

// TestAlertsAskForWordsThatAreWritten compares the queries' words with the functions' names and
// with what the code logs.
func TestAlertsAskForWordsThatAreWritten(t *testing.T) {
	queries := map[string]string{}
	s := load(t, plain)
	for _, r := range s.of(alertRules) {
		name := strings.TrimSuffix(strings.TrimPrefix(r.name(), "alert-"),
			r.name()[strings.LastIndex(r.name(), "-ledger-"):])
		queries[name] = textOf(r.list("criteria.allOf")[0].(map[string]any)["query"])
	}
	for name, f := range functions(t) {
		if f.Bindings[0].Type == "timerTrigger" {
			require.Contains(t, queries["invocations-failed"], `"`+name+`"`)
			require.Contains(t, queries["timers-silent"], `"`+name+`"`)
		}
	}
	require.Contains(t, queries["archive-stale"], `Name == "archivelogs"`)
	retry, err := os.ReadFile(filepath.Join(root, "internal", "graph", "retry.go"))
	require.NoError(t, err)
	require.Contains(t, string(retry), `"trying again", "doing", doing, "code", entra.CodeOf(err),`)
	require.Contains(t, queries["throttled"], `"trying again"`)
	require.Contains(t, queries["throttled"], `"`+string(entra.CodeThrottled)+`"`)
	// The platform's SIGTERM, and the end that asks the host for another start, are no faults.
	for _, code := range []string{"143", "200"} {
		require.Contains(t, queries["handler-restarting"], "exited with code "+code)
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
	require.ElementsMatch(t, []string{funchost.RoleRead, funchost.RoleOperate}, values)
}
