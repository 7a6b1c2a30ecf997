#!/usr/bin/env bash
# Makes sure that the programs of a comparison are on this machine.
#
#   bench/install.sh web FOLDER         nginx, curl and openssl, from the system's packages
#   bench/install.sh libtorrent FOLDER  libtorrent's Python package, in FOLDER/libtorrent
#
# Ends with the reason on the last line of stderr when it cannot.
set -euo pipefail

fail() {
    echo "$*" >&2
    exit 1
}

web() {
    local missing=()
    for program in nginx curl openssl; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || fail "missing: ${missing[*]}; install them with your package manager"
    [ "$(id -u)" -eq 0 ] || fail "missing: ${missing[*]}; as root: apt-get install ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update >&2 && apt-get install --yes --no-install-recommends "${missing[@]}" >&2 \
        || fail "apt-get could not install: ${missing[*]}"
    # The package starts a server of its own, which this machine did not ask for.
    if command -v systemctl >/dev/null; then
        systemctl disable --now nginx >&2 || true
    fi
}

libtorrent() {
    local venv=$1/libtorrent
    "$venv/bin/python" -c 'import libtorrent' 2>/dev/null && return
    command -v python3 >/dev/null || fail "missing: python3"
    python3 -m venv "$venv" >&2 || fail "python3 could not make a virtual environment (Debian: python3-venv)"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: libtorrent >&2 \
        || fail "PyPI has no libtorrent for this Python ($(python3 --version))"
    "$venv/bin/python" -c 'import libtorrent' || fail "libtorrent is installed and does not load"
}

case "${1:-}" in
    web) web ;;
    libtorrent) libtorrent "${2:?a folder}" ;;
    *) fail "usage: bench/install.sh web|libtorrent FOLDER" ;;
esac
