package gate

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// rule is what every resource of a type has to say at a path, in the words of the file. Several: one of them.
type rule struct {
	resource string // without its version
	path     string
	says     []string
}

// rules are the project's own: no keys, no passwords, no old TLS, nothing open to the public, and what makes Flex Consumption Flex
// Consumption, where the index of types would take any text.
var rules = []rule{
	{"Microsoft.Storage/storageAccounts", "properties.allowSharedKeyAccess", []string{"false"}},
	{"Microsoft.Storage/storageAccounts", "properties.allowBlobPublicAccess", []string{"false"}},
	{"Microsoft.Storage/storageAccounts", "properties.allowCrossTenantReplication", []string{"false"}},
	{"Microsoft.Storage/storageAccounts", "properties.defaultToOAuthAuthentication", []string{"true"}},
	{"Microsoft.Storage/storageAccounts", "properties.minimumTlsVersion", []string{"'TLS1_2'"}},
	{"Microsoft.Storage/storageAccounts", "properties.supportsHttpsTrafficOnly", []string{"true"}},
	{"Microsoft.Storage/storageAccounts", "properties.publicNetworkAccess", []string{"isPrivate ? 'Disabled' : 'Enabled'"}},
	{"Microsoft.Storage/storageAccounts", "properties.networkAcls.defaultAction", []string{"isPrivate ? 'Deny' : 'Allow'"}},
	{"Microsoft.Storage/storageAccounts/blobServices", "properties.deleteRetentionPolicy.enabled", []string{"true"}},
	{"Microsoft.Storage/storageAccounts/blobServices", "properties.containerDeleteRetentionPolicy.enabled", []string{"true"}},
	{"Microsoft.Storage/storageAccounts/blobServices/containers", "properties.publicAccess", []string{"'None'"}},
	{"Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies", "properties.allowProtectedAppendWrites", []string{"false"}},
	{"Microsoft.Web/serverfarms", "kind", []string{"'functionapp'"}},
	{"Microsoft.Web/serverfarms", "sku.tier", []string{"'FlexConsumption'"}},
	{"Microsoft.Web/serverfarms", "sku.name", []string{"'FC1'"}},
	{"Microsoft.Web/serverfarms", "properties.reserved", []string{"true"}},
	{"Microsoft.Web/sites", "kind", []string{"'functionapp,linux'"}},
	{"Microsoft.Web/sites", "identity.type", []string{"'UserAssigned'"}},
	{"Microsoft.Web/sites", "properties.httpsOnly", []string{"true"}},
	{"Microsoft.Web/sites", "properties.siteConfig.minTlsVersion", []string{"'1.2'", "'1.3'"}},
	{"Microsoft.Web/sites", "properties.siteConfig.scmMinTlsVersion", []string{"'1.2'", "'1.3'"}},
	{"Microsoft.Web/sites", "properties.siteConfig.ftpsState", []string{"'Disabled'"}},
	{"Microsoft.Web/sites", "properties.siteConfig.remoteDebuggingEnabled", []string{"false"}},
	{"Microsoft.Web/sites", "properties.functionAppConfig.deployment.storage.type", []string{"'blobContainer'"}},
	{"Microsoft.Web/sites", "properties.functionAppConfig.deployment.storage.authentication.type", []string{"'UserAssignedIdentity'"}},
	{"Microsoft.Web/sites", "properties.functionAppConfig.runtime.name", []string{"'custom'"}},
	{"Microsoft.Web/sites", "properties.functionAppConfig.runtime.version", []string{"'1.0'"}},
	{"Microsoft.Web/sites/basicPublishingCredentialsPolicies", "properties.allow", []string{"false"}},
	{"Microsoft.Web/sites/config", "properties.platform.enabled", []string{"true"}},
	{"Microsoft.Web/sites/config", "properties.globalValidation.requireAuthentication", []string{"true"}},
	{"Microsoft.Web/sites/config", "properties.globalValidation.unauthenticatedClientAction", []string{"'Return401'"}},
	{"Microsoft.Web/sites/config", "properties.httpSettings.requireHttps", []string{"true"}},
	{"Microsoft.Web/sites/config", "properties.identityProviders.azureActiveDirectory.enabled", []string{"true"}},
	{"Microsoft.Web/sites/config", "properties.login.tokenStore.enabled", []string{"false"}},
	{"Microsoft.Insights/components", "kind", []string{"'web'"}},
	{"Microsoft.Insights/components", "properties.DisableLocalAuth", []string{"true"}},
	{"Microsoft.Insights/components", "properties.IngestionMode", []string{"'LogAnalytics'"}},
	{"Microsoft.Insights/scheduledQueryRules", "properties.enabled", []string{"true"}},
	{"Microsoft.Insights/actionGroups", "location", []string{"'global'"}},
	{"Microsoft.Insights/actionGroups", "properties.enabled", []string{"true"}},
	{"Microsoft.OperationalInsights/workspaces", "properties.features.disableLocalAuth", []string{"true"}},
	{"Microsoft.OperationalInsights/workspaces", "properties.features.enableLogAccessUsingOnlyResourcePermissions", []string{"true"}},
	{"Microsoft.Authorization/roleAssignments", "properties.principalType", []string{"'ServicePrincipal'"}},
	{"Microsoft.Authorization/locks", "properties.level", []string{"'CanNotDelete'"}},
	{"Microsoft.Network/privateDnsZones", "location", []string{"'global'"}},
	{"Microsoft.Network/privateDnsZones/virtualNetworkLinks", "location", []string{"'global'"}},
	{"Microsoft.Network/privateDnsZones/virtualNetworkLinks", "properties.registrationEnabled", []string{"false"}},
	{"Microsoft.Network/networkSecurityGroups", "properties.securityRules.0.properties.access", []string{"'Deny'"}},
	{"Microsoft.Network/networkSecurityGroups", "properties.securityRules.0.properties.direction", []string{"'Inbound'"}},
	{"Microsoft.Network/networkSecurityGroups", "properties.securityRules.0.properties.sourceAddressPrefix", []string{"'Internet'"}},
}

// onFlexNever are settings that Flex Consumption refuses, or that would bring a key. Source: learn.microsoft.com/azure/azure-functions/
// functions-app-settings, "Flex Consumption plan deprecations".
var onFlexNever = []string{"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
	"WEBSITE_CONTENTSHARE", "WEBSITE_CONTENTOVERVNET", "SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD", "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT",
	"WEBSITE_TIME_ZONE", "TZ", "linuxFxVersion", "alwaysOn", "AzureWebJobsStorage", "ARCHIVE_STORAGE", "APPINSIGHTS_INSTRUMENTATIONKEY"}

// spans are what alert rules accept for frequencies and windows. Source: learn.microsoft.com/azure/azure-monitor/alerts/
// alerts-create-log-alert-rule.
var (
	spans    = []string{"PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H", "P1D", "P2D"}
	spanLike = regexp.MustCompile(`^PT?\d`)
)

// Resource is a resource that a file declares.
type Resource struct {
	Type     string // with its version
	Name     string // the symbol
	Existing bool
	typ      *typ
	body     node
	node     node
}

// Resources lists what the file declares.
func (f *File) Resources() []Resource {
	var out []Resource
	for _, d := range f.all {
		if d.what != "resource" {
			continue
		}
		if body, ok := f.body(d); ok {
			out = append(out, Resource{Type: d.resource, Name: d.name, Existing: d.existing, typ: f.typeOf(d), body: body, node: d.id})
		}
	}
	return out
}

// At is what the file says at a path within the resource, as it stands there; elements of arrays are numbered.
func (r Resource) At(path string) (string, bool) {
	n, ok := at(r.body, strings.Split(path, "."))
	if !ok {
		return "", false
	}
	return n.text(), true
}

func at(n node, path []string) (node, bool) {
	if len(path) == 0 {
		return n, true
	}
	for i, k := range n.kids() {
		if n.Kind() == "array" && len(path[0]) == 1 && int(path[0][0]-'0') == i {
			return at(k, path[1:])
		}
		if key, value, ok := property(k); ok && n.Kind() == "object" && key == path[0] {
			return at(value, path[1:])
		}
	}
	return node{}, false
}

// Texts are all texts of the file that are written out.
func (f *File) Texts() []string {
	var out []string
	var walk func(node)
	walk = func(n node) {
		if text, ok := n.literal(); ok {
			out = append(out, text)
		}
		for _, k := range n.kids() {
			walk(k)
		}
	}
	walk(f.root)
	return out
}

// policy holds a file against the rules.
func (f *File) policy() {
	for _, r := range f.Resources() {
		kind, _, _ := strings.Cut(r.Type, "@")
		for _, rule := range rules {
			if rule.resource != kind || r.Existing {
				continue
			}
			if says, ok := r.At(rule.path); !ok || !slices.Contains(rule.says, says) {
				f.report(r.node, "policy: %s of %s has to be %s", rule.path, r.Name, strings.Join(rule.says, " or "))
			}
		}
		if says, _ := r.At("tags"); r.typ.props["tags"].typ != nil && says != "tags" && !r.Existing {
			f.report(r.node, "policy: %s carries no tags", r.Name)
		}
	}
	for _, text := range f.Texts() {
		if slices.Contains(onFlexNever, text) {
			f.report(f.root, "policy: %s has no place in Flex Consumption or brings a key", text)
		}
		if spanLike.MatchString(text) && !slices.Contains(spans, text) {
			f.report(f.root, "policy: %q is none of the lengths of time that alert rules take", text)
		}
	}
}

// ParameterDefault is the text of a parameter's default, as it stands in the file; ok is false where the file has none.
func (f *File) ParameterDefault(name string) (text string, ok bool) {
	d := f.params[name]
	if d == nil {
		return "", false
	}
	value, ok := d.value()
	if !ok {
		return "", false
	}
	return value.text(), true
}

// Accepted are the values that a parameter may have, where they are written out; of a list, its elements'.
func (f *File) Accepted(parameter string) []string {
	t := f.typeOf(f.params[parameter])
	if t.kind == list {
		t = t.element()
	}
	return t.literals
}

// Outputs names the file's outputs.
func (f *File) Outputs() []string { return slices.Sorted(maps.Keys(f.outputs)) }

// Parameters names the file's parameters.
func (f *File) Parameters() []string { return slices.Sorted(maps.Keys(f.params)) }
