# shellcheck shell=bash disable=SC2034,SC2154 # names are shared with the script that sources this
# The code: publishing it, and asking the app whether it runs. Each remedy is tried once, and
# everything ends.

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi | cut -d ' ' -f 1; }

# expect finds out what should run: functions (names; empty: not known), binary (SHA-256 of the
# handler; empty: not known) and release.
expect() {
  local zip=$package ours
  functions='' binary='' ours=$(tr -d '[:space:]' <release.txt)
  release=
  if [ -z "$package" ]; then
    release=$(parameter release)
    # A release's own package lies beside its scripts.
    if [ "$release" = "$ours" ] && [ -f ../entraledger.zip ] && \
      ! jq -e '.parameters | has("packageUri")' "$scratch/parameters.json" >/dev/null; then zip=../entraledger.zip; fi
  fi
  if [ -n "$zip" ]; then
    say "   SHA-256 of $zip: $(sha256 "$zip")"
    if command -v unzip >/dev/null && unzip -Z1 "$zip" >"$scratch/names" 2>/dev/null; then
      functions=$(sed -n 's|^\([^/]*\)/function\.json$|\1|p' "$scratch/names" | sort)
      if grep -qx handler "$scratch/names"; then binary=$(unzip -p "$zip" handler | sha256); fi
    fi
  fi
  if [ -z "$functions" ] && { [ -n "$package" ] || [ "$release" = "$ours" ]; }; then functions=$(sort functions.txt); fi
}

# zip_deploy publishes the local package. az may wait for ever for an app that runs: then the app
# itself is asked.
zip_deploy() {
  local limit=${PUBLISH_SECONDS:-900} tries=1 fresh=true
  attempt functionapp deployment source config-zip --resource-group "$group" --name "$app" --src "$package" --output none && return 0
  if [[ $failure == "no answer within"* ]]; then
    say "   az did not end within $limit seconds; it does so where the code is there, too, so the app is asked"
    return 0
  fi
  return 1
}

publish() {
  [ -n "$package" ] || return 0
  step "Publishing $package"
  local n
  for n in 1 2 3; do
    if zip_deploy; then
      say "   handed over"
      return
    fi
    say "   not yet (try $n of 3): $failure"
    # A service for publishing that answers 503 comes back with a restart, if at all.
    if [ "$n" = 1 ] && [[ $failure =~ 503|Service\ Unavailable ]]; then restart; fi
    nap $((pause * 3))
  done
  stop "the package was not published. Azure says: $failure" \
    "run this again, it goes on here; or run it without --package: then the platform fetches the release's package by itself"
}

restart() {
  say "   restarting the app"
  call "restarting $app" \
    "run this again; or restart it in the portal" functionapp restart --resource-group "$group" --name "$app" --output none
}

synchronize() {
  say "   telling the platform which triggers there are"
  attempt rest --method post --url "$app_id/syncfunctiontriggers?api-version=$api_web" --output none ||
    say "   it did not take that: $failure"
}

publish_again() {
  say "   publishing once more"
  if [ -n "$package" ]; then zip_deploy || say "   it was not taken: $failure"; else deploy_template; fi
}

# ask <path>: sets body and status. The key goes in by standard input, where no list of processes
# shows it.
ask() {
  local answer
  answer=$(curl --silent --max-time 120 --write-out '\n%{http_code}' --config - "$api/$1" <<<"header = \"x-functions-key: $key\"" || true)
  status=$(tail -n 1 <<<"$answer")
  body=$(sed '$d' <<<"$answer")
}

read_key() {
  local fresh=true tries=2
  key=
  if wants='.functionKeys?.default? | strings' attempt functionapp keys list --resource-group "$group" --name "$app" --output json; then
    key=$got
    [ -n "$key" ] || said="the app has no function key named default"
  else
    said="its keys can't be read: $failure"
  fi
}

# read_preflight sets preflight to whether the body is the app's own, and sum and running to what
# runs: an older app tells neither, and is taken as it is. The platform's page for an app without
# code, a proxy's for signing in, and half an answer have status 200 as well.
read_preflight() {
  read -r preflight sum running < <(jq -rs '
    (length == 1 and (.[0] | type == "object" and (.value | type == "array" and length > 0 and all(.[]; (.name | type == "string") and (.status | type == "string")))))
    as $own | "\($own) " + if $own then .[0] | "\(.binarySha256 // "-") \(.version // "-")" else "- -" end' <<<"$body" 2>/dev/null || echo "false - -")
}

# answers <how often>: asks the preflight until it answers as it should, for five minutes at most.
# Sets said to what is wrong.
answers() {
  local n preflight sum running end=$((SECONDS + 300))
  for ((n = 1; n <= $1 && SECONDS < end; n++)); do
    [ -n "$key" ] || read_key
    if [ -n "$key" ]; then
      ask preflight
      case $status in
        200)
          read_preflight
          if [ "$preflight" != true ]; then
            said="something else than the app answers with 200: $(head -c 100 <<<"$body" | tr -s '[:cntrl:][:space:]' ' ')"
          elif [ "$sum" != - ] && [ -n "$binary" ] && [ "$sum" != "$binary" ]; then
            said="another build runs still: SHA-256 $sum, and not $binary"
          elif [ "$running" != - ] && [ -n "$release" ] && [ "$running" != "$release" ]; then
            said="release $running runs still, and not $release"
          else
            return 0
          fi
          ;;
        401) [ "$entra" = false ] || return 0; said="it refuses its own key (401)"; key= ;;
        503)
          [ "$(jq -r '.error.code // ""' <<<"$body" 2>/dev/null)" != authenticationOff ] ||
            stop "the app is told that App Service authenticates its callers, and App Service does not" \
              "give entraClientId (docs/security.md), or run this again without it"
          said="it answers 503"
          ;;
        000 | "") said="nothing answers" ;;
        *) said="it answers $status" ;;
      esac
    fi
    say "   not yet (try $n of $1): $said"
    nap $((pause * 3 / 2))
  done
  return 1
}

# missing_functions sets missing to the names of functions that the app should have and has not.
missing_functions() {
  missing=
  if ! wants='.[]? | .name? | strings | split("/") | last' attempt functionapp function list --resource-group "$group" --name "$app" --output json; then
    say "   its functions can't be listed: $failure"
    return
  fi
  printf '%s' "${got:+$got$'\n'}" | sort >"$scratch/there"
  if [ -n "$functions" ]; then
    missing=$(comm -23 <(printf '%s\n' "$functions") "$scratch/there" | tr '\n' ' ')
  elif ! [ -s "$scratch/there" ]; then
    missing="all "
  fi
  say "   functions: $(grep -c . "$scratch/there" || true) are there${missing:+, missing: $missing}"
}

# show_checks sets failed to how many checks failed.
show_checks() {
  local shown
  shown=$(jq -r '([.value[]? | select(.status == "failed")] | length), ((.value[]? | "\(.status)  \(.name): \(.detail)"),
    ([(.version // empty), (.binarySha256 // empty | "SHA-256 of the program " + .)] | join(", ") | select(. != "") | "running: " + .) | "   " + .)' <<<"$body")
  failed=${shown%%$'\n'*}
  say "${shown#*$'\n'}"
}

# try_out asks the app, and tries what helped others where it does not answer.
try_out() {
  step "Trying it out: $api/preflight"
  local remedy
  said='' key='' missing=''
  for remedy in none restart synchronize publish_again; do
    [ "$remedy" = none ] || "$remedy"
    if answers 8; then
      missing_functions
      [ -n "$missing" ] || break
      said="functions are missing: ${missing% }"
    elif [ "$remedy" = none ] || [ "$remedy" = synchronize ]; then
      missing_functions
    fi
    [ "$remedy" != publish_again ] || give_up
  done
  if [ "$status" = 401 ]; then
    say "   The app runs, and asks for a Microsoft Entra token beside the key, as it should with entraClientId."
    return
  fi
  show_checks
  if [ "$failed" -gt 0 ]; then
    say "   The app runs. What failed above says what is missing; after a grant, restart the app: az functionapp restart --resource-group $group --name $app"
  else
    say "   The app runs, and reaches everything."
  fi
}

give_up() {
  case $said in
    *401*) stop "the app refuses its own function key, and no Microsoft Entra authentication is asked for" \
      "look in the portal at the app > Authentication: it has to be off, and running this again switches it off; then at App keys" ;;
    *) stop "the app does not run as it should: $said. A restart, new triggers and a second publishing did not help" \
      "docs/runbook.md, \"After a deployment nothing answers\", says what is left to do" ;;
  esac
}
