#!/usr/bin/env bash
# Make .venv with the pinned dependencies and shelfwise itself, editable. Run by `make setup`.
#
# TORCH=cpu (default) takes PyTorch's CPU build; TORCH=cuda takes the CUDA build, several GB.
# PYTHON names the interpreter to use. uv is used where there is one, pip elsewhere.
# PIP_FIND_LINKS may name a folder with wheels, for machines that cannot reach PyTorch's own index.
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH=${TORCH:-cpu}
TORCH_VERSION=$(sed -n 's/^torch==//p' constraints.txt)
TORCH_INDEX=https://download.pytorch.org/whl/cpu
EXTRAS='.[all,dev]'

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
is_root_on_debian() { [ "$(id -u)" = 0 ] && has apt-get; }

apt_install() { # quiet, never asking, giving up on a dead network
  local get=(timeout 300 apt-get -qq -o Acquire::http::Timeout=20 -o Acquire::Retries=1 -o DPkg::Lock::Timeout=120)
  local log status=0
  log=$(DEBIAN_FRONTEND=noninteractive "${get[@]}" install -y --no-install-recommends "$@" 2>&1) && return
  log=$({ "${get[@]}" update && DEBIAN_FRONTEND=noninteractive "${get[@]}" install -y --no-install-recommends "$@"; } 2>&1) || status=$?
  [ $status = 0 ] || say "apt-get could not install $*: $(tail -n 1 <<<"$log")"
  return $status
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if has "$candidate" && new_enough "$candidate"; then command -v "$candidate"; return; fi
  done
  return 1
}

make_venv() {
  rm -rf .venv
  if has uv; then
    uv venv --quiet --python "$1" .venv
    return
  fi
  "$1" -m venv .venv >/dev/null 2>&1 && return
  if is_root_on_debian && apt_install python3-venv && "$1" -m venv --clear .venv; then return; fi
  rm -rf .venv
  fail "$1 cannot make a virtual environment; on Debian or Ubuntu run: apt-get install python3-venv"
}

usable_venv() {
  [ -x .venv/bin/python ] && new_enough .venv/bin/python || return 1
  has uv || .venv/bin/python -m pip --version >/dev/null 2>&1
}

quiet=(--quiet)
if [ -t 2 ]; then quiet=(); fi # minutes of work: on a terminal the installer's own progress is wanted

install() {
  if has uv; then
    uv pip install "${quiet[@]}" --python .venv/bin/python --index-strategy unsafe-best-match "$@"
  else
    .venv/bin/python -m pip install "${quiet[@]}" --disable-pip-version-check "$@"
  fi
}

torch_is() { .venv/bin/python - "$1" "$TORCH_VERSION" <<'PY' 2>/dev/null
import sys
from importlib.metadata import version
build, wanted = sys.argv[1:]
found, _, local = version("torch").partition("+")
sys.exit(not (found == wanted and (local == "cpu") == (build == "cpu")))
PY
}

install_torch() { # before the rest, so that the rest finds it satisfied
  local constraints=(-c constraints.txt)
  if [ "$(uname -s)" != Linux ]; then install "${constraints[@]}" "torch==$TORCH_VERSION"; return; fi
  if torch_is "$TORCH"; then return; fi
  case $TORCH in
    cpu)
      say "installing torch $TORCH_VERSION (CPU)"
      # Wheels at hand first: an index that cannot be reached costs minutes of retries.
      if install "${constraints[@]}" "torch==$TORCH_VERSION+cpu" 2>/dev/null; then return; fi
      install "${constraints[@]}" "torch==$TORCH_VERSION+cpu" --extra-index-url "$TORCH_INDEX" ||
        fail "torch $TORCH_VERSION+cpu is neither at $TORCH_INDEX nor in a folder named by PIP_FIND_LINKS;" \
          "go online, or put the wheel into a folder and run: PIP_FIND_LINKS=FOLDER make setup," \
          "or take PyPI's CUDA build: make setup TORCH=cuda" ;;
    cuda)
      say "installing torch $TORCH_VERSION (CUDA, several GB)"
      install "${constraints[@]}" "torch===$TORCH_VERSION" ;;
    *) fail "TORCH=$TORCH: expected cpu or cuda" ;;
  esac
}

get_debian_data() { # the data set is also downloaded when it is needed, so a failure here is no error
  local cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/shelfwise/fashion-mnist name=train-images-idx3-ubyte.gz
  if [ -e "/usr/share/datasets/fashion-mnist/$name" ] || [ -e "$cache/$name" ]; then return; fi
  if is_root_on_debian; then
    say "installing Debian's package dataset-fashion-mnist"
    apt_install dataset-fashion-mnist || true
  fi
}

if has uv && [ -z "${UV_FIND_LINKS:-}" ] && [ -n "${PIP_FIND_LINKS:-}" ]; then
  export UV_FIND_LINKS=${PIP_FIND_LINKS// /,} # uv does not read pip's variable
fi

if ! usable_venv; then
  python=$(find_python) || {
    is_root_on_debian && apt_install python3 python3-venv || true
    python=$(find_python) || fail "Python 3.11 or newer is needed (looked for: ${PYTHON:-python3, python3.11 to 3.13});" \
      "install it, or name it: PYTHON=/path/to/python3 make setup"
  }
  say "making .venv with $python"
  make_venv "$python"
fi
install_torch
say "installing shelfwise and what it needs, as pinned in constraints.txt"
install -c constraints.txt -e "$EXTRAS"
get_debian_data
say "done"
