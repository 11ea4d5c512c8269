#!/bin/sh
# Runs a tool of the virtual environment, wherever its programs are: .venv/bin, on Windows .venv/Scripts.
set -eu
folder=.venv/bin
[ -d "$folder" ] || folder=.venv/Scripts
if [ ! -d "$folder" ]; then
    echo "there is no .venv yet: run 'make setup' (Windows: scripts/setup_dev.ps1)" >&2
    exit 1
fi
tool=$1
shift
exec "$folder/$tool" "$@"
