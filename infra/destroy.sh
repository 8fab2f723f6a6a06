#!/usr/bin/env bash
# Takes Entra Ledger away again, and keeps the archive unless told otherwise.
set -euo pipefail
cd "$(dirname "$0")"
. ./common.sh

usage() {
  cat <<'TEXT'
Usage: infra/destroy.sh --resource-group <name> [options]

  --name <name>               as it was deployed (ledger)
  --delete-archive <account>  also delete the archive: the name of its storage account, spelt out. Nothing brings it back
  --yes                       ask nothing (the archive still has to be spelt out)
TEXT
}

group= name=ledger doomed= yes=false
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

# ids <type> <condition on tags>
ids() {
  az resource list --resource-group "$group" --resource-type "$1" --query "[?tags.entraledger=='$name' && $2].id" --output tsv
}

step "Looking at what is there"
[ -n "$group" ] || stop "--resource-group is needed" "for example: infra/destroy.sh --resource-group rg-ledger"
check_group_name "$group"
check_name "$name"
signed_in
az group show --name "$group" --output none 2>/dev/null || stop "there is no resource group $group" "az group list --query '[].name' lists them"
archive=$(ids Microsoft.Storage/storageAccounts "tags.part=='archive'")
archive_name=${archive##*/}
if [ -n "$doomed" ] && [ "$doomed" != "$archive_name" ]; then
  stop "the archive's storage account is '$archive_name', and not '$doomed'" "nothing was deleted; spell it out if you mean it"
fi

# In an order in which nothing is deleted that something else still uses.
types="Microsoft.Insights/scheduledQueryRules Microsoft.Insights/actionGroups Microsoft.Web/sites Microsoft.Web/serverfarms
  Microsoft.Insights/components Microsoft.OperationalInsights/workspaces Microsoft.Network/privateEndpoints
  Microsoft.Network/privateDnsZones/virtualNetworkLinks Microsoft.Network/privateDnsZones Microsoft.Network/virtualNetworks
  Microsoft.Network/networkSecurityGroups Microsoft.Storage/storageAccounts Microsoft.ManagedIdentity/userAssignedIdentities"
found=
for type in $types; do
  for id in $(ids "$type" "tags.part!='archive'"); do
    found="$found $id"
    say "   $type ${id##*/}"
  done
done
if [ -n "$doomed" ]; then
  say "   AND THE ARCHIVE: $archive_name"
elif [ -n "$archive_name" ]; then
  say "   kept: the archive, $archive_name"
fi
[ -n "$found$doomed" ] || { say "   nothing"; exit 0; }
confirm "Delete these?"

step "Deleting"
for id in $found; do
  az resource delete --ids "$id" --output none ||
    stop "${id##*/} was not deleted" "the message above says why; run this again, it goes on here"
  say "   ${id##*/}"
done

if [ -n "$doomed" ]; then
  step "Deleting the archive"
  state=$(az storage container immutability-policy show --resource-group "$group" --account-name "$archive_name" --container-name entraledger-heads \
    --query state --output tsv 2>/dev/null || true)
  [ "$state" != Locked ] ||
    stop "the heads of the logs are locked" "Azure does not delete an account whose container has a locked immutability policy and blobs in it; wait until its days are over"
  lock=$(az lock list --resource "$archive" --query "[?name=='keep-the-archive'].id | [0]" --output tsv)
  [ -z "$lock" ] || az lock delete --ids "$lock" --output none
  az resource delete --ids "$archive" --output none || stop "$archive_name was not deleted" "the message above says why"
  say "   $archive_name"
fi

step "Done"
if [ -z "$doomed" ] && [ -n "$archive_name" ]; then
  say "   The archive is kept. infra/deploy.sh with the same resource group and name goes on with it."
fi
