#!/usr/bin/env bash
# Makes sure that the programs of a comparison are on this machine.
#
#   bench/install.sh WHAT FOLDER
#
# From the system's packages: web (nginx, curl, openssl), aria2, transmission (the daemon and its
# remote control), qbittorrent (and curl), lab (ip, nsenter, ping, iperf3), pipe (tar, socat). From PyPI, in FOLDER/libtorrent: libtorrent. From crates.io, in
# FOLDER/cargo: sendme, b3sum. From npm, in FOLDER/helia: Helia with a Node.js of its own. load is nginx and wrk.
#
# Ends with the reason on the last line of stderr when it cannot.
set -euo pipefail

fail() {
    echo "$*" >&2
    exit 1
}

# system PROGRAM=PACKAGE...
system() {
    local missing=() packages=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null && continue
        missing+=("${pair%%=*}")
        packages+=("${pair##*=}")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || fail "missing: ${missing[*]}; install them with your package manager"
    [ "$(id -u)" -eq 0 ] || fail "missing: ${missing[*]}; as root: apt-get install ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update >&2 && apt-get install --yes --no-install-recommends "${packages[@]}" >&2 \
        || fail "apt-get could not install: ${packages[*]}"
    # Some packages start a server of their own, which this machine did not ask for.
    if command -v systemctl >/dev/null; then
        systemctl disable --now nginx transmission-daemon >&2 2>/dev/null || true
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

helia() {
    local folder=$1/helia
    [ -x "$folder/node_modules/.bin/node" ] && [ -d "$folder/node_modules/@helia/verified-fetch" ] && return
    command -v npm >/dev/null || fail "missing: npm"
    mkdir -p "$folder"
    (cd "$folder" && npm install --silent --no-audit --no-fund --no-save --prefix "$folder" node@24 helia@7 @helia/verified-fetch \
        @helia/unixfs @helia/bitswap @helia/libp2p @libp2p/tcp @libp2p/identify @libp2p/noise @libp2p/yamux \
        @multiformats/multiaddr >&2) || fail "npm could not install Helia"
}

# crate NAME FOLDER
crate() {
    local root=$2/cargo
    [ -x "$root/bin/$1" ] && return
    # Elsewhere than this project, whose settings are not for other programs.
    (cd "$2" && cargo install --locked --root "$root" "$1" >&2) || fail "cargo could not install $1"
}

what=${1:-} folder=${2:?a folder}
mkdir -p "$folder"
case "$what" in
    web) system nginx=nginx curl=curl openssl=openssl ;;
    aria2) system aria2c=aria2 python3=python3 ;;
    transmission) system transmission-daemon=transmission-daemon transmission-remote=transmission-cli ;;
    qbittorrent) system qbittorrent-nox=qbittorrent-nox curl=curl ;;
    lab) system ip=iproute2 nsenter=util-linux ping=iputils-ping iperf3=iperf3 ;;
    load) system nginx=nginx wrk=wrk ;;
    helia) helia "$folder" ;;
    pipe) system tar=tar socat=socat ;;
    libtorrent) libtorrent "$folder" ;;
    sendme | b3sum) crate "$what" "$folder" ;;
    *) fail "usage: bench/install.sh WHAT FOLDER" ;;
esac
