#!/bin/sh
# What a first GPU should show, in one command: sh benchmarks/device_day.sh OUT --data ARCHIVE, --help for more.
# PY names the Python; nothing has to be installed but the packages that it looks for first.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
exec "${PY:-python3}" -m benchmarks.device_day "$@"
