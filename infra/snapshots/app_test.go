package snapshots_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// taken are the members of siteConfig that Flex Consumption accepts; it refuses the others of other
// plans (ftpsState, alwaysOn, linuxFxVersion, use32BitWorkerProcess, netFrameworkVersion,
// preWarmedInstanceCount, functionAppScaleLimit, functionsRuntimeScaleMonitoringEnabled) with
// "Site.SiteConfig... for Flex Consumption sites is invalid".
var taken = []string{"appSettings", "http20Enabled", "minTlsVersion", "remoteDebuggingEnabled", "scmMinTlsVersion"}

// refused are settings that Flex Consumption refuses or that conflict with an identity. Source:
// learn.microsoft.com, "Flex Consumption plan deprecated properties and settings".
var refused = []string{"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION",
	"FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_PROCESS_COUNT",
	"FUNCTIONS_MAX_HTTP_CONCURRENCY", "AzureWebJobsStorage", "AzureWebJobsDashboard", "SCM_DO_BUILD_DURING_DEPLOYMENT",
	"ENABLE_ORYX_BUILD", "TZ"}

var appRules = map[string]rule{
	"the plan and the app are of Flex Consumption": func(s *snapshot) (out []string) {
		if !s.isApp() {
			return nil
		}
		plan, app := s.one(plans), s.one(sites)
		if plan.SKU["name"] != "FC1" || plan.SKU["tier"] != "FlexConsumption" || plan.Kind != "functionapp" ||
			app.Kind != "functionapp,linux" {
			out = append(out, fmt.Sprintf("the plan is a %s of %v, the app a %s", plan.Kind, plan.SKU, app.Kind))
		}
		out = append(out, want(plan, "reserved", true)...)
		out = append(out, wantAll(app, map[string]any{"serverFarmId": textOf(plan.ID),
			"functionAppConfig.runtime.name":            "custom",
			"functionAppConfig.runtime.version":         "1.0",
			"functionAppConfig.deployment.storage.type": "blobContainer"})...)
		memory, _ := app.at("functionAppConfig.scaleAndConcurrency.instanceMemoryMB").(float64)
		instances, _ := app.at("functionAppConfig.scaleAndConcurrency.maximumInstanceCount").(float64)
		if !slices.Contains([]float64{512, 2048, 4096}, memory) || instances < 40 || instances > 1000 {
			out = append(out, fmt.Sprintf("%v instances of %v MB", instances, memory))
		}
		return out
	},
	"the app has nothing that Flex Consumption refuses": func(s *snapshot) (out []string) {
		for _, app := range s.of(sites) {
			config, _ := app.at("siteConfig").(map[string]any)
			for member := range config {
				if !slices.Contains(taken, member) {
					out = append(out, "siteConfig."+member)
				}
			}
			have, _ := app.settings()
			for name := range have {
				if slices.Contains(refused, name) || strings.HasPrefix(name, "WEBSITE_") {
					out = append(out, "setting "+name)
				}
			}
		}
		return out
	},
	"the package is deployed from the host's storage, which the identity can write": func(s *snapshot) []string {
		if !s.isApp() {
			return nil
		}
		account := s.account("h")
		address := fmt.Sprintf("<reference('%s', '%s').primaryEndpoints.blob>app-package", account,
			s.versionOf(accounts))
		out := want(s.one(sites), "functionAppConfig.deployment.storage.value", address)
		container := account + "/blobServices/default/containers/app-package"
		if !slices.ContainsFunc(s.of(containers), func(r *predicted) bool { return textOf(r.ID) == container }) {
			out = append(out, "there is no container "+container)
		}
		return out
	},
	"the code comes from a release's address, or not at all": func(s *snapshot) (out []string) {
		if s.noCode || !s.isApp() && s.template != "upgrade.bicep" {
			return wantCount(s, packages, 0)
		}
		out = wantCount(s, packages, 1)
		r := s.one(packages)
		if r.last() != "onedeploy" {
			out = append(out, "the extension is "+r.last())
		}
		address := cmp.Or(s.address,
			"https://github.com/entraledger/entraledger/releases/download/"+s.release+"/entraledger.zip")
		return append(out, wantAll(r, map[string]any{"packageUri": address, "remoteBuild": false})...)
	},
	"the host reaches its storage by identity, and by name where the public cloud's suffix is right": func(s *snapshot) (out []string) {
		if !s.isApp() {
			return nil
		}
		have, _ := s.one(sites).settings()
		suffix := clouds[s.cloud]["suffixes"].(map[string]any)["storage"].(string)
		account := s.account("h")[strings.LastIndex(s.account("h"), "/")+1:]
		client := fmt.Sprintf("<reference('%s', '%s').clientId>", textOf(s.one(identities).ID),
			s.one(identities).APIVersion)
		wanted := map[string]string{"credential": "managedidentity", "clientId": client}
		for _, service := range []string{"blob", "queue", "table"} {
			wanted[service+"ServiceUri"] = "https://" + account + "." + service + "." + suffix
		}
		if s.cloud == "AzureCloud" {
			wanted["accountName"] = account
		}
		got := map[string]string{}
		for name, value := range have {
			if rest, ok := strings.CutPrefix(name, "AzureWebJobsStorage__"); ok {
				got[rest] = value
			}
		}
		if !maps.Equal(wanted, got) {
			out = append(out, fmt.Sprintf("the host's storage is %v, not %v", got, wanted))
		}
		return out
	},
	"telemetry and the archive are reached by the same identity": func(s *snapshot) (out []string) {
		if !s.isApp() {
			return nil
		}
		have, _ := s.one(sites).settings()
		client := fmt.Sprintf("<reference('%s', '%s').clientId>", textOf(s.one(identities).ID),
			s.one(identities).APIVersion)
		version := s.versionOf(accounts)
		for name, wanted := range map[string]string{
			"AZURE_CLIENT_ID": client, "ARCHIVE_STORAGE__clientId": client,
			"ARCHIVE_STORAGE__tableServiceUri": fmt.Sprintf("<reference('%s', '%s').primaryEndpoints.table>",
				s.account("a"), version),
			"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "ClientId=" + client + ";Authorization=AAD",
			"APPLICATIONINSIGHTS_CONNECTION_STRING": fmt.Sprintf("<reference('%s', '%s').ConnectionString>",
				textOf(s.one(components).ID),
				s.one(components).APIVersion),
		} {
			if have[name] != wanted {
				out = append(out, fmt.Sprintf("%s is %s, not %s", name, have[name], wanted))
			}
		}
		return out
	},
	"settings that were added by hand are kept, and the template's own come first": func(s *snapshot) (out []string) {
		if !s.isApp() {
			return nil
		}
		// The compiler does not evaluate a secure parameter: of what is kept, only the form can be
		// seen.
		const kept = "filter(map(items(parameters('otherSettings')), lambda('other', createObject('name', " +
			"lambdaVariables('other').key, " +
			"'value', lambdaVariables('other').value))), lambda('kept', not(contains(variables('ownNames'), " +
			"toLower(lambdaVariables('kept').name)))))"
		list := s.one(sites).list("siteConfig.appSettings")
		if _, others := s.one(sites).settings(); !slices.Equal(others, []open{kept}) ||
			list[len(list)-1] != open(kept) {
			out = append(out, fmt.Sprintf("the last of the settings are %v", others))
		}
		return out
	},
	"an upgrade keeps the settings that are there, refuses a bare AzureWebJobsStorage, and writes nothing else": upgradeKeeps,
}

// versionOf is the version by which a type's resources are asked for.
func (s *snapshot) versionOf(kind string) string {
	for _, r := range s.of(kind) {
		return r.APIVersion
	}
	return ""
}

func upgradeKeeps(s *snapshot) (out []string) {
	if s.template != "upgrade.bicep" {
		return nil
	}
	if len(s.Resources) != 2 {
		out = append(out, fmt.Sprintf("there are %d resources: the settings and the code are all that it writes",
			len(s.Resources)))
	}
	r := s.one(configs)
	union, _ := r.Properties[""].(open)
	app := group + sites + "/" + strings.TrimSuffix(r.name(), "/appsettings")
	current := fmt.Sprintf("list('%s/config/appsettings', '%s').properties", app, r.APIVersion)
	// Of a union the last one wins.
	if r.last() != "appsettings" || !strings.HasPrefix(string(union), "union(") ||
		!strings.HasSuffix(string(union), ", "+current+")") {
		out = append(out, fmt.Sprintf("the settings %s are %s", r.name(), union))
	}
	for _, refusal := range []string{"if(contains(" + current + ", 'AzureWebJobsStorage'), fail(",
		"if(contains(" + current + ", 'ARCHIVE_STORAGE__tableServiceUri'), createObject(), fail("} {
		if !strings.Contains(string(union), refusal) {
			out = append(out, "nothing says "+refusal)
		}
	}
	return out
}
