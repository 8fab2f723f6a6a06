# shellcheck shell=bash disable=SC2034,SC2154 # names are shared with the script that sources this
# What is there now, found from the resources themselves, and the parameters that follow: kept.jq
# and merge.jq decide.

# keep <piece>: the last answer is a piece of the state.
keep() { printf '%s\n' "${out:-null}" >"$scratch/state.$1"; }

state_pieces="template history resources app settings auth archive host blobs heads locks audit workspace group vnet"

# read_state reads what the deployment of this name has in its group. Where the group is not there
# yet, everything is null.
read_state() {
  local piece id
  for piece in $state_pieces; do echo null >"$scratch/state.$piece"; done
  cp "$template" "$scratch/state.template"
  resources='[]' resource_lines='' app='' app_id='' archive_id=''
  if [ -n "$there" ]; then
    list_resources
    read_history
    read_app
    read_archive
    id=$(ours Microsoft.Storage/storageAccounts host | head -n 1)
    [ -z "$id" ] || { get "$id" "$api_storage" && keep host; }
    id=$(ours Microsoft.OperationalInsights/workspaces monitoring | head -n 1)
    [ -z "$id" ] || { get "$id" "$api_workspace" && keep workspace; }
    id=$(ours Microsoft.Insights/actionGroups alerts | head -n 1)
    [ -z "$id" ] || { get "$id" "$api_groups" && keep group; }
    id=$(ours Microsoft.Network/virtualNetworks network | head -n 1)
    [ -z "$id" ] || { get "$id" "$api_network" && keep vnet; }
  fi
  printf '%s\n' "$resources" >"$scratch/state.resources"
  local slurps=()
  for piece in $state_pieces; do slurps+=(--slurpfile "$piece" "$scratch/state.$piece"); done
  jq -n "${slurps[@]}" --arg name "$name" \
    "{name: \$name} + ($(for piece in $state_pieces; do printf '{%s: $%s[0]} + ' "$piece" "$piece"; done) {})" |
    jq -f kept.jq >"$scratch/kept"
  read -r heads_locked bare < <(jq -r '"\(.heads_locked) \(.bare)"' "$scratch/kept")
}

# The newest deployment of the whole template, from here or from the portal. Deployments of modules
# have other parameters.
read_history() {
  call_json "reading the deployments of $group" \
    "you need the role Reader on $group at least" deployment group list --resource-group "$group"
  out=$(jq -c --arg name "$name" 'map(select((.properties.parameters.name.value // "ledger") == $name
      and (.properties.parameters | type) == "object" and (.properties.parameters | has("headsImmutableDays") and has("entraClientId"))))
    | sort_by(.properties.timestamp) | last' <<<"$out")
  keep history
}

read_app() {
  app_id=$(ours Microsoft.Web/sites app | head -n 1)
  [ -n "$app_id" ] || return 0
  app=${app_id##*/}
  get "$app_id" "$api_web"
  keep app
  call_json "reading the settings of $app" \
    "you need the role Contributor on $group" functionapp config appsettings list --resource-group "$group" --name "$app"
  keep settings
  get "$app_id/config/authsettingsV2" "$api_web"
  keep auth
}

# The archive is the one that the app writes; without an app, the one that was named; else the one
# with the tags.
read_archive() {
  local found given
  found=$(account_of_app "$(<"$scratch/state.settings")")
  if [ -z "$found" ] && [ -z "$app" ]; then
    given=$(jq -r --slurpfile sets "$scratch/sets" '.parameters + $sets[0] | .archiveAccountName.value // ""' "$scratch/file")
    [ -z "$given" ] || found=$(storage_account "$given")
  fi
  [ -n "$found" ] || found=$(ours Microsoft.Storage/storageAccounts archive)
  [ -n "$found" ] || return 0
  [ "$(wc -l <<<"$found")" -eq 1 ] ||
    stop "$group has several storage accounts that are tagged as the archive of '$name', and no app says which it is" \
      "name it: --set archiveAccountName=<one of:$(awk -F / '{ printf " %s", $NF }' <<<"$found")>"
  archive_id=$found
  get "$archive_id" "$api_storage"
  keep archive
  get "$archive_id/blobServices/default" "$api_storage"
  keep blobs
  get "$archive_id/blobServices/default/containers/entraledger-heads" "$api_storage"
  keep heads
  get "$archive_id/providers/Microsoft.Authorization/locks" "$api_locks"
  keep locks
  get "$archive_id/tableServices/default/providers/Microsoft.Insights/diagnosticSettings/access" "$api_diagnostics"
  keep audit
}

# read_given makes the file with what the caller gave: --parameters, and each --set.
read_given() {
  echo '{"parameters": {}}' >"$scratch/file"
  echo '{}' >"$scratch/sets"
  if [ -n "$parameters" ]; then
    jq -e '(.parameters | type) == "object"' "$parameters" >"$scratch/out" 2>/dev/null ||
      stop "$parameters is no parameter file" \
        "it has to be JSON with \"parameters\", as infra/parameters/small.json; a .bicepparam is made one by bicep build-params"
    cp "$parameters" "$scratch/file"
  fi
  local given key value
  for given in ${sets[@]+"${sets[@]}"}; do
    [[ $given =~ ^[A-Za-z]+= ]] || stop "--set '$given' is none" \
      "write it as <parameter>=<value>: --set archiveRedundancy=Standard_GRS"
    key=${given%%=*} value=${given#*=}
    jq --arg key "$key" --arg value "$value" --slurpfile template "$template" '
      ($template[0].parameters[$key] // {}) as $p | ($p.type // $template[0].definitions[($p["$ref"] // "" | split("/") | last // "")].type // "string") as $type
      | .[$key] = {value: (if $type | ascii_downcase | test("string") then $value else ($value | fromjson) end)}' \
      "$scratch/sets" >"$scratch/sets.next" 2>/dev/null ||
      stop "--set $key: '$value' is not of its type" \
        "lists and maps are written as JSON: --set 'alertEmails=[\"ada@contoso.example\"]'"
    mv "$scratch/sets.next" "$scratch/sets"
  done
}

# merge <values that the script decides, as JSON>: makes the file of parameters that is deployed.
merge() {
  jq -n --slurpfile kept "$scratch/kept" --slurpfile file "$scratch/file" --slurpfile sets "$scratch/sets" --slurpfile template "$template" --argjson decided "$1" '
    $kept[0] * {} | {kept, by_hand, closed, settings, heads_locked, file: $file[0], sets: $sets[0], template: $template[0], decided: $decided}' |
    jq -f merge.jq >"$scratch/merged"
  jq '{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#", contentVersion: "1.0.0.0", parameters}' \
    "$scratch/merged" >"$scratch/parameters.json"
}

# parameter <name>: its value in the deployment, or the template's default where that is a value.
parameter() {
  jq -r --slurpfile template "$template" --arg name "$1" '
    if .parameters | has($name) then .parameters[$name].value else $template[0].parameters[$name].defaultValue end
    | if type == "string" then . else tojson end' "$scratch/parameters.json"
}

check_differences() {
  step "Comparing what is there with what you gave"
  local unknown
  unknown=$(jq -r '.unknown | join(" ")' "$scratch/merged")
  [ -z "$unknown" ] ||
    stop "the template has no parameter $unknown" "it has: $(jq -r '.parameters | keys | join(" ")' "$template")"
  [ "$bare" = false ] ||
    stop "the app has a setting AzureWebJobsStorage, a connection string: the host goes by it before its identity, and the account's keys are off" \
      "take it away: az functionapp config appsettings delete --resource-group $group --name $app --setting-names AzureWebJobsStorage; then run this again"
  if [ -z "$app_id$archive_id" ]; then
    say "   nothing is there yet"
    return
  fi
  say "   stays as it is: $(jq -r '.kept | keys | join(" ")' "$scratch/kept")"
  jq -r '.stays[], (if .differences != [] then "would change:", .differences[] else empty end),
    (if .by_hand != [] then "was made by hand, has no parameter, and would be written over:", .by_hand[] else empty end) | "   " + .' \
    "$scratch/merged" | tee "$scratch/said"
  ! grep -qE '^   (would change|was made by hand.*):$' "$scratch/said" || [ "$overwrite" = true ] ||
    stop "what you gave is not what is there (see above)" \
      "leave out what should stay as it is; or add --overwrite-settings, if you mean to change it"
}
