#!/usr/bin/env bash
# The local AWS's own tests: `test.sh [-v] [test_ec2_rules …]`
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venvs=$("$here/venv.sh")
cd "$here/tests"
export PYTHONDONTWRITEBYTECODE=1
if [[ $# -gt 0 && ${!#} != -* ]]; then
  exec "$venvs/moto/bin/python" -m unittest "$@"
fi
exec "$venvs/moto/bin/python" -m unittest discover "$@"
