# Sourced by the scripts of this folder: makes .venv at the root of the repository, once.
#
#   . "$(dirname "$0")/lib/venv.sh"
#   ensure_venv examples          # or dev; then "$PYTHON" is the interpreter to use
#
# Works from a fresh clone with an empty HOME. A second call costs a few milliseconds: what was
# installed is stamped with a checksum of pyproject.toml and setup.py.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VENV=${SHOAL_VENV:-$ROOT/.venv}
PYTHON=$VENV/bin/python

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# The first Python on PATH that is new enough.
find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail 'no Python 3.11 or newer on PATH: install one (Debian 12: apt-get install python3 python3-venv)'
}

# is_installed EXTRAS CHECKSUM: whether these extras, or dev, which includes all, are up to date.
is_installed() {
    local extras
    [ -x "$PYTHON" ] || return 1
    for extras in "$1" dev; do
        if [ -f "$VENV/.shoal-$extras" ] && [ "$(cat "$VENV/.shoal-$extras")" = "$2" ]; then
            return 0
        fi
    done
    return 1
}

# ensure_venv EXTRAS: a virtual environment with Shoal, editable, and these extras.
ensure_venv() {
    local extras=$1 python wanted log
    wanted=$(cksum "$ROOT/pyproject.toml" "$ROOT/setup.py")
    if is_installed "$extras" "$wanted"; then
        return
    fi
    # Two scripts at once would install over each other.
    exec 9>"$ROOT/.venv.lock"
    if command -v flock >/dev/null 2>&1; then
        flock 9
    fi
    if [ ! -x "$PYTHON" ]; then
        python=$(find_python) || exit 1
        printf 'Making %s with %s …\n' "$VENV" "$("$python" --version)" >&2
        if ! "$python" -m venv "$VENV"; then
            # Debian without python3-venv leaves an environment that has no pip.
            rm -rf "$VENV"
            fail 'python -m venv failed: install its module (Debian: apt-get install python3-venv)'
        fi
    fi
    # Another script may have installed it while this one waited.
    if ! is_installed "$extras" "$wanted"; then
        printf 'Installing Shoal and its extras [%s] …\n' "$extras" >&2
        # Its output is only of interest when it fails; the build warns about editable installs.
        if ! log=$("$PYTHON" -m pip install --disable-pip-version-check -e "$ROOT[$extras]" 2>&1); then
            printf '%s\n' "$log" >&2
            fail 'pip install failed; the lines above say why'
        fi
        printf '%s' "$wanted" >"$VENV/.shoal-$extras"
    fi
    exec 9>&-
}
