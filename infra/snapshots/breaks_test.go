package snapshots_test

import "strings"

const (
	noKeys       = "storage takes no keys, nothing anonymous, and TLS 1.2 only"
	notPublic    = "storage answers on the internet only where it is not private"
	restorable   = "what is deleted from blobs can be restored"
	kept         = "the archive can't be deleted, and its heads can't be changed"
	rolesOf      = "the app's identity has the roles that the code names, and nobody else has any"
	oneIdentity  = "the app is one user-assigned identity"
	noLocal      = "monitoring takes no keys"
	keyless      = "nothing holds or hands out a key"
	noPasswords  = "nobody publishes with a password"
	tls          = "the app is reached by TLS 1.2 only"
	authenticate = "authentication is written whether it is on or off"
)

var securityBreaks = []breaking{
	{noKeys, "small", "shared keys", set(accounts, "allowSharedKeyAccess", true)},
	{noKeys, "small", "shared keys by default", set(accounts, "allowSharedKeyAccess", nil)},
	{noKeys, "small", "public blobs", set(accounts, "allowBlobPublicAccess", true)},
	{noKeys, "small", "old TLS", set(accounts, "minimumTlsVersion", "TLS1_0")},
	{noKeys, "small", "plain HTTP", set(accounts, "supportsHttpsTrafficOnly", false)},
	{noKeys, "small", "replication to another tenant", set(accounts, "allowCrossTenantReplication", true)},
	{noKeys, "small", "a portal that uses keys", set(accounts, "defaultToOAuthAuthentication", false)},
	{noKeys, "small", "a public container", set(containers, "publicAccess", "Blob")},
	{notPublic, "private", "a public account", set(accounts, "publicNetworkAccess", "Enabled")},
	{notPublic, "private", "an open firewall", set(accounts, "networkAcls.defaultAction", "Allow")},
	{notPublic, "private", "a firewall that lets no Azure service in", set(accounts, "networkAcls.bypass", "None")},
	{notPublic, "small", "an account that nobody reaches", set(accounts, "publicNetworkAccess", "Disabled")},
	{restorable, "small", "no soft delete", set(blobService, "deleteRetentionPolicy.enabled", false)},
	{restorable, "small", "no days", set(blobService, "containerDeleteRetentionPolicy.days", 0.0)},
	{restorable, "small", "an account without", drop(blobService, "")},
	{kept, "small", "no lock", drop(locks, "")},
	{kept, "chosen", "a lock that nobody asked for",
		add(predicted{Type: locks, Properties: map[string]any{"level": "CanNotDelete"}})},
	{kept, "small", "a lock against writing", set(locks, "level", "ReadOnly")},
	{kept, "small", "a lock on the host's account",
		change(locks, func(r *predicted) { r.ID = strings.Replace(textOf(r.ID), "a/providers", "h/providers", 1) })},
	{kept, "small", "no policy", drop(policies, "")},
	{kept, "locked", "a policy beside a locked one", add(predicted{Type: policies, ID: "x"})},
	{kept, "small", "a policy of no days", set(policies, "immutabilityPeriodSinceCreationInDays", 0.0)},
	{kept, "small", "appending to heads", set(policies, "allowProtectedAppendWrites", true)},
	{kept, "small", "no container for the heads", drop(containers, "entraledger-heads")},
	{rolesOf, "small", "a missing role", drop(roles, "")},
	{rolesOf, "small", "another role",
		change(roles,
			func(r *predicted) { r.Properties["roleDefinitionId"] = "/x/8e3af657-a8ff-443c-a75c-2fe8c4bcb635" })},
	{rolesOf, "small", "another principal", set(roles, "principalId", "66666666-6666-4666-8666-666666666666")},
	{rolesOf, "small", "a user", set(roles, "principalType", "User")},
	{rolesOf, "small", "a role on the group",
		change(roles, func(r *predicted) { r.ID = open("extensionResourceId('/x', 'y', guid('z'))") })},
	{rolesOf, "small", "a name that is the same for every principal",
		change(roles, func(r *predicted) { r.Name = "a-fixed-name" })},
	{rolesOf, "grants", "a role beside grants", add(predicted{Type: roles})},
	{oneIdentity, "small", "a system identity",
		change(sites, func(r *predicted) { r.Identity["type"] = "SystemAssigned, UserAssigned" })},
	{oneIdentity, "small", "a deployment by connection string",
		set(sites, "functionAppConfig.deployment.storage.authentication.type", "StorageAccountConnectionString")},
	{noLocal, "small", "ingestion by key", set(components, "DisableLocalAuth", false)},
	{noLocal, "small", "a workspace's key", set(workspaces, "features.disableLocalAuth", nil)},
	{keyless, "small", "a connection string", setting("ARCHIVE_STORAGE", "AccountName=x;AccountKey=y")},
	{keyless, "small", "keys read at deployment", setting("X", "<listKeys('/x', '1').keys[0].value>")},
	{noPasswords, "small", "FTP", set(publishing, "allow", true)},
	{noPasswords, "small", "SCM as it is by default", drop(publishing, "scm")},
	{tls, "small", "plain HTTP", set(sites, "httpsOnly", false)},
	{tls, "small", "old TLS", set(sites, "siteConfig.minTlsVersion", "1.0")},
	{tls, "small", "old TLS of the SCM site", set(sites, "siteConfig.scmMinTlsVersion", nil)},
	{tls, "small", "a debugger", set(sites, "siteConfig.remoteDebuggingEnabled", true)},
	{authenticate, "small", "nothing written", drop(configs, "authsettingsV2")},
	{authenticate, "entra", "authentication that is off", set(configs, "platform.enabled", false)},
	{authenticate, "entra", "another path that takes no token",
		set(configs, "globalValidation.excludedPaths", []any{"/api/ui", "/api/ui/*", "/api/*"})},
	{authenticate, "entra", "anonymous callers",
		set(configs, "globalValidation.unauthenticatedClientAction", "AllowAnonymous")},
	{authenticate, "entra", "a redirect that no flow follows",
		set(configs, "globalValidation.unauthenticatedClientAction", "RedirectToLoginPage")},
	{authenticate, "entra", "any audience", set(configs, "identityProviders.azureActiveDirectory.validation", nil)},
	{authenticate, "government", "the public cloud's issuer",
		set(configs, "identityProviders.azureActiveDirectory.registration.openIdIssuer",
			"https://login.microsoftonline.com/"+tenantID+"/v2.0")},
	{authenticate, "entra", "a handler that takes keys alone", setting("HTTP_AUTHORIZATION", "key")},
	{authenticate, "small", "a handler that waits for tokens", setting("HTTP_AUTHORIZATION", "entra")},
	{authenticate, "small", "a token store", set(configs, "login.tokenStore.enabled", true)},
	{authenticate, "small", "another configuration", change(configs, func(r *predicted) { r.Name = "func/web" })},
}

const (
	flexPlan   = "the plan and the app are of Flex Consumption"
	flexTakes  = "the app has nothing that Flex Consumption refuses"
	fromHost   = "the package is deployed from the host's storage, which the identity can write"
	code       = "the code comes from a release's address, or not at all"
	hostByName = "the host reaches its storage by identity, and by name where the public cloud's suffix is right"
	sameOne    = "telemetry and the archive are reached by the same identity"
	byHand     = "settings that were added by hand are kept, and the template's own come first"
	upgrading  = "an upgrade keeps the settings that are there, refuses a bare AzureWebJobsStorage, and " +
		"writes nothing else"
)

var appBreaks = []breaking{
	{flexPlan, "small", "a plan of another kind", change(plans, func(r *predicted) { r.SKU["name"] = "EP1" })},
	{flexPlan, "small", "Windows", set(plans, "reserved", false)},
	{flexPlan, "small", "an app of another kind", change(sites, func(r *predicted) { r.Kind = "functionapp" })},
	{flexPlan, "small", "another runtime", set(sites, "functionAppConfig.runtime.name", "node")},
	{flexPlan, "small", "a size that is not sold",
		set(sites, "functionAppConfig.scaleAndConcurrency.instanceMemoryMB", 1024.0)},
	{flexPlan, "small", "too few instances",
		set(sites, "functionAppConfig.scaleAndConcurrency.maximumInstanceCount", 5.0)},
	{flexPlan, "small", "another plan", set(sites, "serverFarmId", "/x")},
	{flexTakes, "small", "ftpsState", set(sites, "siteConfig.ftpsState", "Disabled")},
	{flexTakes, "small", "alwaysOn", set(sites, "siteConfig.alwaysOn", true)},
	{flexTakes, "small", "linuxFxVersion", set(sites, "siteConfig.linuxFxVersion", "CUSTOM|1")},
	{flexTakes, "small", "use32BitWorkerProcess", set(sites, "siteConfig.use32BitWorkerProcess", false)},
	{flexTakes, "small", "a member that nobody looked at", set(sites, "siteConfig.webSocketsEnabled", true)},
	{flexTakes, "small", "a worker runtime", setting("FUNCTIONS_WORKER_RUNTIME", "custom")},
	{flexTakes, "small", "an extension version", setting("FUNCTIONS_EXTENSION_VERSION", "~4")},
	{flexTakes, "small", "a package's address", setting("WEBSITE_RUN_FROM_PACKAGE", "1")},
	{flexTakes, "small", "a content share", setting("WEBSITE_CONTENTSHARE", "x")},
	{flexTakes, "small", "a build", setting("SCM_DO_BUILD_DURING_DEPLOYMENT", "false")},
	{flexTakes, "small", "a time zone", setting("TZ", "Europe/Berlin")},
	{flexTakes, "small", "a bare AzureWebJobsStorage", setting("AzureWebJobsStorage", "UseDevelopmentStorage=true")},
	{fromHost, "small", "another address",
		set(sites, "functionAppConfig.deployment.storage.value", "https://x.blob.core.windows.net/app-package")},
	{fromHost, "small", "no container", drop(containers, "app-package")},
	{code, "small", "no code", drop(packages, "onedeploy")},
	{code, "nocode", "code", add(predicted{Type: packages})},
	{code, "small", "plain HTTP",
		set(packages, "packageUri",
			"http://github.com/entraledger/entraledger/releases/download/v0.1.0/entraledger.zip")},
	{code, "small", "another release",
		set(packages, "packageUri",
			"https://github.com/entraledger/entraledger/releases/download/v0.0.9/entraledger.zip")},
	{code, "upgrade", "a build", set(packages, "remoteBuild", true)},
	{code, "small", "another extension", change(packages, func(r *predicted) { r.Name = "func/MSDeploy" })},
	{hostByName, "small", "no name", unset("AzureWebJobsStorage__accountName")},
	{hostByName, "government", "a name that ends in another cloud",
		setting("AzureWebJobsStorage__accountName", "stledger7vewlqxkh")},
	{hostByName, "small", "the archive's account", setting("AzureWebJobsStorage__accountName", "stledger7vewlqxka")},
	{hostByName, "small", "no identity", unset("AzureWebJobsStorage__credential")},
	{hostByName, "small", "no queues", unset("AzureWebJobsStorage__queueServiceUri")},
	{hostByName, "government", "the public cloud's suffix",
		setting("AzureWebJobsStorage__blobServiceUri", "https://stledger7vewlqxkh.blob.core.windows.net")},
	{sameOne, "small", "telemetry of a system identity",
		setting("APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "Authorization=AAD")},
	{sameOne, "small", "no telemetry", unset("APPLICATIONINSIGHTS_CONNECTION_STRING")},
	{sameOne, "chosen", "the archive's usual account", setting("ARCHIVE_STORAGE__tableServiceUri",
		"<reference('"+group+accounts+"/stledger7vewlqxka', '2025-06-01').primaryEndpoints.table>")},
	{byHand, "small", "nothing kept", change(sites, func(r *predicted) {
		list := r.list("siteConfig.appSettings")
		put(r.Properties, "siteConfig.appSettings", list[:len(list)-1])
	})},
	{byHand, "small", "everything kept, the template's names as well", change(sites, func(r *predicted) {
		list := r.list("siteConfig.appSettings")
		list[len(list)-1] = open("map(items(parameters('otherSettings')), lambda('other', 'x'))")
	})},
	{upgrading, "upgrade", "defaults over what is there", change(configs, func(r *predicted) {
		r.Properties[""] = open("union(" + string(r.Properties[""].(open)) + ", createObject('ARCHIVE_HOLD', ''))")
	})},
	{upgrading, "upgrade", "a bare AzureWebJobsStorage that passes", change(configs, func(r *predicted) {
		r.Properties[""] = open(strings.Replace(string(r.Properties[""].(open)), "fail(", "createObject(", 1))
	})},
	{upgrading, "upgrade", "an app of somebody else that passes", change(configs, func(r *predicted) {
		r.Properties[""] = open(strings.Replace(string(r.Properties[""].(open)), "createObject(), fail(",
			"createObject(), createObject(", 1))
	})},
	{upgrading, "upgrade", "authentication written as well", add(predicted{Type: publishing})},
}

const (
	versions  = "every type is known, and asked for by the version that was looked at"
	fits      = "every name fits its type"
	noTwice   = "no two resources have one id"
	unique    = "names that have to be free in all of Azure hold the name and eight characters of the group's id"
	tagged    = "everything that takes tags says which deployment and which part it is of"
	inRegion  = "everything is in the region that was asked for"
	sixtyFour = "a-name-of-64-characters-0123456789012345678901234567890123456789"
)

func named(kind, name string) func(*snapshot) bool {
	return change(kind, func(r *predicted) { r.Name = name })
}

func tag(kind, name, value string) func(*snapshot) bool {
	return change(kind, func(r *predicted) {
		if r.Tags == nil {
			r.Tags = map[string]string{}
		}
		r.Tags[name] = value
	})
}

var nameBreaks = []breaking{
	{versions, "small", "a version that nobody looked at",
		change(accounts, func(r *predicted) { r.APIVersion = "2023-05-01" })},
	{versions, "private", "a version that makes subnets private",
		change(networks, func(r *predicted) { r.APIVersion = "2025-07-01" })},
	{versions, "small", "a type that nobody looked at",
		add(predicted{Type: "Microsoft.KeyVault/vaults", APIVersion: "2024-11-01"})},
	{fits, "small", "an account with a hyphen", named(accounts, "st-ledger")},
	{fits, "small", "an account of 25 characters", named(accounts, "stledgerledgerledgerledger")},
	{fits, "small", "an app of 33 characters", named(sites, "func-ledger-ledger-ledger-ledger1")},
	{fits, "small", "an alert with a colon", named(alertRules, "alert: stale")},
	{fits, "small", "a workspace of 64 characters", named(workspaces, sixtyFour)},
	{fits, "small", "a container with capitals", named(containers, "st/default/Heads")},
	{fits, "private", "an endpoint of 66 characters", named(endpoints, "pe"+sixtyFour)},
	{fits, "private", "a zone that is no private link's", named(zones, "blob.core.windows.net")},
	{fits, "small", "a role that is named by what it is", named(roles, "blob-contributor")},
	{fits, "small", "a short name of 13 characters", set(mailGroups, "groupShortName", "EntraLedger13")},
	{noTwice, "private", "two endpoints of one name", change(endpoints, func(r *predicted) { r.ID = "/same" })},
	{unique, "small", "an app that is named as everybody's", named(sites, "func-ledger")},
	{unique, "longname", "an account without the group's characters", named(accounts, "stledgerledgea")},
	{unique, "chosen", "another account than the one asked for", named(accounts, "stother")},
	{tagged, "small", "no tags", change(plans, func(r *predicted) { r.Tags = nil })},
	{tagged, "small", "another deployment", tag(sites, "entraledger", "other")},
	{tagged, "chosen", "a part that the caller chose", tag(components, "part", "not theirs to choose")},
	{tagged, "small", "accounts that changed their parts", change(accounts, func(r *predicted) {
		r.Tags["part"] = map[string]string{"archive": "host", "host": "archive"}[r.Tags["part"]]
	})},
	{tagged, "small", "tags on what takes none", tag(locks, "entraledger", "ledger")},
	{tagged, "longname", "a zone with a tag that it does not take", tag(zones, "cost centre", "4711")},
	{tagged, "longname", "a link with a tag that it does not take", tag(zoneLinks, "2nd (owner)", "ada")},
	{inRegion, "nocode", "the group's region, where another one was asked for", change(sites,
		func(r *predicted) { r.Location = "westeurope" })},
	{inRegion, "government", "another region", change(sites, func(r *predicted) { r.Location = "westeurope" })},
	{inRegion, "private", "a zone in a region", change(zones, func(r *predicted) { r.Location = "westeurope" })},
	{inRegion, "small", "an account without a region", change(accounts, func(r *predicted) { r.Location = "" })},
}

const (
	aNetwork  = "there is a network where it is private, and none otherwise"
	endpoint  = "private endpoints are for the services that are used, and names resolve to them"
	linked    = "each zone is linked to the network"
	ownSubnet = "the app goes out through a subnet of its own, large enough and in the network"
	noWayIn   = "the internet does not reach the subnet of the endpoints"
)

// inner changes the first element of a list of a type's resources.
func inner(kind, list, path string, v any) func(*snapshot) bool {
	return change(kind, func(r *predicted) { put(r.list(list)[0].(map[string]any), path, v) })
}

var networkBreaks = []breaking{
	{aNetwork, "small", "a network", add(predicted{Type: networks})},
	{aNetwork, "private", "no network", drop(networks, "")},
	{endpoint, "private", "an endpoint for another service",
		inner(endpoints, "privateLinkServiceConnections", "properties.groupIds", []any{"file"})},
	{endpoint, "private", "an endpoint for another account",
		inner(endpoints, "privateLinkServiceConnections", "properties.privateLinkServiceId", "/x")},
	{endpoint, "private", "an endpoint in the app's subnet", set(endpoints, "subnet.id", "/x/subnets/app")},
	{endpoint, "private", "an endpoint that no zone names",
		drop(zoneGroups, "pep-archive-table-ledger-7vewlqxk/default")},
	{endpoint, "government", "the public cloud's zones",
		change(zones, func(r *predicted) { r.Name = strings.Replace(r.name(), "usgovcloudapi", "windows", 1) })},
	{linked, "private", "a zone without a link", drop(zoneLinks, "")},
	{linked, "private", "a link to another network", set(zoneLinks, "virtualNetwork.id", "/x")},
	{linked, "private", "names of every machine", set(zoneLinks, "registrationEnabled", true)},
	{ownSubnet, "private", "no subnet for the app", set(sites, "virtualNetworkSubnetId", nil)},
	{ownSubnet, "small", "a subnet although it is public", set(sites, "virtualNetworkSubnetId", "/x")},
	{ownSubnet, "private", "a subnet that is too small",
		inner(networks, "subnets", "properties.addressPrefix", "10.90.0.0/28")},
	{ownSubnet, "private", "a subnet outside the network",
		inner(networks, "subnets", "properties.addressPrefix", "10.91.0.0/26")},
	{ownSubnet, "private", "subnets that overlap",
		inner(networks, "subnets", "properties.addressPrefix", "10.90.0.64/26")},
	{ownSubnet, "private", "a subnet that is not delegated", inner(networks, "subnets", "properties.delegations", nil)},
	{ownSubnet, "private", "endpoints without rules", change(networks, func(r *predicted) {
		put(r.list("subnets")[1].(map[string]any), "properties.networkSecurityGroup", nil)
	})},
	{noWayIn, "private", "no rule", set(firewalls, "securityRules", []any{})},
	{noWayIn, "private", "a rule that lets in", inner(firewalls, "securityRules", "properties.access", "Allow")},
	{noWayIn, "private", "a rule for one port",
		inner(firewalls, "securityRules", "properties.destinationPortRange", "443")},
}

const (
	oneWorkspace = "logs go to one workspace, with a cap and an end"
	anAlert      = "there is an alert for each thing that must not go unseen"
	told         = "each alert asks the workspace, is on, and tells the group"
	tuned        = "each alert is as grave, as patient and as quick as was thought out"
	inSight      = "no alert asks for what is older than what it looks at"
	often        = "each alert looks often enough at what it looks at"
	query        = "an alert's query is known before the deployment, asks for this app, and bears that a " +
		"table is not there yet"
	logged = "each access to the archive is logged where that was asked for"
)

var monitoringBreaks = []breaking{
	{oneWorkspace, "small", "no cap", set(workspaces, "workspaceCapping", nil)},
	{oneWorkspace, "small", "logs for ever", set(workspaces, "retentionInDays", -1.0)},
	{oneWorkspace, "small", "another workspace", set(components, "WorkspaceResourceId", "/x")},
	{anAlert, "small", "no alert for the cap", drop(alertRules, "log-cap-ledger-7vewlqxk")},
	{anAlert, "small", "no alert for silent timers", drop(alertRules, "timers-silent-ledger-7vewlqxk")},
	{told, "small", "an alert that is off", set(alertRules, "enabled", false)},
	{told, "small", "an alert that nobody gets", set(alertRules, "actions.actionGroups", []any{})},
	{told, "small", "an alert on another workspace", set(alertRules, "scopes", []any{"/x"})},
	{told, "small", "a query that a new workspace refuses", set(alertRules, "skipQueryValidation", false)},
	{told, "small", "an alert that does not say what to do", set(alertRules, "description", "It is broken.")},
	{told, "small", "a group that is off", set(mailGroups, "enabled", false)},
	{often, "small", "a period that there is not", set(alertRules, "evaluationFrequency", "PT7M")},
	{often, "small", "gaps between looks", set(alertRules, "windowSize", "PT5M")},
	{query, "small", "another app",
		inner(alertRules, "criteria.allOf", "query",
			`union isfuzzy=true (datatable()[]), AppRequests | where AppRoleName == "x"`)},
	{query, "small", "a table that is not there yet",
		inner(alertRules, "criteria.allOf", "query", `AppRequests | where AppRoleName == "func-ledger-7vewlqxk"`)},
	{query, "small", "a query that waits for the deployment",
		inner(alertRules, "criteria.allOf", "query", open("format('x')"))},
	{query, "small", "two criteria", change(alertRules, func(r *predicted) {
		put(r.Properties, "criteria.allOf", append(r.list("criteria.allOf"), r.list("criteria.allOf")...))
	})},
	{tuned, "small", "another comparison", inner(alertRules, "criteria.allOf", "operator", "GreaterThan")},
	{tuned, "small", "another threshold", inner(alertRules, "criteria.allOf", "threshold", 2.0)},
	{tuned, "small", "alerts that nobody sees", set(alertRules, "severity", 4.0)},
	{tuned, "small", "another pace", set(alertRules, "evaluationFrequency", "PT5M")},
	{tuned, "small", "another window", set(alertRules, "windowSize", "P1D")},
	{tuned, "small", "means instead of numbers", inner(alertRules, "criteria.allOf", "timeAggregation", "Average")},
	{tuned, "small", "only the second time", inner(alertRules, "criteria.allOf",
		"failingPeriods.minFailingPeriodsToAlert", 2.0)},
	{inSight, "small", "what is too old", inner(alertRules, "criteria.allOf", "query", "T | where A < ago(48h)")},
	{told, "chosen", "two receivers of one name", change(mailGroups, func(r *predicted) {
		for _, v := range r.list("emailReceivers") {
			v.(map[string]any)["name"] = "mail"
		}
	})},
	{told, "chosen", "mails of another form", inner(mailGroups, "emailReceivers", "useCommonAlertSchema", false)},
	{logged, "audit", "blobs that are not logged", drop(logging, "")},
	{logged, "small", "logging that nobody asked for", add(predicted{Type: logging, ID: "/x"})},
	{logged, "audit", "reading that is not logged", inner(logging, "logs", "enabled", false)},
	{logged, "audit", "another workspace", set(logging, "workspaceId", "/x")},
}
