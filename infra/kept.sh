# shellcheck shell=bash disable=SC2034,SC2154 # names are shared with the script that sources this
# What is there now, found from the resources themselves, and the parameters that follow: kept.jq
# and merge.jq decide.

# keep <piece>: the last answer is a piece of the state.
keep() { printf '%s\n' "${out:-null}" >"$scratch/state.$1"; }

state_pieces="template history resources app settings auth archive host blobs heads locks audit workspace group rules vnet"

# read_state reads what the deployment of this name has in its group. Where the group is not there
# yet, everything is null.
read_state() {
  local piece id
  for piece in $state_pieces; do echo null >"$scratch/state.$piece"; done
  cp "$template" "$scratch/state.template"
  resources='[]' resource_lines='' app='' app_id='' archive_id='' before_state=''
  if [ -n "$there" ]; then
    list_resources
    check_tags
    read_history
    read_app
    read_archive
    check_history
    keep_listed host "$api_storage" Microsoft.Storage/storageAccounts host
    keep_listed workspace "$api_workspace" Microsoft.OperationalInsights/workspaces monitoring
    keep_listed group "$api_groups" Microsoft.Insights/actionGroups alerts
    # One call for all rules; those of others are sorted out.
    [ -z "$(ours Microsoft.Insights/scheduledQueryRules | head -n 1)" ] || {
      must_get "/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.Insights/scheduledQueryRules" "$api_alerts"
      keep rules
    }
    keep_listed vnet "$api_network" Microsoft.Network/virtualNetworks network
  fi
  printf '%s\n' "$resources" >"$scratch/state.resources"
  local slurps=() parts='' told
  for piece in $state_pieces; do
    slurps+=(--slurpfile "$piece" "$scratch/state.$piece")
    parts+="{$piece: \$${piece}[0]} + "
  done
  told=$(jq -nr "${slurps[@]}" --arg name "$name" "{name: \$name} + ($parts {}) | $(<kept.jq)
    | .heads_locked, .bare, .place, .placed, (.kept | keys | join(\" \")), tojson")
  { read -r heads_locked && read -r bare && read -r kept_place && read -r kept_placed && read -r kept_names && read -r kept; } <<<"$told"
  printf '%s\n' "$kept" >"$scratch/kept"
}

# keep_listed <piece> <API version> <type> <part>: what the listing named has to be read.
keep_listed() {
  local id
  id=$(ours "$3" "$4" | head -n 1)
  [ -n "$id" ] || return 0
  must_get "$id" "$2"
  keep "$1"
}

# A resource of this name without its tags would be taken for none, and written over with defaults.
# An old archive may have lost them on purpose, where the app says that it writes another one.
check_tags() {
  local lost
  # shellcheck disable=SC2016 # jq's variables
  lost=$(jq -r --arg name "$name" '
    {"microsoft.web/sites": ["func-\($name)-", "", "app"], "microsoft.operationalinsights/workspaces": ["log-\($name)-", "", "monitoring"],
      "microsoft.insights/actiongroups": ["ag-\($name)-", "", "alerts"], "microsoft.network/virtualnetworks": ["vnet-\($name)-", "", "network"]} as $parts
    | any(.[]; .tags.entraledger == $name and .tags.part == "archive") as $archive
    | .[] | (.name | ascii_downcase) as $n
    | ($parts[.type] // (if .type != "microsoft.storage/storageaccounts" then null elif ($n | endswith("h")) then ["st\($name)", "h", "host"]
        elif $archive then null else ["st\($name)", "a", "archive"] end)) as $p | select($p != null)
    | select($n | test("^\($p[0])[a-z0-9]{8}\($p[1])$")) | select(.tags.entraledger != $name or .tags.part != $p[2])
    | "az tag update --operation merge --resource-id \(.id) --tags entraledger=\($name) part=\($p[2])"' <<<"$resources" | paste -sd ';' | sed 's/;/; /g')
  [ -z "$lost" ] || stop "resources of '$name' are there without the tags that name them, and would be taken for none" \
    "give them back: $lost; then run this again. If they are another app's, take another --name"
}

# The newest deployment of the whole template, from here or from the portal. Deployments of modules
# have other parameters.
read_history() {
  local told
  # shellcheck disable=SC2016 # jq's variable
  wants='map(select((.properties.parameters.name.value // "ledger") == $name
      and (.properties.parameters | type) == "object" and (.properties.parameters | has("headsImmutableDays") and has("entraClientId"))))
    | sort_by(.properties.timestamp) | last
    | tojson, (.name // ""), (.properties.provisioningState // ""), (.properties.outputs.appName.value // "")' \
    call_json "reading the deployments of $group" \
    "you need the role Reader on $group at least" deployment group list --resource-group "$group"
  mapfile -t told <<<"$got"
  out=${told[0]} before=${told[1]} before_state=${told[2]} before_app=${told[3]}
  keep history
}

# check_history: what was deployed and is not listed was taken away, or the listing is not whole.
check_history() {
  [ "$before_state" = Succeeded ] && [ -z "$app_id" ] || return 0
  if [ -n "$before_app" ]; then
    get "/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.Web/sites/$before_app" "$api_web"
    [ "$out" = null ] || stop "the app $before_app is there, and Azure's list of the resources of $group does not have it" \
      "run this again in a few minutes; if it stays so: az tag update --operation merge --resource-id $(field .id) --tags entraledger=$name part=app"
  fi
  if [ -n "$archive_id" ]; then
    say "   the app is gone, and its archive is there: it gets the settings of the deployment $before; what was changed by hand since is in no history"
    return
  fi
  stop "'$name' was deployed here ($before), and neither an app nor an archive of it is found" \
    "run this again in a few minutes; if both were deleted on purpose, forget it: az deployment group delete --resource-group $group --name $before"
}

read_app() {
  app_id=$(ours Microsoft.Web/sites app | head -n 1)
  [ -n "$app_id" ] || return 0
  app=${app_id##*/}
  must_get "$app_id" "$api_web"
  keep app
  call_json "reading the settings of $app" \
    "you need the role Contributor on $group" functionapp config appsettings list --resource-group "$group" --name "$app"
  keep settings
  must_get "$app_id/config/authsettingsV2" "$api_web"
  keep auth
}

# find_written sets found to the account that the app writes. An app whose archive is elsewhere, or
# that does not say, would get a new and empty one.
find_written() {
  local uri
  found=$(account_of_app "$(<"$scratch/state.settings")")
  [ -n "$app" ] && [ -z "$found" ] || return 0
  uri=$(jq -r '[.[] | select(.name == "ARCHIVE_STORAGE__tableServiceUri") | .value][0] // ""' "$scratch/state.settings")
  [ -n "$uri" ] || stop "the settings of $app don't say which archive it writes (ARCHIVE_STORAGE__tableServiceUri)" \
    "run this again; if the setting is gone: az functionapp config appsettings set --resource-group $group --name $app --settings ARCHIVE_STORAGE__tableServiceUri=https://<archive>.table.core.windows.net/"
  uri=${uri#*://}
  stop "$app writes the archive ${uri%%.*}, and $group has no storage account of that name: a new and empty archive would be made" \
    "move ${uri%%.*} into $group (az resource move), or deploy into the group that it is in; the app goes on as it is"
}

# The archive is the one that the app writes; without an app, the one that was named; else the one
# with the tags.
read_archive() {
  local found given
  find_written
  if [ -z "$app" ]; then
    given=$(jq -r --slurpfile sets "$scratch/sets" '.parameters + $sets[0] | .archiveAccountName.value // ""' "$scratch/file")
    [ -z "$given" ] || found=$(storage_account "$given")
  fi
  [ -n "$found" ] || found=$(ours Microsoft.Storage/storageAccounts archive)
  [ -n "$found" ] || return 0
  [ "$(wc -l <<<"$found")" -eq 1 ] ||
    stop "$group has several storage accounts that are tagged as the archive of '$name', and no app says which it is" \
      "name it: --set archiveAccountName=<one of:$(awk -F / '{ printf " %s", $NF }' <<<"$found")>"
  archive_id=$found
  must_get "$archive_id" "$api_storage"
  keep archive
  must_get "$archive_id/blobServices/default" "$api_storage"
  keep blobs
  get "$archive_id/blobServices/default/containers/entraledger-heads" "$api_storage"
  keep heads
  must_get "$archive_id/providers/Microsoft.Authorization/locks" "$api_locks"
  keep locks
  get "$archive_id/tableServices/default/providers/Microsoft.Insights/diagnosticSettings/access" "$api_diagnostics"
  keep audit
}

# read_given makes the file with what the caller gave: --parameters, and each --set.
read_given() {
  echo '{"parameters": {}}' >"$scratch/file"
  echo '{}' >"$scratch/sets"
  if [ -n "$parameters" ]; then
    jq -e '(.parameters | type) == "object"' "$parameters" >/dev/null 2>&1 ||
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

# merge <the values that the script decides, as a jq expression> <options of jq for it>: makes the
# file of parameters that is deployed, and reads what is to be said of them.
declare -A values   # of the parameters, or the template's defaults; more than one line each has none
merge() {
  local decided=$1 line name value
  shift
  # shellcheck disable=SC2016 # jq's variables
  jq -nr --slurpfile kept "$scratch/kept" --slurpfile file "$scratch/file" --slurpfile sets "$scratch/sets" --slurpfile template "$template" "$@" '
    $kept[0] * {} | {kept, by_hand, closed, settings, own_names, told_entra, heads_locked, file: $file[0], sets: $sets[0], template: $template[0], decided: ('"$decided"')}
    | '"$(<merge.jq)"'
    | tojson,
      ({"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#", contentVersion: "1.0.0.0", parameters} | tojson),
      "\(.unknown | length) \(.refused | length) \(.differences + .by_hand | length)",
      (.parameters as $given | $template[0].parameters | keys[] as $name
        | (if $given | has($name) then $given[$name].value else .[$name].defaultValue end)
        | [$name, if type == "string" then . else tojson end] | @tsv),
      "",
      (.stays[], (if .differences != [] then "would change:", .differences[] else empty end),
        (if .by_hand != [] then "was made by hand, has no parameter, and would be written over:", .by_hand[] else empty end) | "   " + .)' \
    >"$scratch/told"
  {
    read -r line
    printf '%s\n' "$line" >"$scratch/merged"
    read -r line
    printf '%s\n' "$line" >"$scratch/parameters.json"
    read -r unknown refused changes
    while IFS=$'\t' read -r name value && [ -n "$name" ]; do values[$name]=$value; done
    cat >"$scratch/said"
  } <"$scratch/told"
}

# parameter <name>: its value in the deployment, or the template's default where that is a value.
parameter() { printf '%s\n' "${values[$1]}"; }

check_differences() {
  step "Comparing what is there with what you gave"
  [ "$unknown" -eq 0 ] ||
    stop "the template has no parameter $(jq -r '.unknown | join(" ")' "$scratch/merged")" "it has: $(jq -r '.parameters | keys | join(" ")' "$template")"
  [ "$refused" -eq 0 ] || stop "$(jq -r '.refused | join("; ")' "$scratch/merged")" "mend that in --set or the file of --parameters, and run this again"
  [ "$bare" = false ] ||
    stop "the app has a setting AzureWebJobsStorage, a connection string: the host goes by it before its identity, and the account's keys are off" \
      "take it away: az functionapp config appsettings delete --resource-group $group --name $app --setting-names AzureWebJobsStorage; then run this again"
  if [ -z "$app_id$archive_id" ]; then
    say "   nothing is there yet"
    return
  fi
  say "   stays as it is: $kept_names"
  cat "$scratch/said"
  [ "$changes" -eq 0 ] || [ "$overwrite" = true ] ||
    stop "what you gave is not what is there (see above)" \
      "leave out what should stay as it is; or add --overwrite-settings, if you mean to change it"
}
