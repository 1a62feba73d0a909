#!/usr/bin/env bash
# Creates or updates virtual environments, and prints where they are: the two of the local AWS
# unless others are named. Two, because ministack pins an older botocore than moto's. Idempotent:
# a stamp holds the hash of the requirements.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venvs=${BACKSTOP_VENV:-$(cd "$here/../.." && pwd)/.venv}
python=${PYTHON:-python3}
mkdir -p "$venvs"

digest() { "$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read() + sys.version.encode()).hexdigest())' "$1"; }

exec 9>"$venvs/.lock"
flock 9 # a second run waits, and then finds the stamp

[[ $# -gt 0 ]] || set -- gateway moto
for name in "$@"; do
  requirements=$here/requirements-$name.txt
  venv=$venvs/$name
  stamp=$(digest "$requirements")
  [[ -x $venv/bin/python && $(cat "$venv/.stamp" 2>/dev/null) == "$stamp" ]] && continue
  echo "installing $name into $venv" >&2
  [[ -x $venv/bin/python ]] || "$python" -m venv "$venv"
  rm -f "$venv/.stamp"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r "$requirements" >&2
  echo "$stamp" >"$venv/.stamp"
done
echo "$venvs"
