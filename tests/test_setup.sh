#!/bin/bash
# scripts/setup.sh where there is no Debian: the command it names; and on Debian with a false apt. Prints
# TAP; nothing is installed.
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0
result() {
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then echo "ok $n - $1"; else
        echo "not ok $n - $1"
        sed 's/^/# /' "$dir/out"
    fi
}
for tool in sh sed tr cat id mktemp rm env; do
    mkdir -p "$dir/bin" && ln -s "$(command -v $tool)" "$dir/bin/$tool"
done
# on SYSTEM TARGET: setup.sh with nothing but those programs, on a system of that name.
on() {
    printf '%b' "$1" >"$dir/os-release"
    PATH=$dir/bin SOTTO_OS_RELEASE=$dir/os-release sh scripts/setup.sh "$2" >"$dir/out" 2>&1
}
has() { grep -qF -- "$1" "$dir/out"; }

on 'NAME=x\nID=fedora\n' demo
[ $? -eq 1 ] && has "dnf install gcc make pkgconf-pkg-config 'pkgconfig(libavformat)'" && ! has cmocka
result "Fedora" $?
on 'ID="rocky"\nID_LIKE="rhel centos fedora"\n' test
[ $? -eq 1 ] && has "'pkgconfig(cmocka)' perl-Test-Harness ffmpeg-free"
result "kin of Fedora" $?
on 'ID=arch\n' test
[ $? -eq 1 ] && has "pacman -S --needed gcc make pkgconf ffmpeg jansson pcre2 zlib curl libzip openssl cmocka perl"
result "Arch" $?
on 'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n' demo
[ $? -eq 1 ] && has "zypper install gcc make pkgconf 'pkgconfig(libavformat)'"
result "openSUSE" $?
on 'ID=alpine\n' demo
[ $? -eq 1 ] && has "apk add build-base pkgconf ffmpeg-dev"
result "Alpine" $?
on 'ID=unheard-of\n' demo
[ $? -eq 1 ] && has "missing: cc make pkg-config libavformat" && ! has "As root"
result "another system" $?
for tool in cc make pkg-config; do
    printf '#!/bin/sh\nexit 0\n' >"$dir/bin/$tool"
    chmod +x "$dir/bin/$tool"
done
on 'ID=fedora\n' demo && [ ! -s "$dir/out" ]
result "everything is there" $?

# Debian, where apt has all but one package that can be done without.
cat >"$dir/bin/dpkg-query" <<'END'
#!/bin/sh
exit 1
END
cat >"$dir/bin/apt-get" <<'END'
#!/bin/sh
echo "$*" >>"$APT_LOG"
case $* in *sonic-pi-samples*) exit 100 ;; esac
END
cat >"$dir/bin/apt-cache" <<'END'
#!/bin/sh
[ "$2" = sonic-pi-samples ] || echo "$2 | 1"
END
printf '#!/bin/sh\nexec "$@"\n' >"$dir/bin/sudo"
chmod +x "$dir"/bin/{dpkg-query,apt-get,apt-cache,sudo}
export APT_LOG=$dir/apt
on '' test && has "no package sonic-pi-samples here" && [ "$(wc -l <"$APT_LOG")" -eq 3 ] &&
    tail -1 "$APT_LOG" | grep -q 'install .*libcmocka-dev' && ! tail -1 "$APT_LOG" | grep -q sonic
result "kin of Debian without an optional package" $?
printf '#!/bin/sh\nexit 0\n' >"$dir/bin/apt-cache"
rm "$APT_LOG"
on '' demo && [ "$(wc -l <"$APT_LOG")" -eq 1 ]
result "Debian" $?
printf '#!/bin/sh\nexit 100\n' >"$dir/bin/apt-get"
on '' demo
[ $? -eq 1 ] && has "apt could not install: gcc"
result "apt fails" $?
printf '#!/bin/sh\nprintf "ii "\n' >"$dir/bin/dpkg-query"
on '' test && [ ! -s "$dir/out" ]
result "nothing is missing: apt is left alone" $?
echo "1..$n"
