#!/usr/bin/env bash
# Grants the app's identity Microsoft Graph application permissions, or prints the commands for somebody who may.
set -euo pipefail
cd "$(dirname "$0")"
. ./common.sh

usage() {
  cat <<'TEXT'
Usage: infra/grant.sh --principal <object id> [--print] <permission> ...

Grants Microsoft Graph application permissions to the app's identity. It takes the role Privileged Role Administrator (or Global
Administrator). What is granted already is left as it is. infra/deploy.sh tells the object id and the permissions.

  --principal <object id>   of the app's identity
  --print                   changes nothing: prints the commands for whoever may run them
TEXT
}

principal= print=false permissions=()
while [ $# -gt 0 ]; do
  case $1 in
    --principal) want "$1" "${2:-}"; principal=$2; shift 2 ;;
    --print) print=true; shift ;;
    --help) usage; exit 0 ;;
    -*) stop "unknown option $1" "--help lists the options" ;;
    *) permissions+=("$1"); shift ;;
  esac
done
[[ $principal =~ ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$ ]] || stop "the principal '$principal' is no object id" "infra/deploy.sh prints it"
[ ${#permissions[@]} -gt 0 ] || stop "no permission is named" "docs/permissions.md has them; infra/deploy.sh prints those that are needed"

if [ "$print" = true ]; then signed_in >/dev/null; else signed_in; fi
graph=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
graph=${graph%/}
resource=$(az ad sp show --id 00000003-0000-0000-c000-000000000000 --query id --output tsv) ||
  stop "Microsoft Graph's service principal can't be read" "sign in to the tenant with az login --tenant <tenant>"
address="$graph/v1.0/servicePrincipals/$principal/appRoleAssignments"
missing=0
for permission in "${permissions[@]}"; do
  role=$(az ad sp show --id 00000003-0000-0000-c000-000000000000 --query "appRoles[?value=='$permission'].id | [0]" --output tsv)
  [ -n "$role" ] || stop "this cloud's Microsoft Graph has no application permission '$permission'" "check its spelling in docs/permissions.md"
  body="{\"principalId\":\"$principal\",\"resourceId\":\"$resource\",\"appRoleId\":\"$role\"}"
  if [ "$print" = true ]; then
    say "az rest --method POST --url '$address' --headers Content-Type=application/json --body '$body'   # $permission"
    continue
  fi
  granted=$(az rest --method GET --url "$address" --query "value[?appRoleId=='$role'].id | [0]" --output tsv) || granted=
  if [ -n "$granted" ]; then
    say "   $permission: granted already"
  elif az rest --method POST --url "$address" --headers Content-Type=application/json --body "$body" --output none; then
    say "   $permission: granted"
  else
    say "   $permission: NOT granted"
    missing=$((missing + 1))
  fi
done
[ "$missing" -eq 0 ] || stop "$missing of ${#permissions[@]} permissions were not granted" \
  "a Privileged Role Administrator can do it: give them what infra/grant.sh --print --principal $principal ${permissions[*]} prints"
