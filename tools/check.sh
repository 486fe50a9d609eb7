#!/usr/bin/env bash
# Look for what `make setup` needs. Prints the Python to use, or one line per missing tool that says
# what to do, and then fails.
set -euo pipefail

missing=0
complain() {
  echo "derrick: $*" >&2
  missing=1
}

supported='import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))'
python=""
for name in ${PYTHON:-python3 python3.12 python3.11 python3.10}; do
  if command -v "$name" >/dev/null && "$name" -c "$supported" 2>/dev/null; then
    python="$name"
    break
  fi
done
if [ -z "$python" ]; then
  found="$(python3 --version 2>/dev/null || echo "no python3")"
  complain "needs Python 3.10, 3.11 or 3.12 with its venv module (found: $found);" \
    "install one, or name it: make setup PYTHON=/path/to/python3.11"
fi

if ! command -v node >/dev/null; then
  complain "needs Node.js 20 or newer (found: no node); install it and run make again"
elif [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  complain "needs Node.js 20 or newer (found: $(node --version)); install it and run make again"
fi
command -v npm >/dev/null || complain "needs npm (found: no npm); install it (it comes with Node.js)"

if [ "$(uname -sm)" != "Linux x86_64" ] && ! command -v anvil >/dev/null; then
  complain "npm brings the local node (anvil) for Linux x86_64 only;" \
    "on $(uname -sm) install Foundry's anvil 1.7.1 and put it on the PATH"
fi

[ "$missing" -eq 0 ] || exit 1
echo "$python"
