#!/usr/bin/env bash
# Takes Entra Ledger away again, and keeps the archive unless told otherwise.
set -euo pipefail
CDPATH='' cd -- "$(dirname "$0")"
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
  Microsoft.OperationalInsights/workspaces"
endpoints=Microsoft.Network/privateEndpoints
identities=Microsoft.ManagedIdentity/userAssignedIdentities
last="Microsoft.Network/virtualNetworks Microsoft.Network/networkSecurityGroups"

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
  mapfile -t private < <(ours "$endpoints")
  find_roles
  find_archive
  if [ -n "$doomed" ] && [ "$doomed" != "$archive_name" ]; then
    stop "the archive's storage account is '$archive_name', and not '$doomed'" \
      "nothing was deleted; spell it out if you mean it"
  fi
  # Of storage accounts only the host's goes unasked: whatever else is tagged may hold records.
  mapfile -t first < <(smart_detection; for type in $before; do ours "$type"; done)
  mapfile -t rest < <(for type in $after; do ours "$type" | without_foreign_links; done
    ours Microsoft.Storage/storageAccounts host | without_archives; ours "$identities")
  mapfile -t network < <(for type in $last; do ours "$type"; done)
  find_left_alone
}

# read_list "what" <address>: sets out to the values of a list of ARM.
read_list() {
  call_json "reading $1" "you need the role Reader on $group" rest --method get --url "$2"
  jq -e '.value | type == "array"' <<<"$out" >/dev/null 2>&1 || stop "reading $1 failed: az answered no list" \
    "run it again; if it stays so, try the newest az (az upgrade), or Azure Cloud Shell"
  out=$(jq -c .value <<<"$out")
}

# find_roles sets roles: what the app's identity may do on resources of the group, as JSON.
find_roles() {
  local identity principal
  roles='[]'
  identity=$(ours "$identities" identity | head -n 1)
  [ -n "$identity" ] || return 0
  get "$identity" 2024-11-30
  principal=$(field .properties.principalId)
  [ -n "$principal" ] || return 0
  read_list "the roles of ${identity##*/}" \
    "/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&\$filter=principalId%20eq%20%27$principal%27"
  roles=$(jq -c --arg principal "$principal" 'map(select(.properties.principalId == $principal))' <<<"$out")
}

# find_archive sets archive, and archives: all accounts that hold an archive of which something is
# the app's. The archive is the one that the app writes; without an app, the one with its tags, or
# else the one that its private endpoints and its identity's roles are for: an archive that another
# app has taken over has that one's tags, and is not ours to delete.
find_archive() {
  local app written='' tagged used
  app=$(ours Microsoft.Web/sites app | head -n 1)
  if [ -n "$app" ]; then
    call_json "reading the settings of ${app##*/}" \
      "you need the role Contributor on $group" functionapp config appsettings list --resource-group "$group" --name "${app##*/}"
    written=$(account_of_app "$out")
  fi
  tagged=$(ours Microsoft.Storage/storageAccounts archive)
  find_used
  archive=${written:-${tagged:-$used}}
  [ "$(wc -l <<<"$archive")" -eq 1 ] || stop "several storage accounts are tagged as the archive of '$name'" \
    "take the tag entraledger off those that are not: they are no part of the deployment then, and stay"
  archive_name=${archive##*/}
  mapfile -t archives < <(printf '%s\n' "$written" "$tagged" "$used" | awk 'NF && !seen[tolower($0)]++')
  if [ -n "$doomed" ] && [ "$doomed" = "$archive_name" ] && ! grep -qixF "$archive" <<<"$tagged"; then
    stop "$archive_name is the archive of another app by now" "nothing was deleted; delete it with that app's --name"
  fi
}

# find_used sets used: the archives, whatever app's they are said to be, on which the identity has a
# role; and those that private endpoints of ours lead to, where no app says what it writes.
find_used() {
  local id targets
  targets=$(jq -r '.[].properties.scope' <<<"$roles")
  for id in "${private[@]}"; do
    [ -z "$written" ] || break
    get "$id" "$api_network"
    targets+=$'\n'$(field '.properties | .privateLinkServiceConnections[]?, .manualPrivateLinkServiceConnections[]? | .properties.privateLinkServiceId')
  done
  used=$(awk -F '\t' 'NR == FNR { if (NF) target[tolower($0)]; next }
    $1 == "microsoft.storage/storageaccounts" && $3 == "archive" && tolower($4) in target { print $4 }' <(printf '%s\n' "$targets") <(printf '%s\n' "$resource_lines"))
}

without_archives() { grep -vixF -f <(printf '%s\n' "${archives[@]:-none}") || true; }

# A zone to which others have linked their networks is theirs as well.
without_foreign_links() {
  awk -F '\t' -v name="$name" 'NR == FNR { if ($1 == "microsoft.network/privatednszones/virtualnetworklinks" && $2 != name) {
      zone = tolower($4); sub(/\/virtualnetworklinks\/.*/, "", zone); foreign[zone] }; next }
    !(tolower($0) in foreign)' <(printf '%s\n' "$resource_lines") -
}

# find_left_alone sets left: what has the deployment's tag and is kept, with the reason.
find_left_alone() {
  local id
  left=()
  while read -r id; do
    [ -z "$id" ] || left+=("${id##*/}: other networks are linked to it")
  done < <(comm -23 <(ours Microsoft.Network/privateDnsZones | sort) <(ours Microsoft.Network/privateDnsZones | without_foreign_links | sort))
  while read -r id; do
    [ -z "$id" ] || [ "$id" = "$archive" ] || left+=("${id##*/}: a storage account that may hold records; delete it by hand if it does not")
  done < <(comm -23 <(ours Microsoft.Storage/storageAccounts | sort) <(ours Microsoft.Storage/storageAccounts host | without_archives | sort))
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

# What lies on an archive and belongs to the app: its roles, and the settings that tell its Log
# Analytics workspace who read the archive. Another app's workspace is told for that one.
on_archives() {
  local service id account
  assignments=() audits=()
  for account in "${archives[@]}"; do
    # shellcheck disable=SC2016 # jq's variable
    mapfile -t -O ${#assignments[@]} assignments < <(jq -r --arg account "$account" \
      '.[] | select((.properties.scope | ascii_downcase) == ($account | ascii_downcase)) | .id' <<<"$roles")
    for service in blobServices tableServices; do
      id="$account/$service/default/providers/Microsoft.Insights/diagnosticSettings/access"
      get "$id" "$api_diagnostics"
      [ "$out" != null ] || continue
      if grep -qixF "$(field .properties.workspaceId)" <<<"$(ours Microsoft.OperationalInsights/workspaces)"; then
        audits+=("$id")
      else
        left+=("the audit setting of ${account##*/} ($service): it writes to a workspace that is not this app's")
      fi
    done
  done
}

# find_locks sets locks: those on the archives themselves. Who locked the group or the subscription
# is somebody else.
find_locks() {
  local account
  locks='[]'
  for account in "${archives[@]}"; do
    read_list "the locks of ${account##*/}" "$account/providers/Microsoft.Authorization/locks?api-version=$api_locks"
    locks=$(jq -c --arg archive "$account/" --argjson before "$locks" \
      '$before + map(select(.id | ascii_downcase | startswith($archive | ascii_downcase)))' <<<"$out")
  done
}

# Azure deletes no account whose container has a locked immutability policy and blobs in it.
check_heads() {
  [ -n "$doomed" ] || return 0
  get "$archive/blobServices/default/containers/entraledger-heads" "$api_storage"
  [ "$(field .properties.immutabilityPolicy.properties.state)" != Locked ] ||
    stop "the heads of the logs are locked, and Azure does not delete them before their days are over" \
      "nothing was deleted; leave --delete-archive out, and the archive is kept"
}

# account_of_lock <lock>: what it is on.
account_of_lock() { jq -r '.id | sub("/providers/Microsoft.Authorization/locks/[^/]*$"; ""; "i")' <<<"$1"; }

lifted='[]'   # locks that are off, or may be
refused=      # why the last one could not be put back
lift_locks() {
  local lock id
  [ "$locks" != '[]' ] || return 0
  lifted=$locks
  while IFS= read -r lock; do
    id=$(account_of_lock "$lock")
    say "   lifting the lock of ${id##*/}"
    id=$(jq -r .id <<<"$lock")
    call "lifting the lock ${id##*/}" \
      "ask for Locks Contributor, User Access Administrator or Owner on $group; then run this again" \
      rest --method delete --url "$id?api-version=$api_locks" --output none
  done < <(jq -c '.[]' <<<"$locks")
  unlocked=true
}

# put_back <lock>: gives 1 where it is not there in the end. One answer of Azure proves nothing, so
# it is read back.
put_back() {
  local id body n limit=60 tries=1
  id=$(jq -r .id <<<"$1")
  body=$(jq -c '{properties: {level: .properties.level, notes: (.properties.notes // "")}}' <<<"$1")
  for ((n = 1; n <= 5; n++)); do
    [ "$n" -eq 1 ] || nap $((pause * (n - 1)))
    refused='it was put, and is not there'
    attempt rest --method put --url "$id?api-version=$api_locks" --body "$body" --output none || refused=$failure
    if attempt rest --method get --url "$id?api-version=$api_locks" --output json &&
      jq -e --argjson lock "$1" '.properties.level == $lock.properties.level' <<<"$out" >/dev/null 2>&1; then return 0; fi
  done
  return 1
}

# restore puts back what was lifted. lifted keeps what could not be. Nothing interrupts it: an
# archive without its lock is worse than a minute of waiting.
restore() {
  [ "$lifted" != '[]' ] || return 0
  local lock id off='[]'
  unlocked=false
  undisturbed
  while IFS= read -r lock; do
    id=$(account_of_lock "$lock")
    if put_back "$lock"; then
      say "   the lock of ${id##*/} is back" || true
    else
      off=$(jq -c --argjson lock "$lock" '. + [$lock]' <<<"$off")
    fi
  done < <(jq -c '.[]' <<<"$lifted")
  lifted=$off
}

# by_hand tells how the locks that are off are put back.
by_hand() {
  jq -r 'map("az lock create --name \(.name // (.id | split("/") | last) | @sh) --lock-type \(.properties.level) --resource \(
    .id | sub("/providers/Microsoft.Authorization/locks/[^/]*$"; ""; "i") | @sh) --notes \(.properties.notes // "" | @sh)") | join("; ")' <<<"$lifted"
}

# at_end puts the locks back, however the script ends.
at_end() {
  restore
  [ "$lifted" != '[]' ] || return 0
  printf '\nATTENTION: the archive is without its lock. Azure says: %s\n      put it back: %s\n' "$refused" "$(by_hand)" >&2 || true
  lifted='[]'
}

# remove <id>: what is gone already is gone. Another thing that is not found (a subscription, an API
# version) says nothing about it.
remove() {
  local limit=900
  if attempt resource delete --ids "$1" --output none || none; then
    say "   ${1##*/}"
    return
  fi
  stop "${1##*/} was not deleted. Azure says: $failure" \
    "$(remedy_for "mend what the line above says and run this again, it goes on here")"
}

remove_by_rest() {
  attempt rest --method delete --url "$1?api-version=$2" --output none || none ||
    stop "$3 was not deleted. Azure says: $failure" "$(remedy_for "run this again, it goes on here")"
  say "   $3"
}

# The subnet of an app that was deleted is held for a while: minutes as a rule, hours or days now
# and then.
remove_network() {
  local n
  for ((n = 1; ; n++)); do
    if attempt resource delete --ids "$1" --output none || none; then
      say "   ${1##*/}"
      return
    fi
    [ "$n" -lt 12 ] || break
    say "   ${1##*/} is in use still (try $n of 12)"
    nap $((pause * 3))
  done
  stop "${1##*/} was not deleted: everything else is. Azure says: $failure" \
    "$(remedy_for "Azure may hold it for hours: run this again later, it goes on here")"
}

show() {
  local id
  for id in "${first[@]}" "${private[@]}" "${rest[@]}" "${network[@]}"; do say "   ${id##*/providers/}"; done
  [ ${#assignments[@]} -eq 0 ] || say "   ${#assignments[@]} roles of the app on the archive"
  [ ${#audits[@]} -eq 0 ] || say "   the audit settings of the archive"
  for id in "${left[@]}"; do say "   left: $id"; done
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
    for id in "${assignments[@]}"; do remove_by_rest "$id" 2022-04-01 "a role of the app on its archive"; done
    [ -n "$doomed" ] || restore_and_go_on
  fi
  for id in "${rest[@]}"; do remove "$id"; done
  for id in "${network[@]}"; do remove_network "$id"; done
}

# restore_and_go_on puts the locks back while there is work left; what fails is tried again at the end.
restore_and_go_on() {
  local traps
  traps=$(trap -p INT TERM HUP PIPE)
  restore
  trap - INT TERM HUP PIPE
  eval "$traps"
  [ "$lifted" = '[]' ] || say "   the archive's lock is NOT back yet, and is tried again at the end. Azure says: $refused"
}

delete_archive() {
  step "Deleting the archive"
  [ "$lifted" != '[]' ] || lift_locks
  unlocked=true
  remove "$archive"
  # What was lifted from another archive is put back.
  lifted=$(jq -c --arg archive "$archive/" 'map(select(.id | ascii_downcase | startswith($archive | ascii_downcase) | not))' <<<"$lifted")
}

begin
find_everything
on_archives
find_locks
check_heads
show
[ $((${#first[@]} + ${#private[@]} + ${#rest[@]} + ${#network[@]} + ${#assignments[@]} + ${#audits[@]} + ${#doomed})) -gt 0 ] || { say "   nothing to delete"; exit 0; }
confirm "Delete these?"
delete_everything
[ -z "$doomed" ] || delete_archive
restore
if [ "$lifted" != '[]' ]; then
  remedy="put it back: $(by_hand)"
  lifted='[]'
  stop "all is deleted that was to be, and the archive is without its lock. Azure says: $refused" "$remedy"
fi

step "Done"
if [ -z "$doomed" ] && [ -n "$archive_name" ]; then
  say "   The archive is kept. infra/deploy.sh with the same resource group and name goes on with it."
fi
