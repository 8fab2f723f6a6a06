# shellcheck shell=bash disable=SC2034,SC2154 # names are shared with the script that sources this
# What deploy.sh, grant.sh and destroy.sh share: each says what it does, and stops at the first
# thing that is wrong with what to do about it.

# Names are compared by their bytes: in Turkish the lower case of I is another letter.
export LC_ALL=C

say() { printf '%s\n' "$*"; }

steps=0
step() {
  steps=$((steps + 1))
  printf '\n%d. %s\n' "$steps" "$*"
}

# What a script puts back before it ends, however it ends; the last words are the STOP.
at_end() { :; }

# From here on nothing interrupts: what a script puts back is put back whole.
undisturbed() { trap '' INT TERM HUP PIPE; }

# stop "what is wrong" "what to do". Never call it in $(...): it would end the subshell alone.
stopped=false
stop() {
  stopped=true
  undisturbed
  at_end
  printf '\nSTOP: %s\n      %s\n' "$1" "$2" >&2
  exit 1
}

# want "option" "value": an option needs its value.
want() { [ -n "${2:-}" ] || stop "$1 has no value" "give one, or leave it out; --help lists the options"; }

# confirm "question": yes, unless --yes was given; without a terminal there is nobody to ask.
confirm() {
  [ "$yes" = true ] && return 0
  [ -t 0 ] || stop "there is nobody to ask: $1" "run it in a terminal, or with --yes"
  printf '   %s [y/N] ' "$1"
  local reply
  read -r reply || reply=
  [ "$reply" = y ] || [ "$reply" = Y ] || stop "you said no" \
    "nothing was changed by this step; run it again when you are ready"
}

running=   # process id of the call of az that is under way: the leader of a group of its own

# end_call ends it. Az is a wrapper: the program below it goes as well.
end_call() {
  [ -n "$running" ] || return 0
  kill "$running" 2>/dev/null || true
  wait "$running" 2>/dev/null || true
  running=
}

# nap <seconds>: a signal ends it at once.
nap() {
  [ "$1" -gt 0 ] || return 0
  sleep "$1" >/dev/null 2>&1 &
  wait "$!" || true
}

# A command that fails where nobody expected it must not end the script without a word.
failed_at=
ended() {
  local code=$1
  trap - EXIT ERR
  undisturbed
  set +e
  end_call
  at_end
  [ -z "$scratch" ] || rm -rf "$scratch"
  if [ "$code" -ne 0 ] && [ "$stopped" = false ]; then
    printf '\nSTOP: the script ended before its work did%s\n      %s\n' "${failed_at:+ ($failed_at)}" \
      "run it again, it goes on where it stopped; if it ends here again, please report this line" >&2
  fi
  exit "$code"
}

interrupted() {
  stopped=true
  undisturbed
  set +e
  end_call
  at_end
  printf '\nSTOP: interrupted\n      %s\n' "run it again, it goes on where it stopped" >&2
  exit 130
}

# Nobody reads on: what is put back is told to nobody.
unread() {
  exec >/dev/null
  interrupted
}

# begin: temporary files that only you can read, and an end that always says something.
scratch=
begin() {
  set -E
  trap 'failed_at="exit code $? at line $LINENO"' ERR
  trap 'ended $?' EXIT
  trap interrupted INT TERM HUP
  trap unread PIPE
  umask 077
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/entraledger.XXXXXX") ||
    stop "no folder for temporary files can be made in ${TMPDIR:-/tmp}" "make room there, or set TMPDIR to a folder of yours"
}

check_tools() {
  local tool
  case ${OSTYPE:-} in msys* | cygwin* | win32*)
    stop "this is bash on Windows (Git Bash, MSYS or Cygwin), which rewrites the ids of resources as paths" \
      "use Azure Cloud Shell, or bash in the Windows Subsystem for Linux" ;;
  esac
  [ "${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}" -ge 44 ] ||
    stop "this is bash $BASH_VERSION, and it takes version 4.4 or later" \
    "use Azure Cloud Shell, or install a newer bash (brew install bash)"
  command -v az >/dev/null || stop "az is not on the PATH" \
    "install the Azure CLI (learn.microsoft.com/cli/azure/install-azure-cli), or use Azure Cloud Shell"
  for tool in jq curl timeout; do
    command -v "$tool" >/dev/null || stop "$tool is not on the PATH" \
      "use Azure Cloud Shell, which has it, or install it (apt-get install jq curl coreutils, brew install jq curl coreutils)"
  done
}

# older <version> <than>: whether 2.59.0 is older than 2.60.0. Versions are numbers with dots.
older() { [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)" = "$1" ]; }

check_group_name() {
  [[ $1 =~ ^[A-Za-z0-9_.()-]{1,90}$ && $1 != *. ]] ||
    stop "the resource group's name '$1' is none" "use up to 90 letters, digits, _ . ( ) -, not ending in a dot"
}

check_name() {
  [[ $1 =~ ^[a-z0-9]{3,11}$ ]] ||
    stop "the name '$1' does not fit: it has ${#1} characters" \
      "use 3 to 11 lower-case letters and digits; storage accounts are named after it"
}
