#!/usr/bin/env bash
# Deploys Entra Ledger: looks, asks, deploys, grants, publishes, tries it out. It can be run again at any time, and goes on where it stopped.
set -euo pipefail
start=$PWD
cd "$(dirname "$0")"
. ./common.sh

usage() {
  cat <<'TEXT'
Usage: infra/deploy.sh --resource-group <name> --location <region> [options]

  --name <name>              base of all names: 3 to 11 lower-case letters and digits (ledger)
  --parameters <file>        parameters of infra/main.bicep, as infra/parameters/small.json and large.json
  --package <zip>            the app (entraledger.zip of the release, or dist/entraledger.zip)
  --grants <how>             Microsoft Graph permissions: bicep, script, print; auto (the default): bicep if you may, else print
  --overwrite-settings       deploy although settings of the app were changed by hand; they are lost
  --skip-rights-check        your rights come from a custom role that this script can't tell
  --yes                      ask nothing
TEXT
}

group= location= name=ledger parameters= package= grants=auto overwrite=false rights=true yes=false
while [ $# -gt 0 ]; do
  case $1 in
    --resource-group) want "$1" "${2:-}"; group=$2; shift 2 ;;
    --location) want "$1" "${2:-}"; location=$2; shift 2 ;;
    --name) want "$1" "${2:-}"; name=$2; shift 2 ;;
    --parameters) want "$1" "${2:-}"; parameters=$2; shift 2 ;;
    --package) want "$1" "${2:-}"; package=$2; shift 2 ;;
    --grants) want "$1" "${2:-}"; grants=$2; shift 2 ;;
    --overwrite-settings) overwrite=true; shift ;;
    --skip-rights-check) rights=false; shift ;;
    --yes) yes=true; shift ;;
    --help) usage; exit 0 ;;
    *) stop "unknown option $1" "--help lists the options" ;;
  esac
done

check_inputs() {
  step "Looking at what you gave"
  [ -n "$group" ] && [ -n "$location" ] || stop "--resource-group and --location are needed" "for example: infra/deploy.sh --resource-group rg-ledger --location westeurope"
  check_group_name "$group"
  check_name "$name"
  case $grants in auto | bicep | script | print) ;; *) stop "--grants is '$grants'" "accepted are auto, bicep, script and print" ;; esac
  command -v curl >/dev/null || stop "curl is not on the PATH" "install it, or use Azure Cloud Shell"
  # Files are named from where you are.
  case $package in "" | /*) ;; *) package="$start/$package" ;; esac
  case $parameters in "" | /*) ;; *) parameters="$start/$parameters" ;; esac
  if [ -z "$package" ]; then
    for package in ../entraledger.zip ../dist/entraledger.zip; do [ -f "$package" ] && break; done
  fi
  [ -f "$package" ] || stop "there is no package at $package" "take entraledger.zip from the release, or run make package"
  [ -z "$parameters" ] || [ -f "$parameters" ] || stop "there is no parameter file $parameters" "infra/parameters has small.json and large.json to start from"
  say "   package: $package"
}

check_place() {
  step "Looking at the subscription"
  signed_in
  local offered
  [ -n "$(az account list-locations --query "[?name=='$location'].name" --output tsv)" ] ||
    stop "'$location' is no region of this subscription" "az account list-locations --query '[].name' lists them"
  offered=$(az functionapp list-flexconsumption-locations --query "[].name" --output tsv)
  grep -qx "$location" <<<"$offered" ||
    stop "Flex Consumption is not offered in $location" "choose one of: $(tr '\n' ' ' <<<"$offered")"
  say "   $location offers Flex Consumption"
}

check_rights() {
  step "Looking at your rights"
  if [ "$rights" = false ]; then
    say "   not looked at (--skip-rights-check)"
    return
  fi
  local me scope roles
  if [ "$who" = user ]; then me=$(az ad signed-in-user show --query id --output tsv); else me=$(az ad sp show --id "$who_name" --query id --output tsv); fi
  scope="/subscriptions/$subscription"
  if az group show --name "$group" --output none 2>/dev/null; then scope="$scope/resourceGroups/$group"; fi
  roles=$(az role assignment list --assignee "$me" --scope "$scope" --include-inherited --include-groups --query "[].roleDefinitionName" --output tsv)
  if grep -qx Owner <<<"$roles"; then
    say "   Owner"
  elif grep -qx Contributor <<<"$roles" && grep -qxE "User Access Administrator|Role Based Access Control Administrator" <<<"$roles"; then
    say "   Contributor, and may assign roles"
  else
    stop "you may not deploy and assign roles at $scope: you have $(tr '\n' ',' <<<"${roles:-no role}")" \
      "ask for Owner, or Contributor with User Access Administrator; --skip-rights-check if a custom role of yours has both"
  fi
}

register_providers() {
  step "Looking at resource providers"
  local provider
  for provider in Microsoft.Web Microsoft.App Microsoft.Storage Microsoft.Insights Microsoft.OperationalInsights Microsoft.ManagedIdentity Microsoft.Network; do
    if [ "$(az provider show --namespace "$provider" --query registrationState --output tsv)" != Registered ]; then
      say "   registering $provider (a few minutes)"
      az provider register --namespace "$provider" --wait --output none ||
        stop "the resource provider $provider can't be registered" "ask an owner of the subscription to run az provider register --namespace $provider"
    fi
  done
  say "   all registered"
}

make_group() {
  step "Resource group $group"
  local there
  if there=$(az group show --name "$group" --query location --output tsv 2>/dev/null); then
    [ "$there" = "$location" ] || stop "the resource group $group is in $there, and not in $location" "give --location $there, or another --resource-group"
    say "   is there"
  else
    az group create --name "$group" --location "$location" --tags "entraledger=$name" --output none
    say "   made"
  fi
}

deployment="entraledger-$name"

# output <name> [query behind it]: of the last deployment.
output() {
  az deployment group show --resource-group "$group" --name "$deployment" --query "properties.outputs.$1.value${2:-}" --output tsv 2>/dev/null
}

# What somebody changed in the portal would be lost without a word: the template writes all settings.
check_settings() {
  step "Looking for settings that were changed by hand"
  local app deployed now changed
  app=$(output appName || true)
  if [ -z "$app" ] || ! az functionapp show --resource-group "$group" --name "$app" --output none 2>/dev/null; then
    say "   there is no app yet"
    return
  fi
  deployed=$(output appSettings "[].[name, value]" | sort)
  now=$(az functionapp config appsettings list --resource-group "$group" --name "$app" \
    --query "[?!starts_with(name, 'AzureWebJobsStorage') && !starts_with(name, 'APPLICATIONINSIGHTS_')].[name, value]" --output tsv | sort)
  if [ "$deployed" = "$now" ]; then
    say "   none"
    return
  fi
  changed=$({ diff <(printf '%s\n' "$deployed") <(printf '%s\n' "$now") || true; } | sed -n 's/^[<>] \([^	]*\).*/\1/p' | sort -u | tr '\n' ' ')
  if [ "$overwrite" = true ]; then
    say "   overwritten will be: $changed"
    return
  fi
  stop "settings of $app are not as they were deployed: $changed" \
    "put your values into a parameter file and give it with --parameters (docs/settings.md), then add --overwrite-settings"
}

find_out_lock() {
  locked=false
  local account state
  account=$(output archiveAccount || true)
  [ -n "$account" ] || return 0
  state=$(az storage container immutability-policy show --resource-group "$group" --account-name "$account" \
    --container-name "$(output headsContainer)" --query state --output tsv 2>/dev/null || true)
  if [ "$state" = Locked ]; then locked=true; fi
}

# may_grant: whether the caller holds a directory role that may grant application permissions: Privileged Role Administrator or Global Administrator.
may_grant() {
  local graph roles
  [ "$who" = user ] || return 1
  graph=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
  roles=$(az rest --method GET --url "${graph%/}/v1.0/me/transitiveMemberOf/microsoft.graph.directoryRole?\$select=roleTemplateId" \
    --query "value[].roleTemplateId" --output tsv 2>/dev/null) || return 1
  grep -qE "e8611ab8-c189-46e8-94e1-60213ab1f814|62e90394-69f5-4237-9190-012177145e10" <<<"$roles"
}

choose_grants() {
  step "Microsoft Graph permissions"
  if [ "$grants" = auto ]; then
    if may_grant; then grants=bicep; else grants=print; fi
  fi
  case $grants in
    bicep) say "   granted with the deployment" ;;
    script) say "   granted after the deployment, by infra/grant.sh" ;;
    print) say "   you may not grant them: the commands are printed for somebody who may" ;;
  esac
}

deploy() {
  local arguments=(--resource-group "$group" --name "$deployment" --template-file main.bicep)
  [ -z "$parameters" ] || arguments+=(--parameters "@$parameters")
  arguments+=(--parameters "name=$name" "location=$location" "cloud=$cloud" "headsLocked=$locked" "grantGraphPermissions=$([ "$grants" = bicep ] && echo true || echo false)")
  step "What would change"
  # What-if knows no Microsoft Graph resources, and can't look into modules that wait for others' outputs.
  say "   (Microsoft Graph permissions are not shown, and a first deployment is not shown whole)"
  az deployment group what-if "${arguments[@]}" ||
    stop "the deployment does not pass Azure's own check" "the message above says what; nothing was changed"
  confirm "Deploy this?"
  step "Deploying (5 to 10 minutes)"
  az deployment group create "${arguments[@]}" --output none ||
    stop "the deployment failed" "the message above says what; when it is mended, run this again: what is there stays and is gone on with"
  app=$(output appName)
  api=$(output apiUrl)
  say "   $app"
}

grant() {
  [ "$grants" != bicep ] || return 0
  step "Granting Microsoft Graph permissions"
  local principal permissions
  principal=$(output principalId)
  permissions=$(output graphPermissions "[]")
  if [ "$grants" = script ]; then
    # shellcheck disable=SC2086 # one word each
    ./grant.sh --principal "$principal" $permissions
  else
    say "   Give this to a Privileged Role Administrator. Until it is done, nothing can be read from Microsoft Graph:"
    # shellcheck disable=SC2086
    ./grant.sh --print --principal "$principal" $permissions | sed 's/^/   /'
  fi
}

publish() {
  step "Publishing $package"
  local try
  for try in 1 2 3; do
    if az functionapp deployment source config-zip --resource-group "$group" --name "$app" --src "$package" --output none; then
      say "   published"
      return
    fi
    say "   not yet (try $try of 3): roles take a while to be known everywhere"
    sleep "${RETRY_SECONDS:-30}"
  done
  stop "the package was not published" "the message above says what; run this again, it goes on here"
}

# ask <path>: the answer, and its status on the last line. The key goes in by standard input, where no list of processes shows it.
ask() {
  curl --silent --max-time 120 --write-out '\n%{http_code}' --config - "$api/$1" <<<"header = \"x-functions-key: $key\"" || true
}

try_out() {
  step "Trying it out: $api/preflight"
  local try answer status=
  key=$(az functionapp keys list --resource-group "$group" --name "$app" --query "functionKeys.default" --output tsv)
  for try in $(seq 1 10); do
    answer=$(ask preflight)
    status=$(tail -n 1 <<<"$answer")
    case $status in
      200)
        sed '$d' <<<"$answer" | sed 's/},{/},\n{/g' | sed -n 's/.*"name":"\([^"]*\)","status":"\([^"]*\)".*"detail":"\(\([^"\\]\|\\.\)*\)".*/   \2  \1: \3/p'
        if grep -q '"status":"failed"' <<<"$answer"; then
          say "   The app runs. What failed above says what is missing; after a grant, restart the app: az functionapp restart --resource-group $group --name $app"
        else
          say "   The app runs, and reaches everything."
        fi
        return
        ;;
      401)
        say "   The app runs, and asks for a Microsoft Entra token beside the key, as it should with entraClientId."
        return
        ;;
    esac
    say "   not yet (try $try of 10, status ${status:-none})"
    sleep "${RETRY_SECONDS:-15}"
  done
  stop "the app does not answer" "look at its log stream in the portal, or: az webapp log tail --resource-group $group --name $app; docs/runbook.md has more"
}

check_inputs
check_place
check_rights
register_providers
make_group
check_settings
find_out_lock
choose_grants
deploy
grant
publish
try_out

step "Done"
say "   API:          $api"
say "   key for flows: az functionapp keys list --resource-group $group --name $app --query functionKeys.default --output tsv"
say "   connector:    infra/connector, docs/power-automate.md"
say "   archive:      storage account $(output archiveAccount)"
