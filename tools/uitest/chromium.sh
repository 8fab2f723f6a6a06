#!/usr/bin/env bash
# Installs Debian's Chromium and the page's font where they are missing and it may do so.
set -euo pipefail

missing=()
command -v chromium >/dev/null || missing+=(chromium)
if ! fc-list 2>/dev/null | grep -q "Inter"; then missing+=(fonts-inter fontconfig); fi
# Names in other scripts: for pictures alone.
if [ "${1:-}" = pictures ] && ! fc-list 2>/dev/null | grep -q "Noto Color Emoji"; then missing+=(fonts-noto-cjk fonts-noto-color-emoji); fi
[ "${#missing[@]}" -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  command -v chromium >/dev/null && exit 0 # the font changes pictures only
  echo "find chromium: it is not on the PATH; install it (apt-get install chromium), or name one in CHROMIUM" >&2
  [ -n "${CHROMIUM:-}" ] && exit 0
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
