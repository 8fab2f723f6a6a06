# What deploy.sh, grant.sh and destroy.sh share. Each says what it does, and stops at the first thing that is wrong with what to do about it.

say() { printf '%s\n' "$*"; }

steps=0
step() {
  steps=$((steps + 1))
  printf '\n%d. %s\n' "$steps" "$*"
}

# stop "what is wrong" "what to do"
stop() {
  printf '\nSTOP: %s\n      %s\n' "$1" "$2" >&2
  exit 1
}

# want "value" "option": an option needs its value.
want() { [ -n "${2:-}" ] || stop "$1 has no value" "give one, or leave it out; --help lists the options"; }

# confirm "question": yes, unless --yes was given; without a terminal there is nobody to ask.
confirm() {
  [ "$yes" = true ] && return 0
  [ -t 0 ] || stop "there is nobody to ask: $1" "run it in a terminal, or with --yes"
  printf '   %s [y/N] ' "$1"
  read -r answer
  [ "$answer" = y ] || [ "$answer" = Y ] || stop "you said no" "nothing was changed by this step; run it again when you are ready"
}

# signed_in sets subscription, subscription_name, cloud and who: "user" or "servicePrincipal".
signed_in() {
  command -v az >/dev/null || stop "az is not on the PATH" "install the Azure CLI (learn.microsoft.com/cli/azure/install-azure-cli), or use Azure Cloud Shell"
  local account
  account=$(az account show --query "[id, name, environmentName, user.type, user.name]" --output tsv 2>/dev/null) ||
    stop "az is not signed in" "run az login (and az account set --subscription <name>)"
  subscription=$(sed -n 1p <<<"$account")
  subscription_name=$(sed -n 2p <<<"$account")
  cloud=$(sed -n 3p <<<"$account")
  who=$(sed -n 4p <<<"$account")
  who_name=$(sed -n 5p <<<"$account")
  case $cloud in
    AzureCloud | AzureUSGovernment | AzureChinaCloud) ;;
    *) stop "az is set to the cloud '$cloud'" "choose one with az cloud set --name AzureCloud|AzureUSGovernment|AzureChinaCloud, and az login again" ;;
  esac
  say "   subscription: $subscription_name ($subscription), $cloud"
  say "   signed in as: $who_name"
}

check_group_name() {
  [[ $1 =~ ^[A-Za-z0-9_.()-]{1,90}$ && $1 != *. ]] ||
    stop "the resource group's name '$1' is none" "use up to 90 letters, digits, _ . ( ) -, not ending in a dot"
}

check_name() {
  [[ $1 =~ ^[a-z0-9]{3,11}$ ]] ||
    stop "the name '$1' does not fit: it has ${#1} characters" "use 3 to 11 lower-case letters and digits; storage accounts are named after it"
}
