#!/usr/bin/env bash
# Deploys Entra Ledger: looks, asks, deploys, grants, publishes, tries it out. It can be run again
# at any time, goes on where it stopped, and takes nothing back that it was not given.
set -euo pipefail
start=$PWD
CDPATH='' cd -- "$(dirname "$0")"
. ./common.sh
. ./azure.sh
. ./kept.sh
. ./granting.sh
. ./publish.sh

usage() {
  cat <<'TEXT'
Usage: infra/deploy.sh --resource-group <name> --location <region> [options]

  --name <name>              base of all names: 3 to 11 lower-case letters and digits (ledger)
  --parameters <file>        parameters of infra/main.bicep, as infra/parameters/small.json and large.json
  --set <parameter>=<value>  one parameter; goes before the file. Again for another one
  --release <version>        the release whose code is deployed (the one that these scripts are of); an older one to go back
  --package <zip>            instead: the code in this file (dist/entraledger.zip of a checkout)
  --grants <how>             Microsoft Graph permissions: script, bicep, print; auto (the default): script if you may, else print
  --overwrite-settings       what is there and differs from what you gave is changed, also what was changed by hand
  --skip-rights-check        your rights come from a custom role that this script can't tell
  --yes                      ask nothing

What you don't give stays as it is in Azure, whether it was given before or set by hand.
TEXT
}

group='' location='' name=ledger parameters='' package='' wanted='' grants=auto overwrite=false rights=true yes=false sets=()
while [ $# -gt 0 ]; do
  case $1 in
    --resource-group) want "$1" "${2:-}"; group=$2; shift 2 ;;
    --location) want "$1" "${2:-}"; location=$2; shift 2 ;;
    --name) want "$1" "${2:-}"; name=$2; shift 2 ;;
    --parameters) want "$1" "${2:-}"; parameters=$2; shift 2 ;;
    --set) want "$1" "${2:-}"; sets+=("$2"); shift 2 ;;
    --release) want "$1" "${2:-}"; wanted=$2; shift 2 ;;
    --package) want "$1" "${2:-}"; package=$2; shift 2 ;;
    --grants) want "$1" "${2:-}"; grants=$2; shift 2 ;;
    --overwrite-settings) overwrite=true; shift ;;
    --skip-rights-check) rights=false; shift ;;
    --yes) yes=true; shift ;;
    --help) usage; exit 0 ;;
    *) stop "unknown option $1" "--help lists the options" ;;
  esac
done
template=azuredeploy.json
deployment="entraledger-$name"
least_bicep=0.36.1   # the first that takes the Microsoft Graph extension from its registry

check_inputs() {
  step "Looking at what you gave"
  if [ -z "$group" ] || [ -z "$location" ]; then stop "--resource-group and --location are needed" \
    "for example: infra/deploy.sh --resource-group rg-ledger --location westeurope"; fi
  check_group_name "$group"
  check_name "$name"
  case $grants in auto | bicep | script | print) ;; *) stop "--grants is '$grants'" \
    "accepted are auto, bicep, script and print" ;; esac
  [ -z "$wanted" ] || [ -z "$package" ] || stop "--release and --package are both given" \
    "give one: the release's code, or the code in a file"
  [ -z "$wanted" ] || [[ $wanted =~ ^v?[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$ ]] ||
    stop "the release '$wanted' is none" "write it as its tag: v1.2.3"
  [ -z "$wanted" ] || wanted=v${wanted#v}
  check_tools
  # Files are named from where you are.
  case $package in "" | /*) ;; *) package="$start/$package" ;; esac
  case $parameters in "" | /*) ;; *) parameters="$start/$parameters" ;; esac
  [ -z "$package" ] || [ -f "$package" ] || stop "there is no package at $package" \
    "take entraledger.zip from the release, or run make package"
  [ -z "$parameters" ] || [ -f "$parameters" ] || stop "there is no parameter file $parameters" \
    "infra/parameters has small.json and large.json to start from"
  [ -f "$template" ] || stop "infra/$template is not there" \
    "unpack the release again; in a checkout, make infra makes it"
  read_given
  say "   code: ${package:-the package of release ${wanted:-$(tr -d '[:space:]' <release.txt)}, which Azure fetches}"
}

check_place() {
  step "Looking at the subscription"
  signed_in
  # shellcheck disable=SC2016 # jq's variable
  local offered='any(.[]; .name == $location)'
  wants=$offered call_json "listing the regions" "run az login again" account list-locations
  [ "$got" = true ] ||
    stop "'$location' is no region of this subscription" "az account list-locations --query '[].name' lists them"
  wants=$offered call_json "listing the regions of Flex Consumption" \
    "try the newest az (az upgrade), or Azure Cloud Shell" functionapp list-flexconsumption-locations
  [ "$got" = true ] ||
    stop "Flex Consumption is not offered in $location" "choose one of: $(field 'map(.name) | join(" ")')"
  say "   $location offers Flex Consumption"
}

find_group() {
  wants='.location // empty' get "/subscriptions/$subscription/resourceGroups/$group" 2021-04-01
  there=$got
}

# The app and its archive stay where they are. The group's region decides for what is new.
check_location() {
  local place=$kept_place what=$kept_placed
  if [ -z "$place" ]; then
    place=$there what="the resource group $group"
  fi
  [ -z "$place" ] || [ "$place" = "$location" ] || stop "$what is in $place, and not in $location" \
    "give --location $place$([ "$what" != "the resource group $group" ] || echo ", or another --resource-group")"
}

# check_rights sets may_lock: whether the caller may make the archive's lock.
check_rights() {
  step "Looking at your rights"
  may_lock=true
  if [ "$rights" = false ]; then
    say "   not looked at (--skip-rights-check)"
    return
  fi
  local me scope held conditions
  if [ "$who" = user ]; then
    wants='.id // empty' call_json "asking who you are" "run az login again; or --skip-rights-check" ad signed-in-user show
  else
    wants='.id // empty' call_json "asking who you are" \
      "give the service principal the right to read itself; or --skip-rights-check" ad sp show --id "$who_name"
  fi
  me=$got
  scope="/subscriptions/$subscription${there:+/resourceGroups/$group}"
  wants='any(.[]; (.condition // "") != ""), (.[]?.roleDefinitionName // empty)' \
    call_json "reading your roles at $scope" "ask for the role Reader; or --skip-rights-check" \
    role assignment list --assignee "$me" --scope "$scope" --include-inherited --include-groups
  conditions=${got%%$'\n'*} held=${got#*$'\n'}
  [ "$held" != "$got" ] || held=
  if grep -qx Owner <<<"$held"; then
    say "   Owner"
  elif grep -qx Contributor <<<"$held" && grep -qx "User Access Administrator" <<<"$held"; then
    say "   Contributor, and may assign roles"
  elif grep -qx Contributor <<<"$held" && grep -qx "Role Based Access Control Administrator" <<<"$held"; then
    say "   Contributor, and may assign roles"
    grep -qx "Locks Contributor" <<<"$held" || may_lock=false
  else
    stop "you may not deploy and assign roles at $scope: you have $(tr '\n' ',' <<<"${held:-no role}" | sed 's/,$//')" \
      "ask for Owner, or Contributor with User Access Administrator; --skip-rights-check if a custom role of yours has both"
  fi
  if [ "$conditions" = true ]; then
    say "   A condition limits what you may assign, and can't be judged here: it has to allow Storage Blob Data Owner and Contributor, Storage Queue"
    say "   and Table Data Contributor, and Monitoring Metrics Publisher (docs/permissions.md). If it does not, the deployment fails and says so."
  fi
}

check_lock_right() {
  [ "$may_lock" = true ] || [ "$(parameter lockArchive)" = false ] ||
    stop "the deployment locks the archive against deletion, and Role Based Access Control Administrator may not make locks" \
      "ask for Locks Contributor (or User Access Administrator, or Owner) as well; or add --set lockArchive=false, and have somebody lock it later"
}

register_providers() {
  step "Looking at resource providers"
  local provider registered
  wants='[.[] | select(.registrationState == "Registered") | .namespace | ascii_downcase] | join(" ")' \
    call_json "listing the resource providers" \
    "you need the role Reader on the subscription" provider list --query "[].{namespace: namespace, registrationState: registrationState}"
  registered=$got
  # Flex Consumption wants Microsoft.App, though the template does not name it.
  for provider in Microsoft.Web Microsoft.App Microsoft.Storage Microsoft.Insights Microsoft.OperationalInsights Microsoft.ManagedIdentity Microsoft.Network; do
    [[ " $registered " == *" ${provider,,} "* ]] && continue
    say "   registering $provider (a few minutes)"
    limit=900 call "registering the resource provider $provider" \
      "ask an owner of the subscription to run az provider register --namespace $provider" \
      provider register --namespace "$provider" --wait --output none
  done
  say "   all registered"
}

# Regions without zones refuse ZRS, and what-if does not see it.
check_redundancy() {
  local redundancy
  redundancy=$(parameter archiveRedundancy)
  [ -z "$archive_id" ] || [ "$(jq -r '.sku.name' "$scratch/state.archive")" != "$redundancy" ] || return 0
  # shellcheck disable=SC2016 # jq's variable
  wants='[.value[] | select(.kind == "StorageV2" and ((.restrictions // []) == []) and any(.locations[]; ascii_downcase == $location)) | .name]
    | unique | map(select(test("^Standard_(LRS|ZRS|GRS|RAGRS|GZRS|RAGZRS)$"))) | join(" ")' \
    call_json "asking which redundancy $location offers" "you need the role Reader on the subscription" \
    rest --method get --url "/subscriptions/$subscription/providers/Microsoft.Storage/skus?api-version=$api_storage"
  local offered=$got
  [[ " $offered " == *" $redundancy "* ]] ||
    stop "$location does not offer $redundancy for the archive" \
      "add --set archiveRedundancy=<one of: ${offered:-none is offered to this subscription}>, or choose another region"
  say "   $location offers $redundancy"
}

choose_grants() {
  step "Microsoft Graph permissions"
  if [ "$grants" = auto ]; then
    if may_grant; then grants=script; else grants=print; fi
  fi
  if [ "$grants" = bicep ] && [ "$cloud" != AzureCloud ]; then
    say "   $cloud does not take them from Bicep everywhere: the script grants them"
    grants=script
  fi
  case $grants in
    bicep) check_bicep; say "   granted after everything else, by infra/grants.bicep" ;;
    script) say "   granted after the deployment, by infra/granting.sh" ;;
    print) say "   you may not grant them, or it can't be told: the commands are printed for somebody who may" ;;
  esac
}

check_bicep() {
  local version
  call "asking for the version of Bicep" "run az bicep install, or leave --grants out" bicep version
  version=$(grep -oE '[0-9]+\.[0-9]+\.[0-9]+' <<<"$out" | head -n 1) || true
  ! older "${version:-0}" "$least_bicep" ||
    stop "Bicep is version ${version:-unknown}, and --grants bicep takes $least_bicep or later" \
    "run az bicep upgrade, or leave --grants out"
}

make_group() {
  step "Resource group $group"
  if [ -n "$there" ]; then
    say "   is there"
  else
    call "making the resource group $group" \
      "ask for Contributor on the subscription, or for a group to be made for you" \
      group create --name "$group" --location "$location" --tags "entraledger=$name" --output none
    say "   made"
  fi
}

# decide what the script says itself: not kept, not given. The release that was asked for goes
# before an address in a file.
decide() {
  # shellcheck disable=SC2016 # jq's variables
  merge '{$name, $location, headsLocked: $locked} + (if $package != "" then {packageUri: ""} else {} end) + (if $release != "" then {$release} else {} end)' \
    --arg name "$name" --arg location "$location" --argjson locked "$heads_locked" --arg package "$package" --arg release "$wanted"
}

template_arguments() { printf '%s\n' --resource-group "$group" --name "$deployment" --template-file "$template" --parameters "@$scratch/parameters.json"; }

# What-if prints the settings of the app; those that somebody added by hand may be secrets. The
# longest goes first, as one may begin another; a short one is taken as a whole word only.
without_secrets() {
  printf '%s\n' "$out" | jq -Rrs --slurpfile given "$scratch/parameters.json" '
    ([$given[0].parameters.otherSettings.value // {} | .[] | tostring, (tojson | .[1:-1]) | select(. != "")] | unique | sort_by(-length)) as $secrets
    | reduce $secrets[] as $s (.; if ($s | length) >= 4 then split($s) | join("(not shown)")
      else gsub("(?<![A-Za-z0-9_])" + ($s | gsub("(?<c>[^A-Za-z0-9_])"; "\\\(.c)")) + "(?![A-Za-z0-9_])"; "(not shown)") end)
    | rtrimstr("\n") | split("\n")[] | "   " + .'
}

look_ahead() {
  step "What would change"
  # What waits for others' outputs is not evaluated: role assignments, and what lies in the app's
  # module on a first deployment.
  say "   (Microsoft Graph permissions and some role assignments are not shown, and a first deployment is not shown whole)"
  local arguments limit=900
  mapfile -t arguments < <(template_arguments)
  call "Azure's own check of the deployment" "nothing was changed; mend what the line above says and run this again" \
    deployment group what-if "${arguments[@]}" --exclude-change-types Ignore NoChange
  without_secrets
}

deploy_template() {
  local arguments limit=3600 tries=2
  mapfile -t arguments < <(template_arguments)
  wants='.properties.outputs? // {} | map_values(.value?) | .appName, .apiUrl, .principalId, .archiveAccount, .grantCommand, .graphPermissions[]? | . // ""' \
    call_json "the deployment" \
    "when it is mended, run this again: what is there stays and is gone on with" deployment group create "${arguments[@]}"
  local told
  mapfile -t told <<<"$got"
  app=${told[0]} api=${told[1]} principal=${told[2]} archive=${told[3]} grant_command=${told[4]} permissions=("${told[@]:5}")
  if [ -z "$app" ] || [ -z "$api" ]; then stop "the deployment told neither the app's name nor its address" \
    "run this again; if it stays so, please report it"; fi
  app_id="/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.Web/sites/$app"
}

deploy() {
  step "Deploying (5 to 10 minutes)"
  deploy_template
  if [ -n "$(parameter entraClientId)" ]; then entra=true; else entra=false; fi
  say "   $app"
  expect
}

grant() {
  step "Granting Microsoft Graph permissions"
  granted=0
  case $grants in
    script) grant_all "$principal" "${permissions[@]}" ;;
    bicep) grant_by_bicep "$principal" "${permissions[@]}" ;;
    print)
      indent="   " print_grants "$principal" "${permissions[@]}" >"$scratch/commands"
      if ! [ -s "$scratch/commands" ]; then
        say "   all are granted already"
        return
      fi
      say "   Give this to a Privileged Role Administrator, for Azure Cloud Shell. Until it is done, not all can be read from Microsoft Graph:"
      say "   $grant_command"
      say "   Or, one by one, and the app has to be restarted afterwards (az functionapp restart --resource-group $group --name $app):"
      cat "$scratch/commands"
      ;;
  esac
  # A token from before has none of the new permissions, and lives for up to a day.
  if [ "$granted" -gt 0 ]; then restart; fi
}

grant_by_bicep() {
  local principal=$1 limit=900 fresh=true
  shift
  jq -n --arg principal "$principal" '{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#", contentVersion: "1.0.0.0",
    parameters: {principalId: {value: $principal}, permissions: {value: $ARGS.positional}}}' --args "$@" >"$scratch/grants.json"
  call "granting by Bicep" "run this again with --grants script" \
    deployment group create --resource-group "$group" --name "$deployment-grants" --template-file grants.bicep --parameters "@$scratch/grants.json" --output none
  say "   granted: $*"
  granted=$#
}

begin
check_inputs
check_place
find_group
check_rights
read_state
check_location
decide
check_differences
check_redundancy
check_lock_right
register_providers
choose_grants
make_group
look_ahead
confirm "Deploy this?"
deploy
grant
publish
try_out

step "Done"
say "   API:           $api"
say "   key for flows: az functionapp keys list --resource-group $group --name $app --query functionKeys.default --output tsv"
say "   connector:     infra/connector, docs/power-automate.md"
say "   archive:       storage account $archive"
