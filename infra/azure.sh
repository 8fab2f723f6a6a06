# shellcheck shell=bash disable=SC2034,SC2154 # names are shared with the script that sources this
# The one way to Azure. Each call of az is bounded in time, is made again where the failure passes
# by itself, and ends in a STOP line otherwise.

# The API versions that are asked; those of infra/main.bicep.
api_web=2025-03-01
api_storage=2025-06-01
api_network=2025-05-01
api_workspace=2025-07-01
api_groups=2023-01-01
api_alerts=2023-12-01
api_locks=2020-05-01
api_diagnostics=2021-05-01-preview

limit=120     # seconds that a call may take
tries=5       # how often a call is made in all
pause=${RETRY_SECONDS:-10}
fresh=false   # what was made just now may not be found yet
unlocked=false  # a lock that was lifted just now may still be felt

out=          # what the last call answered
failure=      # why it failed, in one line
expects=      # the type of its JSON, where the name of the command does not tell
wants=        # a jq expression that is asked of the next answer, with $location, $name and $asked
got=          # what it gave, a line each; what is not there gives no line if the expression says so
calls=0
errors=/dev/null  # the file with what the last call said on its standard error

# attempt <arguments of az>: sets out, or failure and gives 1.
attempt() {
  local n code
  for ((n = 1; ; n++)); do
    code=0
    once "$@" || code=$?
    if [ "$code" -eq 0 ]; then
      is_answer "$@" && return 0
      return 1
    fi
    failure=$(why "$code")
    if [ "$n" -ge "$tries" ] || ! passes "$code"; then return 1; fi
    nap $((pause * n))
  done
}

# once <arguments of az>: one call, in a process group of its own, which timeout ends whole: az is a
# script that waits for another program. Its files are its own: what a call before it still writes
# comes into no answer.
once() {
  local code=0 answer
  rm -f "$scratch/out.$calls" "$scratch/err.$calls"
  calls=$((calls + 1))
  answer=$scratch/out.$calls errors=$scratch/err.$calls
  timeout --kill-after=10 "$limit" az "$@" --only-show-errors >"$answer" 2>"$errors" </dev/null &
  running=$!
  wait "$running" || code=$?
  running=
  out=$(<"$answer")
  return "$code"
}

# type_of <arguments of az>: of the JSON that a command answers.
type_of() {
  case " $* " in
    " rest "* | *" keys list "*) echo object ;;
    *" list "* | *" list-locations "* | *" list-flexconsumption-locations "*) echo array ;;
    *) echo object ;;
  esac
}

# is_answer: whether what was asked for as JSON is that, and whole. A proxy answers in HTML, and a
# broken connection in half an answer or none, with exit code 0. Sets kind to its type ("resource"
# for an object with an id or a value), and got to what was wanted of it: jq takes longer to start
# than to read, so it is started once for each answer.
is_answer() {
  local type
  kind='' got=''
  case " $* " in *" --output json "*) ;; *) return 0 ;; esac
  type=${expects:-$(type_of "$@")}
  got=$(jq -rs --arg location "${location:-}" --arg name "${name:-}" --arg asked "${asked:-}" 'if length != 1 then "none" else .[0]
    | (if type == "object" and (has("id") or has("value")) then "resource" else type end), ('"${wants:-empty}"'), "." end' <<<"$out" 2>/dev/null) || got=
  kind=${got%%$'\n'*}
  got=${got#"$kind"$'\n'}
  got=${got%.}       # without it, bash would drop empty lines at the end
  got=${got%$'\n'}
  [ "${kind/resource/object}" != "$type" ] || return 0
  failure="az answered no JSON $type: $(tr -s ' \n\r\t' ' ' <<<"${out:0:80}")"
  return 1
}

# call "what is done" "what to do where it fails" <arguments of az>
call() {
  local doing=$1 remedy=$2
  shift 2
  attempt "$@" || stop "$doing failed. Azure says: $failure" "$(remedy_for "$remedy")"
}

# call_json does the same, and makes sure of JSON.
call_json() { call "$@" --output json; }

# field <jq expression> [jq options]: of the last answer, as text. What is not there is empty.
field() {
  local expression=$1
  shift
  jq -r "($expression) // empty" "$@" <<<"$out"
}

# get <id> <API version>: sets out to a resource, or to null where there is none. One answer proves
# nothing: Azure says of what is there that it is not, now and then, and it is asked once more.
get() {
  local n
  for n in 1 2; do
    if attempt rest --method get --url "$1?api-version=$2" --output json; then
      [ "$kind" = resource ] ||
        stop "reading ${1##*/providers/} failed: az answered no resource" "$(remedy_for_json)"
      return 0
    fi
    none || stop "reading ${1##*/providers/} failed. Azure says: $failure" \
      "$(remedy_for "you need the role Reader at least; run it again when you have it")"
    [ "$n" = 2 ] || nap $((pause / 2))
  done
  out=null got=''
}

# must_get does the same for what is known to be there.
must_get() {
  get "$1" "$2"
  [ "$out" != null ] || stop "${1##*/providers/} can't be read, and it is there or was a moment ago. Azure says: $failure" \
    "run this again in a few minutes; nothing is decided before all that is there was read"
}

# none: whether the last failure says that there is no such resource. That a subscription, an API
# or a provider is not found says nothing about it.
none() { [[ $failure =~ ^\(?(ResourceGroupNotFound|ResourceNotFound|ParentResourceNotFound|ContainerNotFound)\)?([: ]|$) ]]; }

# why <exit code>: the reason that az gave, in one line. A deployment's error is JSON, and its
# causes lie at the bottom.
why() {
  if [ "$1" -eq 124 ] || [ "$1" -eq 137 ]; then
    echo "no answer within $limit seconds"
    return
  fi
  local text
  text=$(sed 's/^ERROR: //' "$errors" | jq -rRs '
    def inner: . as $text | (try ($text | fromjson) catch null) // (try ($text | capture("(?<j>\\{[\\s\\S]*\\})").j | fromjson) catch null);
    def said: "\(.code // .Code)\(if .ExtendedCode then " \(.ExtendedCode)" else "" end): \(.message // .Message)";
    def leaves: if type == "object" and (.code // .Code | type) == "string" and (.message // .Message | type) == "string"
        then (if ((.details // []) | length) > 0 then .details[] | leaves
              else said as $said | [.message // .Message | inner | select(. != null) | leaves] as $deeper | if $deeper == [] then $said else $deeper[] end end)
      elif type == "object" then (.[] | leaves) elif type == "array" then (.[] | leaves) else empty end;
    . as $all | [inner | leaves] | unique | if length > 0 then .[:3] | join("; ") else $all end' 2>/dev/null) || text=$(<"$errors")
  [[ $text != *"Exception Details:"* ]] || text=${text##*Exception Details:}
  text=$(tr -s ' \n\r\t' ' ' <<<"$text" | sed 's/^ //; s/ $//')
  echo "${text:0:600}"
}

# passes <exit code>: whether a failure is one that passes by itself.
passes() {
  [ "$1" -ne 137 ] || return 1
  if [ "$1" -eq 124 ]; then [ "$limit" -le 120 ]; return; fi
  [[ " $failure " =~ TooManyRequests|throttl|Throttl|[^0-9](429|500|502|503|504)[^0-9]|InternalServerError|ServiceUnavailable|ServerTimeout|GatewayTimeout|BadGateway ]] && return 0
  [[ $failure =~ [Cc]onnection\ (reset|aborted|refused|broken)|RemoteDisconnected|[Rr]ead\ timed\ out|Max\ retries\ exceeded|Temporary\ failure\ in\ name\ resolution ]] && return 0
  [[ $failure =~ AnotherOperationInProgress|RetryableError|PrincipalNotFound ]] && return 0
  [ "$unlocked" = true ] && [[ $failure == *ScopeLocked* ]] && return 0
  [ "$fresh" = true ] && [[ $failure =~ NotFound|not\ found|does\ not\ exist|could\ not\ be\ found|Forbidden ]]
}

# remedy_for "otherwise": what to do about the last failure, where it is one that is known.
remedy_for() {
  case $failure in
    *51021*) echo "Flex Consumption refuses a property of this template: take the newest release; if it is the newest, please report this line" ;;
    *ScopeLocked*) echo "a lock forbids it: az lock list --resource-group $group lists them. Who owns it has to take it away; then run this again" ;;
    *RedundancyConfigurationNotAvailableInRegion*) echo "the region has no zones: add --set archiveRedundancy=Standard_GRS (or Standard_LRS)" ;;
    *LinkedAuthorizationFailed* | *AuthorizationFailed* | *"does not have authorization"*)
      echo "your role does not allow it, or a condition on your role assignment forbids it (this script can't judge conditions): ask for Owner on the resource group" ;;
    *RequestDisallowedByPolicy*) echo "a policy of your company forbids it: its name is in the line above; ask who owns it for an exemption" ;;
    *StorageAccountAlreadyTaken*) echo "somebody has that storage account's name: choose another --name; an archive has to be moved into $group before an app is deployed for it" ;;
    *MissingSubscriptionRegistration* | *SubscriptionNotRegistered*) echo "a resource provider is not registered: az provider register --namespace Microsoft.App --wait, and likewise for the one in the line above" ;;
    *DeploymentActive*) echo "another deployment of this name is under way: wait until it has ended (az deployment group list --resource-group $group), then run this again" ;;
    *PrincipalNotFound*) echo "the new identity is not known everywhere yet: run this again in five minutes" ;;
    *InUseSubnetCannotBeDeleted* | *legionservicelink*) echo "Azure holds the subnet of an app that was deleted, for hours at times: run this again later, it goes on here" ;;
    *QuotaExceeded* | *SubscriptionIsOverQuota* | *InsufficientQuota*) echo "a quota of the subscription is used up: ask for more (portal > Quotas), or use another region" ;;
    *AADSTS* | *"az login"* | *ExpiredAuthenticationToken* | *InvalidAuthenticationToken* | *TokenExpired*) echo "sign in again: az login" ;;
    "az answered no JSON"*) remedy_for_json ;;
    *) echo "$1" ;;
  esac
}

remedy_for_json() { echo "run it again; if it stays so, try the newest az (az upgrade), or Azure Cloud Shell, which no proxy stands before"; }

# signed_in sets subscription, cloud, who ("user" or "servicePrincipal") and who_name, and looks at
# az's version.
least_az=2.60.0   # the first with what Flex Consumption takes: its list of regions, and config-zip to an app with an identity
signed_in() {
  local version
  wants='."azure-cli" // empty' call_json "asking az for its version" \
    "install the Azure CLI anew, or use Azure Cloud Shell" version
  version=$got
  [[ $version =~ ^[0-9.]+$ ]] || version=0
  ! older "$version" "$least_az" || stop "az is version $version, and Flex Consumption takes $least_az or later" \
    "run az upgrade, or use Azure Cloud Shell"
  wants='.id, .environmentName, .user.type, .user.name, .name' attempt account show --output json || stop "az is not signed in, or can't tell. It says: $failure" \
    "run az login (and az account set --subscription <name>)"
  local account
  mapfile -t account <<<"$got"
  subscription=${account[0]} cloud=${account[1]} who=${account[2]} who_name=${account[3]}
  say "   subscription: ${account[4]} ($subscription), $cloud"
  say "   signed in as: $who_name"
  case $cloud in
    AzureCloud | AzureUSGovernment | AzureChinaCloud) ;;
    *) stop "az is set to the cloud '$cloud'" \
      "choose one with az cloud set --name AzureCloud|AzureUSGovernment|AzureChinaCloud, and az login again" ;;
  esac
}

# list_resources sets resources (what the group holds, as JSON with types in lower case) and
# resource_lines: type, name of the deployment, part, id.
list_resources() {
  wants='map(.type |= ascii_downcase | .tags = (.tags // {})) | tojson, (.[] | [.type, .tags.entraledger // "", .tags.part // "", .id] | @tsv)' \
    call_json "listing the resources of $group" \
    "you need the role Reader on $group at least" resource list --resource-group "$group"
  resources=${got%%$'\n'*}
  resource_lines=${got#"$resources"}
  resource_lines=${resource_lines#$'\n'}
}

# ours <type> [part]: ids of the deployment's resources of a type.
ours() {
  awk -F '\t' -v type="${1,,}" -v name="$name" -v part="${2:-}" '$1 == type && $2 == name && (part == "" || $3 == part) { print $4 }' <<<"$resource_lines"
}

# account_of_app <settings of an app, as JSON>: id of the storage account of this group that the app
# writes its archive to.
account_of_app() {
  local uri account
  uri=$(jq -r '[(. // [])[] | select(.name == "ARCHIVE_STORAGE__tableServiceUri") | .value][0] // ""' <<<"$1")
  account=${uri#https://}
  account=${account%%.*}
  [ -z "$account" ] || storage_account "$account"
}

# storage_account <name>: its id, where it is in the group.
storage_account() {
  awk -F '\t' -v name="/${1,,}" '$1 == "microsoft.storage/storageaccounts" && substr(tolower($4), length($4) - length(name) + 1) == name { print $4 }' <<<"$resource_lines"
}
