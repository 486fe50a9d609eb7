# Put Derrick's tools in reach of this shell:  source env.sh
# After it plain `ape compile`, `ape test`, `ape run ...` and `ape console` work. For bash and zsh.

derrick_root="$(cd "$(dirname "${BASH_SOURCE[0]:-${(%):-%x}}")" && pwd)"

# The node's native program. Elsewhere than on Linux x86_64 it is whichever anvil is on the PATH.
derrick_anvil="$derrick_root/node_modules/@foundry-rs/anvil-linux-amd64/bin"

export VIRTUAL_ENV="$derrick_root/.venv"
export PATH="$derrick_root/.venv/bin:$derrick_anvil:$derrick_root/node_modules/.bin:$PATH"
export SOLCX_BINARY_PATH="$derrick_root/tools/solc"
export PYTHONPATH="$derrick_root${PYTHONPATH:+:$PYTHONPATH}"

if [ ! -x "$derrick_root/.venv/bin/ape" ] || [ ! -d "$derrick_root/node_modules/solc" ]; then
  echo "derrick: not set up yet, run \`make setup\` first" >&2
elif ! command -v anvil >/dev/null; then
  echo "derrick: no anvil (the local node) for $(uname -sm); install Foundry's anvil 1.7.1" >&2
fi
unset derrick_root derrick_anvil
