# What is there now, as parameters of the template: so a deployment takes nothing back that it was
# not given. The input has the resources as ARM gives them (null: there is none), and the newest
# deployment of the whole template, whether it came to its end or not.

# The parameters that are settings of the app. infra/deploy_test.go compares the names with the
# template.
def setting_of: {
  cloud: "AZURE_CLOUD", streams: "ARCHIVE_STREAMS", backfill: "ARCHIVE_BACKFILL", passes: "ARCHIVE_PASSES",
    retention: "ARCHIVE_RETENTION",
  hold: "ARCHIVE_HOLD", alertAfter: "ARCHIVE_ALERT_AFTER", runBudget: "ARCHIVE_RUN_BUDGET",
  graceAfterRestore: "INACTIVE_GRACE_AFTER_RESTORE",
    archiveSchedule: "ARCHIVE_SCHEDULE",
  snapshotSchedule: "SNAPSHOT_SCHEDULE", indexSchedule: "INDEX_SCHEDULE", purgeSchedule: "PURGE_SCHEDULE",
    snapshotGroups: "SNAPSHOT_GROUPS",
  graphRequests: "GRAPH_REQUESTS_PER_10S", publicBaseUrl: "PUBLIC_BASE_URL",
  attributeAudits: "HTTP_ATTRIBUTE_AUDITS", mimPartsKeyReference: "MIM_PARTS_KEY" };

# Settings that the template makes of other things than a parameter, and the platform's own: no
# deployment hands them on.
def made: ["AzureWebJobsStorage__accountName", "AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId",
  "AzureWebJobsStorage__blobServiceUri",
  "AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__tableServiceUri",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
  "APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "AZURE_CLIENT_ID", "ARCHIVE_STORAGE__tableServiceUri",
    "ARCHIVE_STORAGE__clientId", "GOMEMLIMIT", "HTTP_AUTHORIZATION"];
def platform: ["AzureWebJobsStorage", "DEPLOYMENT_STORAGE_CONNECTION_STRING", "FUNCTIONS_EXTENSION_VERSION",
  "FUNCTIONS_WORKER_RUNTIME",
  "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE",
    "SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD"];

# What is decided anew each time, or found out elsewhere.
def never_kept: ["name", "location", "release", "packageUri", "headsLocked"];

def nonempty: . != null and . != "" and . != [] and . != {};
def lower: (. // "") | ascii_downcase;
def list: split(",") | map(gsub("^\\s+|\\s+$"; "")) | map(select(. != ""));
def settings: [(.settings // [])[] | {key: .name, value: (.value // "")}] | from_entries;
def azure_ad: .auth.properties.identityProviders.azureActiveDirectory // {};
def entra_on: .auth.properties.platform.enabled == true;
def ours($subnet): .vnet != null and ((.vnet.id | lower) as $network | $subnet | lower | startswith($network + "/"));
def whole: .history == null or .history.properties.provisioningState == "Succeeded";

# The app was taken away, and its archive kept: only the history knows how it was set.
def orphaned: .app == null and .archive != null;

# A deployment that failed left resources unmade: what it was given counts until they are there. One
# that succeeded is asked only for what no resource tells.
def from_history:
  (.template.parameters | keys) as $known | (whole and (orphaned | not)) as $whole | (.heads == null) as $unread
  | ((.history.properties.parameters // {}) | to_entries
    | map(select((.value | type) == "object" and (.value | has("value")) and .value.value != null and (.key
      | IN($known[])) and (.key | IN(never_kept[]) | not))
      | select(($whole | not) or (.key | IN("conditionalAccessDetails", "provisioningPermission", "hiddenGroups", "lockArchive"))
        or ($unread and .key == "headsImmutableDays"))
        | {key, value: .value.value}) | from_entries);

def from_app: if .app == null then {} else
  settings as $now
  | (setting_of | to_entries | map(. as $s | select($now | has($s.value))
      | {key: $s.key, value: (if $s.key == "streams" or $s.key == "snapshotGroups" then ($now[$s.value] | list)
        else $now[$s.value] end)}
      | select(.key != "streams" or .value != [])) | from_entries)
  + (.app.properties.functionAppConfig.scaleAndConcurrency // {} | {instanceMemoryMB, maximumInstanceCount}
    | with_entries(select(.value != null)))
  + (if entra_on then {entraClientId: (azure_ad.registration.clientId // "")}
    elif whole then {entraClientId: ""} else {} end)
  + {otherSettings: ($now | with_entries(select((.key | IN(setting_of[], made[], platform[])) | not)))} end;

def from_archive: if .archive == null then {} else
  {archiveAccountName: .archive.name, archiveRedundancy: .archive.sku.name}
  + (if .blobs.properties.deleteRetentionPolicy.enabled == true
    then {softDeleteDays: .blobs.properties.deleteRetentionPolicy.days} else {} end)
  + ((.heads.properties.immutabilityPolicy.properties.immutabilityPeriodSinceCreationInDays // 0) as $days
    | if $days > 0 then {headsImmutableDays: $days} else {} end)
  + (if any((.locks.value // [])[]; .name == "keep-the-archive") then {lockArchive: true} else {} end)
  + (if .audit != null then {auditArchiveAccess: true} elif whole and (orphaned | not) then {auditArchiveAccess: false} else {} end) end;

def from_monitoring:
  (.workspace.properties.retentionInDays as $days | if $days != null and $days >= 30 and $days <= 730
    then {logRetentionDays: $days} else {} end)
  + (.workspace.properties.workspaceCapping.dailyQuotaGb as $gb
    | if $gb != null and $gb >= 1 and $gb <= 100 and ($gb | floor) == $gb then {logDailyCapGb: ($gb | floor)}
      else {} end)
  + (if .group == null then {} else {alertEmails: [(.group.properties.emailReceivers // [])[].emailAddress]} end);

# The app says whether it goes through the network: a network that is no longer used stays where it
# is. An archive that was kept alone stays closed, as it was deployed.
def from_network:
  (.vnet.properties.addressSpace.addressPrefixes[0] // .history.properties.parameters.networkAddressPrefix.value) as $prefix
  | (.app.properties.virtualNetworkSubnetId // "") as $subnet
  | if (.app != null and ours($subnet))
      or (.app == null and .archive.properties.publicNetworkAccess == "Disabled"
        and .history.properties.parameters.network.value == "private")
    then {network: "private", networkAddressPrefix: $prefix}
    elif .app != null and whole then {network: "public"}
    else {} end;

# The tags that the template gives: those on which all resources agree. Zones take few tags.
def own_tags: with_entries(select(.key != "entraledger" and .key != "part" and (.key | startswith("hidden-") | not)));
def tagged: .name as $name | [.resources[] | select(.tags.entraledger == $name
  and (.type | startswith("microsoft.network/privatednszones") | not)) | {name, tags: (.tags | own_tags)}];
def from_tags: tagged | if . == [] then {} else
  (map(.tags) | . as $all | .[0] | with_entries(. as $t | select(all($all[]; .[$t.key] == $t.value)))) as $common
  | {tags: $common} end;
def odd_tags: from_tags.tags as $common | tagged | map(. as $r | .tags | to_entries[] | select($common[.key] != .value)
  | {key, value: "\($r.name): \(.value)"}) | group_by(.key)[]
  | "the tag \(.[0].key), which is not the same everywhere (\(.[:3] | map(.value) | join(", "))\(if length > 3 then ", ..." else "" end))";

# Alert rules as the template has them: their thresholds stand in no parameter.
def odd_rules: .name as $name | (.group.id | lower) as $group
  | (first(.template | .. | objects | .variables? | objects | .rules? | arrays) // []) as $own
  | (.rules.value // [])[] | select(.tags.entraledger == $name) | .name as $n | .properties
  | ([$own[] | select(.name as $o | $n | startswith("alert-\($o)-"))][0]) as $rule
  | (select(.enabled == false) | "the alert \($n) is switched off"),
    (select(.muteActionsDuration | nonempty) | "the alert \($n) is muted for \(.muteActionsDuration) after each time"),
    (select($rule != null and .criteria.allOf[0].threshold != null and .criteria.allOf[0].threshold != $rule.threshold)
      | "the threshold of the alert \($n): \(.criteria.allOf[0].threshold), and \($rule.threshold) in the template"),
    (select([(.actions.actionGroups // [])[] | lower] - [$group] != []) | "further action groups of the alert \($n)");

# What was made by hand and no parameter holds: the template would write over it.
def by_hand: . as $all | settings as $now | [
  (.app.identity // {} | select(.type != null) | select((.type | test("SystemAssigned"))
    or ((.userAssignedIdentities // {}) | length) > 1) | "further identities of the app"),
  odd_tags,
  odd_rules,
  (.app.properties.functionAppConfig.scaleAndConcurrency // {} | if .alwaysReady | nonempty
    then "always-ready instances of the app" else empty end),
  (.app.properties.functionAppConfig.scaleAndConcurrency // {} | if .triggers | nonempty
    then "the concurrency of the app's triggers" else empty end),
  (.app.properties.virtualNetworkSubnetId // "" | . as $subnet | select(nonempty) | select($all | ours($subnet) | not)
    | "the subnet that the app goes out through"),
  ((.archive, .host) | select(. != null) | select((.properties.networkAcls.bypass // "AzureServices")
      | gsub(" "; "") != "AzureServices")
    | "who passes by the network rules of \(.name): \(.properties.networkAcls.bypass)"),
  (.blobs.properties | select(. != null) | select(.containerDeleteRetentionPolicy != null
      and .containerDeleteRetentionPolicy.days != .deleteRetentionPolicy.days)
    | "days for which a deleted container can be restored: \(.containerDeleteRetentionPolicy.days // 0)"),
  (.vnet.properties // {} | (.subnets // []) as $subnets
    | (select(($subnets | map(.name) - ["app", "endpoints"]) != []) | "further subnets of the network"),
      (select($subnets | any(.properties.natGateway != null or .properties.routeTable != null
          or (.properties.serviceEndpoints | nonempty)))
        | "gateways, routes or service endpoints of the network's subnets"),
      (select($subnets | any(.name == "app" and .properties.networkSecurityGroup != null))
        | "a security group of the app's subnet"),
      (select(.dhcpOptions.dnsServers | nonempty) | "DNS servers of the network"),
      (select((.addressSpace.addressPrefixes // []) | length > 1) | "further addresses of the network")),
  ((.archive, .host) | select(. != null) | select([.properties.networkAcls | .ipRules, .virtualNetworkRules,
    .resourceAccessRules] | any(nonempty))
    | "network rules of \(.name)"),
  (.group.properties // {} | select(.enabled == false) | "the action group is switched off"),
  (.group.properties // {} | to_entries[] | select((.key | test("Receivers$")) and .key != "emailReceivers"
    and (.value | nonempty)) | "\(.key) of the action group"),
  (.workspace.properties | select(. != null) | select(.retentionInDays < 30 or .retentionInDays > 730)
    | "days of retention in Log Analytics: \(.retentionInDays)"),
  (.workspace.properties.workspaceCapping.dailyQuotaGb | select(. != null) | select(. < 1 or . > 100 or floor != .)
    | "the daily cap of Log Analytics: \(if . < 0 then "none" else "\(.) GB" end)"),
  (select(.app != null and whole and ($now | has("HTTP_AUTHORIZATION"))
    and (($now.HTTP_AUTHORIZATION == "entra") != entra_on))
    | "HTTP_AUTHORIZATION is \($now.HTTP_AUTHORIZATION), and App Service's authentication is \(if entra_on then "on" else "off" end)"),
  (select(entra_on) | .auth.properties.identityProviders // {} | to_entries[] | select(.key != "azureActiveDirectory"
      and .value.enabled != false and (.value.registration | . != null and (map_values(select(nonempty)) | nonempty)))
    | "the identity provider \(.key)"),
  (select(entra_on) | azure_ad as $ad | $ad.registration.clientId as $id
    | (select(((($ad.validation.allowedAudiences // []) - [$id, "api://\($id)"]) | nonempty)
        or ($ad.validation.defaultAuthorizationPolicy.allowedApplications | nonempty)
        or ($ad.validation.defaultAuthorizationPolicy.allowedPrincipals // {} | map_values(select(nonempty)) | nonempty)
        or ($ad.validation.jwtClaimChecks // {} | map_values(select(nonempty)) | nonempty))
          | "audiences, applications or principals of the authentication"),
      (select((.auth.properties.globalValidation.excludedPaths // []) - ["/api/ui", "/api/ui/*"] | nonempty) | "paths that the authentication leaves out"))
];

# Accounts that are closed: a deployment without a network of its own would open them.
def closed: [(.archive, .host) | select(. != null) | select(.properties | .publicNetworkAccess == "Disabled"
  or .networkAcls.defaultAction == "Deny")
  | "\(.name) is closed to the internet"];

{
  kept: (from_history + from_app + from_archive + from_monitoring + from_network + from_tags
    | with_entries(select(.value != null))),
  by_hand: by_hand,
  closed: closed,
  place: ((.app.location // .archive.location // "") | ascii_downcase | gsub(" "; "")),
  placed: (.app.name // .archive.name),
  told_entra: (settings.HTTP_AUTHORIZATION == "entra"),
  own_names: [setting_of[], made[], platform[]],
  bare: (settings | has("AzureWebJobsStorage")),
  heads_locked: (.heads.properties.immutabilityPolicy.properties.state == "Locked"),
  settings: setting_of
}
