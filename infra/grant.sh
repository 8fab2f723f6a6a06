#!/usr/bin/env bash
# Grants the app's identity Microsoft Graph application permissions, or prints the commands for
# somebody who may.
set -euo pipefail
CDPATH='' cd -- "$(dirname "$0")"
. ./common.sh
. ./azure.sh
. ./granting.sh
. ./publish.sh

usage() {
  cat <<'TEXT'
Usage: infra/grant.sh --resource-group <name> --app <name> [--print] <permission> ...
       infra/grant.sh --principal <object id> [--print] <permission> ...

Grants Microsoft Graph application permissions to the app's identity. It takes the role Privileged Role Administrator (or Global
Administrator). What is granted already is left as it is. With --app it finds the identity by itself, restarts the app, because a token
that was issued before lives for up to a day, and asks the app whether all is well. infra/deploy.sh tells the names and the permissions.

  --resource-group <name>   of the app
  --app <name>              the function app
  --principal <object id>   instead: the identity; the app is left alone
  --print                   changes nothing: prints the commands for whoever may run them
TEXT
}

group='' app='' principal='' print=false permissions=()
while [ $# -gt 0 ]; do
  case $1 in
    --resource-group) want "$1" "${2:-}"; group=$2; shift 2 ;;
    --app) want "$1" "${2:-}"; app=$2; shift 2 ;;
    --principal) want "$1" "${2:-}"; principal=$2; shift 2 ;;
    --print) print=true; shift ;;
    --help) usage; exit 0 ;;
    -*) stop "unknown option $1" "--help lists the options" ;;
    *) permissions+=("$1"); shift ;;
  esac
done

check_inputs() {
  if [ -n "$app" ]; then
    [ -n "$group" ] || stop "--app needs --resource-group" "infra/deploy.sh tells both"
    check_group_name "$group"
  else
    [[ $principal =~ ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$ ]] ||
      stop "the principal '$principal' is no object id" "infra/deploy.sh prints it; or give --resource-group and --app"
  fi
  [ ${#permissions[@]} -gt 0 ] || stop "no permission is named" \
    "docs/permissions.md has them; infra/deploy.sh prints those that are needed"
}

# find_app sets principal, api and entra. Where the app has several identities, its setting says
# which one it works with.
find_app() {
  app_id="/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.Web/sites/$app"
  get "$app_id" "$api_web"
  [ -n "$(field '.id?')" ] || stop "there is no app $app in $group" \
    "az functionapp list --resource-group $group --query '[].name' lists them"
  local host identities client
  host=$(field '.properties.defaultHostName? | strings')
  [ -n "$host" ] || stop "Azure tells no address of $app" "run this again; if it stays so, look at the app in the portal"
  api="https://$host/api"
  identities=$(field '[.identity.userAssignedIdentities // {} | .[]]' -c)
  if [ "$(jq length <<<"$identities")" -gt 1 ]; then
    call_json "reading the settings of $app" \
      "you need the role Contributor on $group" functionapp config appsettings list --resource-group "$group" --name "$app"
    client=$(field '[.[]? | select(.name? == "AZURE_CLIENT_ID") | .value][0]')
    identities=$(jq --arg client "$client" 'map(select(.clientId == $client))' <<<"$identities")
  fi
  principal=$(jq -r '.[0].principalId // ""' <<<"$identities")
  [ -n "$principal" ] || stop "$app has no user-assigned identity of Entra Ledger" \
    "is it the right app? infra/deploy.sh names it"
  must_get "$app_id/config/authsettingsV2" "$api_web"
  if [ "$(field '.properties?.platform?.enabled?')" = true ]; then entra=true; else entra=false; fi
}

begin
check_inputs
check_tools
if [ "$print" = true ]; then
  signed_in >/dev/null
  [ -z "$app" ] || find_app
  print_grants "$principal" "${permissions[@]}"
  [ "$printed" -gt 0 ] || say "# all are granted already"
  exit 0
fi
step "Granting Microsoft Graph permissions"
signed_in
[ -z "$app" ] || find_app
grant_all "$principal" "${permissions[@]}"
[ -n "$app" ] || exit 0

step "Asking the app: $api/preflight"
# Whatever runs is asked; what should run is no matter here.
functions='' binary='' release='' key='' said=''
attempt functionapp restart --resource-group "$group" --name "$app" --output none ||
  stop "the permissions are granted, and the app was not restarted. Azure says: $failure" \
    "somebody with Contributor has to: az functionapp restart --resource-group $group --name $app; a token from before has none of the permissions"
say "   restarted"
answers 12 || stop "the permissions are granted, and the app does not answer: $said" \
  "docs/runbook.md, \"After a deployment nothing answers\""
if [ "$status" = 401 ]; then
  say "   The permissions are granted. The app runs, and asks for a Microsoft Entra token beside the key."
else
  show_checks
fi
