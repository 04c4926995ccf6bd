#!/bin/sh
# setup.sh demo|test|dev: installs what building, testing or developing needs, on Debian and its
# kin, by apt; leaves apt alone when nothing is missing, so that it works without a network. On other
# systems it says which command installs it. The lists are explained in docs/dependencies.md.
#   SOTTO_OS_RELEASE   the file that names the system (default /etc/os-release)
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
# Without these the tests that want them are skipped; not every kin of Debian has them.
optional="pocketsphinx-testdata sound-theme-freedesktop sonic-pi-samples gcc-aarch64-linux-gnu
    libc6-dev-arm64-cross qemu-user"

usage="usage: scripts/setup.sh demo|test|dev"
case ${1:-} in
demo) wanted=$demo ;;
test) wanted=$test ;;
dev) wanted=$dev ;;
*) echo "$usage" >&2 && exit 2 ;;
esac

pkgconfig="libavformat libavcodec libswresample libavutil jansson libpcre2-8 zlib libcurl libzip
    libcrypto"
[ "$1" = demo ] || pkgconfig="$pkgconfig cmocka"

# rpm knows which package has a pkg-config file; that name is the same on all its systems.
rpm_names() {
    # shellcheck disable=SC2086
    printf " 'pkgconfig(%s)'" $pkgconfig
}

# The command that installs everything on a system other than Debian; empty if we do not know it.
foreign_command() {
    id=
    like=
    if [ -r "$1" ]; then
        id=$(sed -n 's/^ID=//p' "$1" | tr -d '"')
        like=$(sed -n 's/^ID_LIKE=//p' "$1" | tr -d '"')
    fi
    case " $id $like " in
    *" fedora "* | *" rhel "*)
        [ "$2" = demo ] && more= || more=" perl-Test-Harness ffmpeg-free"
        echo "dnf install gcc make pkgconf-pkg-config$(rpm_names)$more"
        ;;
    *suse*)
        [ "$2" = demo ] && more= || more=" perl ffmpeg"
        echo "zypper install gcc make pkgconf$(rpm_names)$more"
        ;;
    *" arch "*)
        [ "$2" = demo ] && more= || more=" cmocka perl"
        echo "pacman -S --needed gcc make pkgconf ffmpeg jansson pcre2 zlib curl libzip openssl$more"
        ;;
    *" alpine "*)
        [ "$2" = demo ] && more= || more=" cmocka-dev perl-utils ffmpeg bash"
        echo "apk add build-base pkgconf ffmpeg-dev jansson-dev pcre2-dev zlib-dev curl-dev" \
            "libzip-dev openssl-dev$more"
        ;;
    esac
}

if ! command -v dpkg-query >/dev/null 2>&1; then
    tools="cc make pkg-config"
    [ "$1" = demo ] || tools="$tools prove ffmpeg"
    lacks=
    for tool in $tools; do
        command -v "$tool" >/dev/null 2>&1 || lacks="$lacks $tool"
    done
    for library in $pkgconfig; do
        pkg-config --exists "$library" 2>/dev/null || lacks="$lacks $library"
    done
    [ -z "$lacks" ] && exit 0
    echo "setup: missing:$lacks" >&2
    command=$(foreign_command "${SOTTO_OS_RELEASE:-/etc/os-release}" "$1")
    if [ -n "$command" ]; then
        echo "setup: this is not a Debian system, so nothing is installed by itself. As root, run:" >&2
        echo "    $command" >&2
    else
        echo "setup: install these programs and libraries, with the libraries' development files." >&2
    fi
    echo "setup: then run make again." >&2
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
if apt install --no-install-recommends $missing 2>/dev/null; then
    exit 0
fi
if ! apt update; then
    echo "setup: apt could not install:$missing" >&2
    echo "setup: check the network and the package sources, then run make again." >&2
    exit 1
fi
# What this system does not have at all, and we can do without.
wanted=$missing
missing=
for package in $wanted; do
    case " $(printf "%s " $optional)" in
    *" $package "*)
        if [ -z "$(apt-cache madison "$package" 2>/dev/null)" ]; then
            echo "setup: no package $package here; the tests that want it will be skipped"
            continue
        fi
        ;;
    esac
    missing="$missing $package"
done
# shellcheck disable=SC2086
if [ -n "$missing" ] && ! apt install --no-install-recommends $missing; then
    echo "setup: apt could not install:$missing" >&2
    echo "setup: check the network and the package sources, then run make again." >&2
    exit 1
fi
