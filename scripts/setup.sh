#!/bin/sh
# setup.sh demo|test|dev: installs what building, testing or developing needs, on Debian and its
# kin, by apt; leaves apt alone when nothing is missing, so that it works without a network. On other
# systems it says what is needed. The lists are explained in docs/dependencies.md.
set -eu

# ca-certificates: to fetch models. pkg-config finds the libraries' flags.
demo="gcc libc6-dev make pkg-config ca-certificates
    libavformat-dev libavcodec-dev libswresample-dev libavutil-dev
    libjansson-dev libpcre2-dev zlib1g-dev libcurl4-openssl-dev libzip-dev libssl-dev
    pocketsphinx-testdata"
# perl has prove. ffmpeg makes recordings in many formats; the two sound packages are for the silence
# and noise tests. The last three build and run the kernel check for aarch64.
test="$demo libcmocka-dev perl ffmpeg sound-theme-freedesktop sonic-pi-samples
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
dev="$test clang clang-format libclang-rt-dev gdb"

usage="usage: scripts/setup.sh demo|test|dev"
case ${1:-} in
demo) wanted=$demo ;;
test) wanted=$test ;;
dev) wanted=$dev ;;
*) echo "$usage" >&2 && exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
    tools="gcc make pkg-config"
    [ "$1" = demo ] || tools="$tools prove ffmpeg"
    lacks=
    for tool in $tools; do
        command -v "$tool" >/dev/null 2>&1 || lacks="$lacks $tool"
    done
    for library in libavformat libavcodec libswresample libavutil jansson libpcre2-8 zlib libcurl \
        libzip libcrypto $([ "$1" = demo ] || echo cmocka); do
        pkg-config --exists "$library" 2>/dev/null || lacks="$lacks $library"
    done
    [ -z "$lacks" ] && exit 0
    echo "setup: this is not a Debian system, so nothing is installed by itself. Missing:$lacks" >&2
    echo "setup: install them (with the libraries' development files) and run make again." >&2
    exit 1
fi

# A package counts as there if it is installed, or if an installed one provides it.
missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case $state in
    ii*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -z "$missing" ] && exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup: missing packages, and neither root nor sudo to install them. As root, run:" >&2
        echo "    apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi

echo "setup: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    # shellcheck disable=SC2086
    if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" \
        >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        return 1
    fi
}
# Old lists may name versions that are gone; new ones cost a download. Try what is there first.
# shellcheck disable=SC2086
if ! apt install --no-install-recommends $missing 2>/dev/null; then
    if ! apt update || ! apt install --no-install-recommends $missing; then
        echo "setup: apt could not install:$missing" >&2
        echo "setup: check the network and the package sources, then run make again." >&2
        exit 1
    fi
fi
