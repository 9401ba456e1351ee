#!/bin/sh
# Pin every package the project uses, builds with or is tested with, for all platforms, by hash.
# The lock names no index: whoever installs from it uses the one of their own settings.

set -eu

cd "$(dirname -- "$0")/.."
uv=$(command -v uv || echo .venv/bin/uv)
if [ ! -x "$uv" ]; then
    echo "lock: uv is needed; install it, for example with: .venv/bin/python -m pip install uv" >&2
    exit 69
fi
"$uv" pip compile pyproject.toml --all-extras --group dev --group build --universal --generate-hashes \
    --no-emit-index-url --custom-compile-command "make lock" --quiet --output-file requirements.lock "$@"
echo "lock: $(grep -c '^[a-z].*==' requirements.lock) packages pinned in requirements.lock" >&2
