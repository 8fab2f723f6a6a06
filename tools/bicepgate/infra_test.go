package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/funchost"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/tools/bicepgate/gate"
)

const root = "../.."

// ours are the project's files, checked.
func ours(t *testing.T) map[string]*gate.File {
	folder, err := gate.TypesFolder()
	require.NoError(t, err)
	index, err := gate.OpenIndex(folder)
	require.NoError(t, err)
	g := gate.New(index)
	t.Cleanup(g.Close)
	problems, checked, err := g.CheckTree(filepath.Join(root, "infra"))
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Greater(t, checked, 10)
	out := map[string]*gate.File{}
	for _, form := range []string{"*.bicep", "modules/*.bicep"} {
		paths, err := filepath.Glob(filepath.Join(root, "infra", form))
		require.NoError(t, err)
		for _, path := range paths {
			f, err := g.Check(path)
			require.NoError(t, err)
			out[filepath.Base(path)] = f
		}
	}
	return out
}

// appSettings are the names of the settings that Bicep gives the app.
func appSettings(files map[string]*gate.File) []string {
	form := regexp.MustCompile(`^[A-Z]{3,}_[A-Za-z0-9_]+$|^AzureWebJobs`)
	var out []string
	for _, name := range []string{"main.bicep", "app.bicep"} {
		for _, text := range files[name].Texts() {
			if form.MatchString(text) {
				out = append(out, text)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// elsewhere are settings of the code that an app in Azure does not get, with the reason.
var elsewhere = map[string]string{
	"ARCHIVE_STORAGE":              "a connection string holds a key",
	"GRAPH_ENDPOINT":               "AZURE_CLOUD says it",
	"FUNCTIONS_CUSTOMHANDLER_PORT": "the host sets it",
	"IDENTITY_ENDPOINT":            "the platform sets it",
	"IDENTITY_HEADER":              "the platform sets it",
}

// platform are settings that the Functions host reads, and no code of ours.
var platform = []string{"APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "APPLICATIONINSIGHTS_CONNECTION_STRING", "AzureWebJobsStorage__blobServiceUri",
	"AzureWebJobsStorage__clientId", "AzureWebJobsStorage__credential", "AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__tableServiceUri"}

func allSettings() []settings.Setting {
	return slices.Concat(settings.All(), settings.Schedules(), settings.Platform())
}

func TestEverySettingOfTheCodeIsInBicepAndTheOtherWayRound(t *testing.T) {
	want := slices.Clone(platform)
	for _, s := range allSettings() {
		if elsewhere[s.Name] == "" {
			want = append(want, s.Name)
		}
	}
	require.ElementsMatch(t, want, appSettings(ours(t)))
}

func TestEverySettingIsInTheExample(t *testing.T) {
	var example struct{ Values map[string]string }
	data, err := os.ReadFile(filepath.Join(root, "local.settings.json.example"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &example))
	for _, s := range allSettings() {
		if s.Name == "FUNCTIONS_CUSTOMHANDLER_PORT" || s.Name == "ARCHIVE_STORAGE__tableServiceUri" {
			continue // the host's, and the other way to name the storage
		}
		require.Contains(t, example.Values, s.Name)
		delete(example.Values, s.Name)
	}
	require.Empty(t, example.Values, "the example has settings that nothing reads")
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

func TestEveryScheduleThatAFunctionNamesIsInBicepAndTheOtherWayRound(t *testing.T) {
	var named, described []string
	inBicep := appSettings(ours(t))
	for name, f := range functions(t) {
		for _, b := range f.Bindings {
			if b.Type != "timerTrigger" {
				continue
			}
			setting := strings.Trim(b.Schedule, "%")
			require.Equal(t, "%"+setting+"%", b.Schedule, "%s: a schedule is a setting", name)
			require.True(t, b.Monitor, "%s: without the monitor, a run that was missed is not made up for", name)
			require.Contains(t, inBicep, setting)
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

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// graphAppID is Microsoft Graph itself, the same in every tenant.
const graphAppID = "00000003-0000-0000-c000-000000000000"

func TestEveryRoleIsInBicepAndTheOtherWayRound(t *testing.T) {
	var want, have []string
	for _, r := range preflight.Roles() {
		want = append(want, r.ID+" on "+r.On)
	}
	on := map[string]string{"hoststorage.bicep": "the Functions host's storage account", "archivestorage.bicep": "the archive's storage account", "monitoring.bicep": "Application Insights"}
	for name, f := range ours(t) {
		for _, text := range f.Texts() {
			if guid.MatchString(text) && text != graphAppID {
				require.NotEmpty(t, on[name], "%s has role %s", name, text)
				have = append(have, text+" on "+on[name])
			}
		}
	}
	require.ElementsMatch(t, want, have)
}

func TestEveryPermissionIsInBicepAndTheOtherWayRound(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z]+\.Read\.All$`)
	var want, have []string
	for _, p := range preflight.Permissions() {
		want = append(want, p.Name)
	}
	for _, text := range ours(t)["main.bicep"].Texts() {
		if form.MatchString(text) {
			have = append(have, text)
		}
	}
	require.ElementsMatch(t, want, have)
	// Always needed is what stands in the list without a condition.
	source, err := os.ReadFile(filepath.Join(root, "infra", "main.bicep"))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(source), "var graphPermissions = union(\n  [\n")
	always, _, _ := strings.Cut(rest, "]")
	for _, p := range preflight.Needed(nil, false) {
		require.Contains(t, always, "'"+p.Name+"'")
	}
	require.Equal(t, len(preflight.Needed(nil, false)), strings.Count(always, "'")/2)
}

// TestTheTemplatesDefaultsAreTheCodes reads what Bicep sets without any parameter as the handler would, and compares it with the
// handler's own defaults.
func TestTheTemplatesDefaultsAreTheCodes(t *testing.T) {
	main := ours(t)["main.bicep"]
	source, err := os.ReadFile(filepath.Join(root, "infra", "main.bicep"))
	require.NoError(t, err)
	env := map[string]string{"ARCHIVE_STORAGE__tableServiceUri": "https://x.table.core.windows.net"}
	for _, m := range regexp.MustCompile(`\{ name: '([A-Z_0-9]+)', value: (?:join\()?(\w+)`).FindAllStringSubmatch(string(source), -1) {
		value, ok := main.ParameterDefault(m[2])
		require.True(t, ok, "%s comes from a parameter with a default", m[1])
		value = strings.Join(strings.Fields(strings.Trim(value, "[]")), ",")
		env[m[1]] = strings.ReplaceAll(strings.Trim(value, "'"), "','", ",")
		if strings.HasSuffix(m[1], "_SCHEDULE") {
			env[m[1]] = strings.ReplaceAll(env[m[1]], ",", " ")
		}
	}
	deployed, err := settings.Load(func(name string) string { return env[name] })
	require.NoError(t, err)
	plain, err := settings.Load(func(name string) string {
		return map[string]string{"ARCHIVE_STORAGE__tableServiceUri": env["ARCHIVE_STORAGE__tableServiceUri"]}[name]
	})
	require.NoError(t, err)
	require.Equal(t, plain, deployed)
	for _, s := range settings.Schedules() {
		require.Equal(t, s.Default, env[s.Name])
	}
}

func TestTheTemplateOffersWhatTheCodeKnows(t *testing.T) {
	files := ours(t)
	var streams, clouds []string
	for _, s := range logs.Streams() {
		streams = append(streams, string(s))
	}
	for _, c := range settings.Clouds() {
		clouds = append(clouds, c.Name)
	}
	require.ElementsMatch(t, streams, files["main.bicep"].Accepted("streams"))
	require.ElementsMatch(t, clouds, files["main.bicep"].Accepted("cloud"))
	// The heads' container: package blobs writes to it, and can't be imported here without Azure's SDK.
	blobs, err := os.ReadFile(filepath.Join(root, "internal", "blobs", "blobs.go"))
	require.NoError(t, err)
	container := regexp.MustCompile(`const Container = "(.+)"`).FindSubmatch(blobs)
	require.NotNil(t, container)
	require.Contains(t, files["archivestorage.bicep"].Texts(), string(container[1]))
}

// TestAlertsAskForWordsThatAreWritten compares the queries' words with the functions' names and with what the code logs.
func TestAlertsAskForWordsThatAreWritten(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root, "infra", "modules", "alerts.bicep"))
	require.NoError(t, err)
	timers := map[string]bool{}
	for name, f := range functions(t) {
		timers[name] = f.Bindings[0].Type == "timerTrigger"
	}
	queries := strings.Join(regexp.MustCompile(`query: '.*'`).FindAllString(string(source), -1), "\n")
	for name, isTimer := range timers {
		if isTimer {
			require.Contains(t, queries, `"`+name+`"`, "no alert looks at %s", name)
		}
	}
	pages, err := os.ReadFile(filepath.Join(root, "internal", "graph", "retry.go"))
	require.NoError(t, err)
	require.Contains(t, string(pages), `"trying again", "doing", doing, "code", entra.CodeOf(err),`)
	require.Contains(t, queries, `"trying again"`)
	require.Contains(t, queries, `"`+string(entra.CodeThrottled)+`"`)
}

// TestPrivateEndpointsAreForTheServicesThatAreUsed names each storage account's services, with the zone that resolves it.
func TestPrivateEndpointsAreForTheServicesThatAreUsed(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root, "infra", "modules", "network.bicep"))
	require.NoError(t, err)
	text := strings.Join(strings.Fields(string(source)), " ")
	require.Contains(t, text, "var services = [ 'blob' 'queue' 'table' ]")
	for zone, service := range []string{"blob", "queue", "table"} {
		require.Contains(t, text, fmt.Sprintf("account: hostStorageId, service: '%s', zone: %d", service, zone), "the host uses all three")
		if service != "queue" {
			require.Contains(t, text, fmt.Sprintf("account: archiveStorageId, service: '%s', zone: %d", service, zone))
		}
	}
}

// TestTheScriptNamesWhatTheTemplateHas compares the outputs that infra/deploy.sh reads, and the parameters that it gives.
func TestTheScriptNamesWhatTheTemplateHas(t *testing.T) {
	main := ours(t)["main.bicep"]
	script, err := os.ReadFile(filepath.Join(root, "infra", "deploy.sh"))
	require.NoError(t, err)
	read := map[string]bool{}
	for _, m := range regexp.MustCompile(`\(output (\w+)`).FindAllStringSubmatch(string(script), -1) {
		read[m[1]] = true
		require.Contains(t, main.Outputs(), m[1])
	}
	require.Len(t, read, len(main.Outputs()), "each output is for the next step")
	for _, m := range regexp.MustCompile(`"(\w+)=\$`).FindAllStringSubmatch(string(script), -1) {
		if m[1] != "entraledger" { // the tag of the group
			require.Contains(t, main.Parameters(), m[1])
		}
	}
	for _, name := range []string{"destroy.sh", "deploy.sh"} {
		text, err := os.ReadFile(filepath.Join(root, "infra", name))
		require.NoError(t, err)
		if strings.Contains(string(text), "tags.part") {
			require.Contains(t, ours(t)["main.bicep"].Texts(), "archive", "the part that is kept")
		}
	}
}

func TestTheAppRolesAreThoseThatTheHandlerAsksFor(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "infra", "approles.json"))
	require.NoError(t, err)
	var roles []struct {
		ID, Value, DisplayName, Description string
		IsEnabled                           bool
		AllowedMemberTypes                  []string
	}
	require.NoError(t, json.Unmarshal(data, &roles))
	var values []string
	for _, r := range roles {
		require.Regexp(t, guid, r.ID)
		require.True(t, r.IsEnabled)
		require.NotEmpty(t, r.Description)
		require.ElementsMatch(t, []string{"User", "Application"}, r.AllowedMemberTypes)
		values = append(values, r.Value)
	}
	require.ElementsMatch(t, []string{funchost.RoleRead, funchost.RoleOperate}, values)
}
