#!/usr/bin/env bash
# Takes Entra Ledger away again, and keeps the archive unless told otherwise.
set -euo pipefail
cd "$(dirname "$0")"
. ./common.sh
. ./azure.sh

usage() {
  cat <<'TEXT'
Usage: infra/destroy.sh --resource-group <name> [options]

  --name <name>               as it was deployed (ledger)
  --delete-archive <account>  also delete the archive: the name of its storage account, spelt out. Nothing brings it back
  --yes                       ask nothing (the archive still has to be spelt out)

The lock of the archive also keeps its private endpoints and the app's roles on it from being deleted. It is lifted for that time, and put back.
TEXT
}

group='' name=ledger doomed='' yes=false
while [ $# -gt 0 ]; do
  case $1 in
    --resource-group) want "$1" "${2:-}"; group=$2; shift 2 ;;
    --name) want "$1" "${2:-}"; name=$2; shift 2 ;;
    --delete-archive) want "$1" "${2:-}"; doomed=$2; shift 2 ;;
    --yes) yes=true; shift ;;
    --help) usage; exit 0 ;;
    *) stop "unknown option $1" "--help lists the options" ;;
  esac
done

# In an order in which nothing is deleted that something else still uses. The network comes last:
# Azure may hold it for hours.
before="Microsoft.Insights/scheduledQueryRules Microsoft.Insights/actionGroups Microsoft.Web/sites Microsoft.Web/serverfarms"
after="Microsoft.Network/privateDnsZones/virtualNetworkLinks Microsoft.Network/privateDnsZones Microsoft.Insights/components
  Microsoft.OperationalInsights/workspaces Microsoft.Storage/storageAccounts Microsoft.ManagedIdentity/userAssignedIdentities"
endpoints=Microsoft.Network/privateEndpoints
last="Microsoft.Network/virtualNetworks Microsoft.Network/networkSecurityGroups"

# without_archive drops the archive from a list of ids, whatever its part is said to be.
without_archive() { if [ -n "$archive" ]; then grep -vixF "$archive" || true; else cat; fi; }

find_everything() {
  step "Looking at what is there"
  [ -n "$group" ] || stop "--resource-group is needed" "for example: infra/destroy.sh --resource-group rg-ledger"
  check_group_name "$group"
  check_name "$name"
  check_tools
  signed_in
  get "/subscriptions/$subscription/resourceGroups/$group" 2021-04-01
  [ "$out" != null ] || stop "there is no resource group $group" "az group list --query '[].name' lists them"
  list_resources
  find_archive
  if [ -n "$doomed" ] && [ "$doomed" != "$archive_name" ]; then
    stop "the archive's storage account is '$archive_name', and not '$doomed'" \
      "nothing was deleted; spell it out if you mean it"
  fi
  mapfile -t first < <(smart_detection; for type in $before; do ours "$type"; done)
  mapfile -t private < <(ours "$endpoints")
  mapfile -t rest < <(for type in $after; do ours "$type" | without_archive; done)
  mapfile -t network < <(for type in $last; do ours "$type"; done)
  identity=$(ours Microsoft.ManagedIdentity/userAssignedIdentities identity | head -n 1)
}

# The archive that the app writes, or else the one with the tags. An archive that another app has
# taken over has that one's tag, and is not ours to delete.
find_archive() {
  local app tagged
  archive=''
  app=$(ours Microsoft.Web/sites app | head -n 1)
  if [ -n "$app" ]; then
    call_json "reading the settings of ${app##*/}" \
      "you need the role Contributor on $group" functionapp config appsettings list --resource-group "$group" --name "${app##*/}"
    archive=$(account_of_app "$out")
  fi
  tagged=$(ours Microsoft.Storage/storageAccounts archive)
  [ -n "$archive" ] || archive=$tagged
  [ "$(wc -l <<<"$archive")" -eq 1 ] || stop "several storage accounts are tagged as the archive of '$name'" \
    "take the tag part off those that are not"
  archive_name=${archive##*/}
  if [ -n "$doomed" ] && [ "$doomed" = "$archive_name" ] && ! grep -qixF "$archive" <<<"$tagged"; then
    stop "$archive_name is the archive of another app by now" "nothing was deleted; delete it with that app's --name"
  fi
}

# What Application Insights makes beside a component, untagged: a rule of its own, and one action
# group for all components of the group.
smart_detection() {
  jq -r --arg name "$name" '
    [.[] | select(.type == "microsoft.insights/components")] as $components | [$components[] | select(.tags.entraledger == $name) | .name] as $ours
    | sort_by(.type)[] | select((.type == "microsoft.alertsmanagement/smartdetectoralertrules" and (.name | ascii_downcase | IN($ours[] | "failure anomalies - " + ascii_downcase)))
      or (.type == "microsoft.insights/actiongroups" and (.name | ascii_downcase) == "application insights smart detection"
        and ($ours | length) > 0 and ($components | length) == ($ours | length))) | .id' <<<"$resources"
}

# What lies on the archive and belongs to the app: its roles, and the settings that told Log
# Analytics who read it.
on_archive() {
  assignments=() audits=()
  [ -n "$archive" ] || return 0
  if [ -n "$identity" ]; then
    get "$identity" 2024-11-30
    local principal
    principal=$(field .properties.principalId)
    call_json "reading the roles on $archive_name" "you need the role Reader on it" \
      rest --method get --url "$archive/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&\$filter=atScope()"
    # shellcheck disable=SC2016 # jq's variables
    mapfile -t assignments < <(field '.value[] | select(.properties.principalId == $principal and ((.properties.scope | ascii_downcase) == ($archive | ascii_downcase))) | .id' \
      --arg principal "$principal" --arg archive "$archive")
  fi
  local service
  for service in blobServices tableServices; do
    get "$archive/$service/default/providers/Microsoft.Insights/diagnosticSettings/access" "$api_diagnostics"
    [ "$out" = null ] || audits+=("$archive/$service/default/providers/Microsoft.Insights/diagnosticSettings/access")
  done
}

# find_locks sets locks: those on the archive itself. Who locked the group or the subscription is
# somebody else.
find_locks() {
  locks='[]'
  [ -n "$archive" ] || return 0
  call_json "reading the locks of $archive_name" \
    "you need the role Reader on it" rest --method get --url "$archive/providers/Microsoft.Authorization/locks?api-version=$api_locks"
  locks=$(jq -c --arg archive "$archive/" '[.value[]? | select(.id | ascii_downcase | startswith($archive | ascii_downcase))]' <<<"$out")
}

# Azure deletes no account whose container has a locked immutability policy and blobs in it.
check_heads() {
  [ -n "$doomed" ] || return 0
  get "$archive/blobServices/default/containers/entraledger-heads" "$api_storage"
  [ "$(field .properties.immutabilityPolicy.properties.state)" != Locked ] ||
    stop "the heads of the logs are locked, and Azure does not delete them before their days are over" \
      "nothing was deleted; leave --delete-archive out, and the archive is kept"
}

lifted='[]'
lift_locks() {
  [ "$locks" != '[]' ] || return 0
  say "   lifting the lock of $archive_name"
  lifted=$locks
  local id
  for id in $(jq -r '.[].id' <<<"$locks"); do
    call "lifting the lock of $archive_name" \
      "ask for Locks Contributor, User Access Administrator or Owner on $group; then run this again" \
      rest --method delete --url "$id?api-version=$api_locks" --output none
  done
  unlocked=true
}

# at_end puts the locks back, however the script ends.
at_end() {
  [ "$lifted" != '[]' ] || return 0
  local lock id body failed=
  unlocked=false
  while IFS= read -r lock; do
    id=$(jq -r .id <<<"$lock")
    body=$(jq -c '{properties: {level: .properties.level, notes: (.properties.notes // "")}}' <<<"$lock")
    attempt rest --method put --url "$id?api-version=$api_locks" --body "$body" --output none ||
      failed="$failed ${id##*/}"
  done < <(jq -c '.[]' <<<"$lifted")
  lifted='[]'
  if [ -n "$failed" ]; then
    printf '\nATTENTION: the archive is without its lock%s. Azure says: %s\n      %s\n' "$failed" "$failure" \
      "put it back: az lock create --name keep-the-archive --lock-type CanNotDelete --resource $archive" >&2
    return 0
  fi
  say "   the lock of $archive_name is back"
}

# remove <id>: what is gone already is gone.
remove() {
  local limit=900
  if attempt resource delete --ids "$1" --output none ||
    [[ $failure =~ NotFound|not\ found|could\ not\ be\ found ]]; then
    say "   ${1##*/}"
    return
  fi
  stop "${1##*/} was not deleted. Azure says: $failure" \
    "$(remedy_for "mend what the line above says and run this again, it goes on here")"
}

remove_by_rest() {
  attempt rest --method delete --url "$1?api-version=$2" --output none ||
    [[ $failure =~ NotFound|not\ found|could\ not\ be\ found ]] ||
    stop "$3 was not deleted. Azure says: $failure" "$(remedy_for "run this again, it goes on here")"
  say "   $3"
}

# The subnet of an app that was deleted is held for a while: minutes as a rule, hours or days now
# and then.
remove_network() {
  local n
  for ((n = 1; ; n++)); do
    if attempt resource delete --ids "$1" --output none ||
      [[ $failure =~ NotFound|not\ found|could\ not\ be\ found ]]; then
      say "   ${1##*/}"
      return
    fi
    [ "$n" -lt 12 ] || break
    say "   ${1##*/} is in use still (try $n of 12)"
    sleep $((pause * 3))
  done
  stop "${1##*/} was not deleted: everything else is. Azure says: $failure" \
    "$(remedy_for "Azure may hold it for hours: run this again later, it goes on here")"
}

show() {
  local id
  for id in "${first[@]}" "${private[@]}" "${rest[@]}" "${network[@]}"; do say "   ${id##*/providers/}"; done
  [ ${#assignments[@]} -eq 0 ] || say "   ${#assignments[@]} roles of the app on the archive"
  [ ${#audits[@]} -eq 0 ] || say "   the audit settings of the archive"
  if [ -n "$doomed" ]; then
    say "   AND THE ARCHIVE: $archive_name"
  elif [ -n "$archive_name" ]; then
    say "   kept: the archive, $archive_name"
    [ "$locks" != '[]' ] ||
      say "   It has no lock; to make one: az lock create --name keep-the-archive --lock-type CanNotDelete --resource $archive"
  fi
}

delete_everything() {
  step "Deleting"
  local id
  for id in "${first[@]}"; do
    case $id in */Microsoft.Web/sites/*) remove_by_rest "$id/providers/Microsoft.Insights/diagnosticSettings/app" \
      "$api_diagnostics" "diagnostic setting of ${id##*/}" ;; esac
    remove "$id"
  done
  if [ $((${#private[@]} + ${#assignments[@]} + ${#audits[@]})) -gt 0 ]; then
    lift_locks
    for id in "${private[@]}"; do remove "$id"; done
    for id in "${audits[@]}"; do remove_by_rest "$id" "$api_diagnostics" "audit setting"; done
    for id in "${assignments[@]}"; do remove_by_rest "$id" 2022-04-01 "a role of the app on $archive_name"; done
    [ -n "$doomed" ] || at_end
  fi
  for id in "${rest[@]}"; do remove "$id"; done
  for id in "${network[@]}"; do remove_network "$id"; done
}

delete_archive() {
  step "Deleting the archive"
  [ "$lifted" != '[]' ] || lift_locks
  unlocked=true
  remove "$archive"
  lifted='[]'
}

begin
find_everything
on_archive
find_locks
check_heads
show
[ $((${#first[@]} + ${#private[@]} + ${#rest[@]} + ${#network[@]} + ${#assignments[@]} + ${#audits[@]} + ${#doomed})) -gt 0 ] || { say "   nothing to delete"; exit 0; }
confirm "Delete these?"
delete_everything
[ -z "$doomed" ] || delete_archive

step "Done"
if [ -z "$doomed" ] && [ -n "$archive_name" ]; then
  say "   The archive is kept. infra/deploy.sh with the same resource group and name goes on with it."
fi
