# shellcheck shell=bash disable=SC2034,SC2154 # names are shared with the script that sources this
# Microsoft Graph application permissions of the app's identity: who may grant them, granting them,
# and the commands for who may.

microsoft_graph=00000003-0000-0000-c000-000000000000

find_graph() {
  wants='.endpoints?.microsoftGraphResourceId? | strings' \
    call_json "asking az for the address of Microsoft Graph" "run az login again" cloud show
  graph=${got%/}
  [[ $graph == https://* ]] || stop "az tells no address of Microsoft Graph" \
    "run az login again, or az cloud set --name AzureCloud|AzureUSGovernment|AzureChinaCloud"
}

# may_grant: whether the caller holds an active directory role that may grant application
# permissions: Privileged Role Administrator or Global Administrator. Of a service principal that
# can't be told.
may_grant() {
  [ "$who" = user ] || return 1
  find_graph
  wants='.value[]?.roleTemplateId? // empty' attempt rest --method get --url "$graph/v1.0/me/transitiveMemberOf/microsoft.graph.directoryRole?\$select=roleTemplateId&\$count=true" \
    --headers ConsistencyLevel=eventual --output json || return 1
  [[ $got =~ e8611ab8-c189-46e8-94e1-60213ab1f814|62e90394-69f5-4237-9190-012177145e10 ]]
}

# find_roles <permission> ...: sets graph_object (the object id of Microsoft Graph's service
# principal) and roles ("<id> <permission>" a line).
find_roles() {
  [ -n "${graph:-}" ] || find_graph
  # shellcheck disable=SC2016 # jq's variable
  asked="$*" wants='(.id? | strings // ""), (.appRoles[]? | select((.value | IN($asked | split(" ")[])) and ((.allowedMemberTypes // ["Application"]) | index("Application"))) | .id + " " + .value)' \
    call_json "reading Microsoft Graph's service principal" \
    "sign in to the tenant with az login --tenant <tenant>" ad sp show --id "$microsoft_graph"
  graph_object=${got%%$'\n'*}
  roles=${got#"$graph_object"}
  roles=${roles#$'\n'}
  [ -n "$graph_object" ] || stop "az does not tell Microsoft Graph's service principal" \
    "sign in to the tenant with az login --tenant <tenant>, and run this again"
  local permission found
  found=" $(cut -d ' ' -f 2 <<<"$roles" | tr '\n' ' ')"
  for permission in "$@"; do
    [[ $found == *" $permission "* ]] ||
      stop "this cloud's Microsoft Graph has no application permission '$permission'" \
      "check its spelling in docs/permissions.md"
  done
}

# find_granted sets has to the ids of what the identity was granted. Gives 1 where that can't be
# read.
find_granted() {
  local fresh=true
  has=
  wants='.value[]?.appRoleId? // empty' \
    attempt rest --method get --url "$graph/v1.0/servicePrincipals/$principal/appRoleAssignments?\$top=999" --output json || return 1
  has=$got
}

# print_grants <principal> <permission> ...: the commands for somebody who may, for what is missing.
# Sets printed to how many those are.
print_grants() {
  local principal=$1 role permission
  shift
  find_roles "$@"
  find_granted || true
  printed=0
  while read -r role permission; do
    [ -n "$role" ] || continue
    ! grep -qx "$role" <<<"$has" || continue
    say "${indent:-}az rest --method POST --url '$graph/v1.0/servicePrincipals/$principal/appRoleAssignments' --headers Content-Type=application/json --body '$(grant_body "$role")'   # $permission"
    printed=$((printed + 1))
  done <<<"$roles"
}

grant_body() { printf '{"principalId":"%s","resourceId":"%s","appRoleId":"%s"}' "$principal" "$graph_object" "$1"; }

# grant_all <principal> <permission> ...: grants what is missing. Sets granted to how many that
# were.
grant_all() {
  local principal=$1 address role permission refused='' fresh=true
  shift
  find_roles "$@"
  address="$graph/v1.0/servicePrincipals/$principal/appRoleAssignments"
  find_granted || stop "reading what the identity was granted failed. Azure says: $failure" \
    "$(remedy_for "sign in to the identity's tenant with az login --tenant <tenant>")"
  granted=0
  while read -r role permission; do
    [ -n "$role" ] || continue
    if grep -qx "$role" <<<"$has"; then
      say "   $permission: granted already"
    elif attempt rest --method post --url "$address" --headers Content-Type=application/json --body "$(grant_body "$role")" --output none; then
      say "   $permission: granted"
      granted=$((granted + 1))
    elif [[ $failure == *"already exists"* ]]; then
      say "   $permission: granted already"
    else
      say "   $permission: NOT granted: $failure"
      refused+="$permission "
    fi
  done <<<"$roles"
  [ -z "$refused" ] || stop "these permissions were not granted: $refused" \
    "a Privileged Role Administrator can do it: give them what infra/grant.sh --print --principal $principal $* prints"
}
