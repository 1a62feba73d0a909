#!/usr/bin/env bash
# Runs a command with a local AWS of its own, on a free port, and ends it afterwards.
# Prints how many calls it answered.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
venv="${BACKSTOP_VENV:-$here/../../.venv}"
ready="$(mktemp)"
log="$(mktemp)"
# The pipe on its standard input is what it lives by: when this script is gone, it is too.
# Small pages, so that page two is read although callers ask for the largest.
export BACKSTOP_LOCAL_PAGE="${BACKSTOP_LOCAL_PAGE:-20}"
coproc AWS { exec "$venv/gateway/bin/python" "$here/serve.py" --port 0 --until-stdin-closes --log "$log" >"$ready"; }
pid=$AWS_PID
finish() {
  status=$?
  exec {AWS[1]}>&- 2>/dev/null || true
  kill "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  if [ "$status" -ne 0 ] && [ -s "$log" ]; then echo "the local AWS's log: $log" >&2; else rm -f "$log"; fi
  rm -f "$ready"
  exit "$status"
}
trap finish EXIT
for _ in $(seq 300); do
  [ -s "$ready" ] && break
  kill -0 "$pid" 2>/dev/null || { echo "the local AWS did not start:" >&2; tail -n 20 "$log" >&2; exit 1; }
  read -r -t 0.1 <> <(:) || true # a tenth of a second, without a process for it
done
endpoint="$(sed -nE 's/.*"endpoint": *"([^"]+)".*/\1/p' "$ready")"
[ -n "$endpoint" ] || { echo "the local AWS did not say where it is:" >&2; tail -n 20 "$log" >&2; exit 1; }
started=$SECONDS
# Dummies only: nothing that runs here may reach a real account.
env -u AWS_PROFILE -u AWS_SESSION_TOKEN -u AWS_CA_BUNDLE \
  BACKSTOP_LOCAL_AWS="$endpoint" AWS_ENDPOINT_URL="$endpoint" AWS_REGION=eu-west-1 \
  AWS_ACCESS_KEY_ID=111111111111 AWS_SECRET_ACCESS_KEY=dummy AWS_EC2_METADATA_DISABLED=true \
  "$@"
calls="$("$venv/gateway/bin/python" -c 'import sys,urllib.request as u; import json; print(json.load(u.urlopen(sys.argv[1]+"/_backstop/stats"))["calls"], "calls")' "$endpoint")"
echo "local AWS: $calls in $((SECONDS - started)) s"
