# The parameters of a deployment: what is there now, then what the caller gave, then what the script
# decides. Maps are added to, never replaced. Input: kept (values), file and sets (as in a parameter
# file), decided (values), settings (parameter -> setting), own_names (of settings), told_entra,
# heads_locked, template.
def low: ascii_downcase;
def clash($there): [to_entries[] | .key as $k | $there | keys[] | select(. != $k and low == ($k | low))
  | "\($k) is \(.) in other letters"];
def maps: ["tags", "otherSettings"];
def same($a; $b): if ($a | type) == "array" and ($b | type) == "array" then ($a | sort) == ($b | sort)
  else $a == $b end;
def shown: if type == "string" then (if . == "" then "(empty)" else . end) elif type == "array" then (if . == []
  then "(none)" else map(tostring) | join(",") end) else tojson end;

. as $all
| ((.file.parameters // {} | if $all.decided.release then del(.packageUri) else . end) + .sets
  | with_entries(select(.key != "archiveAccountName" or .value.value != ""))) as $given
| (.template.parameters | keys) as $known
| ($given | with_entries(select((.key | IN(maps[])) and (.value.value | type) == "object")
  | .value.value = (($all.kept[.key] // {}) + .value.value))) as $added
| {
    refused: (
      [$given | to_entries[] | .key as $k | select($k | IN("name", "location", "headsLocked"))
        | select((.value | type) != "object" or .value.value != $all.decided[$k])
        | "\($k) is a parameter that this script decides: give \({name: "--name", location: "--location",
          headsLocked: "nothing, it is read from the archive"}[$k])"]
      + [$given | to_entries[] | select((.key | IN(maps[])) and ((.value | type) != "object" or (.value.value | type) != "object"))
        | "\(.key) has to be a map with values, and not a reference: what is there could not be added to"]
      + [$given.otherSettings.value | objects | keys[] | . as $k | select(any($all.own_names[]; low == ($k | low)))
        | "otherSettings has \($k), which the template sets itself: give its parameter (docs/settings.md)"]
      + [$given.otherSettings.value | objects | . as $o | clash(($all.kept.otherSettings // {}) + $o)[] | "otherSettings: \(.)"]
      + [$given.tags.value | objects | . as $o | clash(($all.kept.tags // {}) + $o)[] | "tags: \(.)"]),
    unknown: [$given | keys[] | select(IN($known[]) | not)],
    differences: [$given | to_entries[] | .key as $p | select((.value | type) == "object" and (.value | has("value")))
      | .value.value as $new
      | if $p | IN(maps[]) then
          ($new | objects | to_entries[] | . as $e | select((($all.kept[$p] // {})[$e.key] // null) as $old
            | $old != null and $old != $e.value)
            | if $p == "otherSettings" then "setting \($e.key): another value was given"
              else "\($p).\($e.key): \($all.kept[$p][$e.key] | shown) is there, \($e.value | shown) was given" end)
        elif ($all.kept | has($p)) and (same($all.kept[$p]; $new) | not) and ($p | IN("lockArchive",
          "auditArchiveAccess") | not)
          and (($p == "headsImmutableDays" and $all.heads_locked) | not) then
          "\($p)\(if $all.settings[$p] then " (\($all.settings[$p]))" else "" end): \($all.kept[$p] | shown) is there, \($new | shown) was given"
        else empty end],
    stays: [
      (select($given.lockArchive.value == false and $all.kept.lockArchive == true)
        | "the archive's lock: no deployment takes it away"),
      (select($given.auditArchiveAccess.value == false and $all.kept.auditArchiveAccess == true)
        | "the audit of the archive: no deployment takes it away (docs/runbook.md)"),
      (select($all.heads_locked and $given.headsImmutableDays != null
        and $given.headsImmutableDays.value != $all.kept.headsImmutableDays)
        | "the heads' \($all.kept.headsImmutableDays) days: the policy is locked (docs/security.md)")],
    by_hand: (.by_hand + (if .told_entra and ((($all.kept | map_values({value: .})) + $given).entraClientId.value // "") == ""
      then ["HTTP_AUTHORIZATION is entra, and no entraClientId is given or found: everybody with a key could read the archive"] else [] end)
      + (if ($given.network.value // .kept.network // "public") == "private" then []
      else .closed end)),
    parameters: (($all.kept | map_values({value: .})) + $given + $added + ($all.decided | map_values({value: .})))
  }
