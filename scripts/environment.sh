# Sourced by the other scripts: a virtual environment in .venv with livedream in it.
# Sets: root (the checkout), python (the environment's interpreter).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
python="$root/.venv/bin/python"

# have COMMAND PACKAGE...: install PACKAGEs with apt-get unless `COMMAND` succeeds. It is evaluated:
# what holds a path names its variable, as the path may hold a space.
have() {
    local check=$1
    shift
    if eval "$check" >/dev/null 2>&1; then return; fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $*" >&2
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
    else
        echo "missing: $*; on Debian or Ubuntu: sudo apt-get install -y $*" >&2
        exit 2
    fi
}

# A Python from 3.11 to 3.14 on the path; 3.14 last, since the tests have not been run with it.
find_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3 python3.14; do
        if command -v "$name" >/dev/null &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
        then
            command -v "$name"
            return
        fi
    done
    return 1
}

# environment [EXTRA]: make or update .venv, only when pyproject.toml has changed since.
environment() {
    local extra=${1:-} base stamp wanted
    have "command -v python3 || find_python" python3 python3-venv
    base=$(find_python) || {
        echo "Python 3.11 to 3.14 is needed; found: $(python3 --version 2>&1)" >&2
        case $OSTYPE in darwin*) echo "try: brew install python@3.13" >&2 ;; esac
        exit 2
    }
    have '"$base" -c "import ensurepip, venv"' "$(basename "$base")-venv"
    stamp="$root/.venv/livedream-$extra"
    wanted=$(cksum <pyproject.toml)
    if [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
    echo "setting up .venv (torch is large: a few minutes the first time)" >&2
    # One that was broken off has no pip, and one whose Python is gone does not start.
    "$python" -m pip --version >/dev/null 2>&1 || "$base" -m venv --clear .venv
    # Of 13,000 files few are ever imported, and those are compiled then.
    "$python" -m pip install --quiet --disable-pip-version-check --no-compile \
        -e ".${extra:+[$extra]}"
    # OpenCV's windows need these two on a bare Debian.
    have '"$python" -c "import cv2"' libgl1 libglib2.0-0
    echo "$wanted" >"$stamp"
}
