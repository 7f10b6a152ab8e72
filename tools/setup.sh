#!/bin/sh
# Everything that `make demo`, `make test` and `make bench` need: Debian packages, the virtual environment, its packages.
# Idempotent and quick when nothing is missing. As root on Debian or Ubuntu it installs what is missing, and leaves no
# service running that did not run before; otherwise it says in one line what to install.
#
#   tools/setup.sh python   Python packages alone: lint, and tests that need no engine
#   tools/setup.sh demo     what the demo and the benchmarks need
#   tools/setup.sh matrix   everything, and what makes other versions of Docker and HAProxy
#   tools/setup.sh          everything, the tests' tools included
set -eu
cd "$(dirname "$0")/.."

# Program that tells whether it is there, and the Debian package that brings it.
DEMO_TOOLS="
  dockerd:docker.io
  haproxy:haproxy
  busybox:busybox-static
  ip:iproute2
  wrk:wrk
"
TEST_TOOLS="
  docker-registry:docker-registry
  prometheus:prometheus
  promtool:prometheus
  amtool:prometheus-alertmanager
  mtail:mtail
  chromium:chromium
  nginx:nginx-light
  sshd:openssh-server
  dnsmasq:dnsmasq-base
  iptables:iptables
  node:nodejs
  npm:npm
  go:golang-go
  /usr/share/gocode/src/github.com/Masterminds/sprig:golang-github-masterminds-sprig-dev
  systemd-analyze:systemd
  openssl:openssl
  pebble:pebble
  curl:curl
  git:git
"

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
has() { case $1 in /*) [ -e "$1" ]; return;; esac; command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }
python_ok() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if python_ok "$candidate"; then command -v "$candidate"; return; fi
    done
}

missing_packages() {
    # The system's own python3 is what the images are made of, whichever one runs bgmon.
    { [ -x /usr/bin/python3 ] && [ -n "$(find_python)" ]; } || echo python3
    [ -n "$(find_python)" ] && "$(find_python)" -c 'import ensurepip' 2>/dev/null || echo python3-venv
    for entry in $1; do
        has "${entry%%:*}" || echo "${entry##*:}"
    done
}

install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        die "please install (or run this as root on Debian or Ubuntu): $*"
    fi
    say "installing $*"
    made_policy=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        # Debian's packages ask this script before they start a service.
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        made_policy=1
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM
    fi
    units_before=$(enabled_units)
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    { apt-get install -y -q --no-install-recommends "$@" || { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; }; } \
        >"$log" 2>&1 </dev/null || { tail -n 15 "$log" >&2; die "apt-get could not install: $*"; }
    rm -f "$log"
    # Nor may they start with the next boot.
    for unit in $(enabled_units); do
        case " $units_before " in *" $unit "*) ;; *) systemctl disable -q "$unit" 2>/dev/null || true ;; esac
    done
    if [ -n "$made_policy" ]; then rm -f /usr/sbin/policy-rc.d; trap - EXIT INT TERM; fi
}

enabled_units() {
    if command -v systemctl >/dev/null; then
        systemctl list-unit-files --state=enabled --no-legend --plain 2>/dev/null | cut -d' ' -f1 | tr '\n' ' '
    fi
}

install_python_packages() {
    # The stamp holds what the environment was made of, so that a second run does nothing.
    stamp=$(cat requirements.lock pyproject.toml | sha256sum | cut -d' ' -f1)
    [ "$(cat .venv/.stamp 2>/dev/null)" = "$stamp" ] && return
    say "installing Python packages into .venv"
    [ -x .venv/bin/python ] || "$(find_python)" -m venv .venv
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps -e .
    echo "$stamp" >.venv/.stamp
}

case ${1:-all} in
    python) tools="" ;;
    demo) tools="$DEMO_TOOLS" ;;
    matrix) tools="$DEMO_TOOLS $TEST_TOOLS mmdebstrap:mmdebstrap" ;;
    *) tools="$DEMO_TOOLS $TEST_TOOLS" ;;
esac
# An engine that answers needs no dockerd of ours.
if [ -n "$(find_python)" ] && "$(find_python)" tools/engine.py url >/dev/null 2>&1; then
    tools=$(echo "$tools" | sed '/^ *dockerd:/d')
fi
packages=$(missing_packages "$tools" | sort -u | tr '\n' ' ')
# shellcheck disable=SC2086 - a list of words
[ -z "$(echo $packages)" ] || install_packages $packages
[ -n "$(find_python)" ] || die "please install Python 3.11 or later"
install_python_packages
