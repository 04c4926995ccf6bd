#!/bin/bash
# make install below a temporary folder: what is there, that programs can be built against it, that
# the shell completes, and that make uninstall takes all of it back. Prints TAP.
build=${SOTTO_BUILD:-build}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
root=$dir/root prefix=$dir/root/usr
version=$("$build/sotto" --version | cut -d' ' -f2)
n=0
result() {
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        tail -30 "$dir/log" | sed 's/^/# /'
    fi
}
skip() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
target() { make --no-print-directory BUILD="$build" DESTDIR="$root" PREFIX=/usr "$@" >"$dir/log" 2>&1; }
list() { (cd "$root" && find . ! -type d | sort); }

target install
result "make install" $?
list >"$dir/files"
diff - "$dir/files" >"$dir/log" <<END
./usr/bin/sotto
./usr/bin/sotto-npu
./usr/include/sotto.h
./usr/lib/libsotto.a
./usr/lib/libsotto.so
./usr/lib/libsotto.so.${version%%.*}
./usr/lib/libsotto.so.$version
./usr/lib/pkgconfig/sotto.pc
./usr/share/bash-completion/completions/sotto
./usr/share/man/man1/sotto.1
END
result "the files, and no others" $?
[ "$("$prefix/bin/sotto" --version)" = "sotto $version" ]
result "the program runs" $?
readelf -d "$prefix/bin/sotto" "$prefix/lib/libsotto.so" >"$dir/log" 2>&1 &&
    ! grep -E 'RPATH|RUNPATH' "$dir/log" && ! grep -rlF "$dir" "$prefix"
result "nothing remembers where it was installed" $?
if command -v man >/dev/null; then
    LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 "$prefix/share/man/man1/sotto.1" \
        >"$dir/page" 2>"$dir/log" && grep -q 'talk.mp3.srt' "$dir/page" && [ ! -s "$dir/log" ]
    result "the manual page" $?
else
    skip "the manual page" "no man"
fi

# ---- the library -----------------------------------------------------------------------------

sed -n '/^ \*     #include <sotto.h>/,/^ \* Rules/p' "$prefix/include/sotto.h" | sed '$d' |
    sed -E 's/^ \* {0,5}//' >"$dir/example.c"
cc=${CC:-cc}
pc() {
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --define-variable=prefix="$prefix" \
        --define-variable=libdir="$prefix/lib" "$@" sotto
}
# example PROGRAM: it says what is missing without arguments, and transcribes where models are.
example() {
    local speech=/usr/share/pocketsphinx/test/data/cards/001.wav
    local store=${SOTTO_MODELS:-${XDG_DATA_HOME:-$HOME/.local/share}/sotto/models}
    "$1" >"$dir/log" 2>&1
    [ $? -eq 1 ] && grep -q EINVAL "$dir/log" || return 1
    [ -e "$store/tiny.en" ] && [ -e "$store/silero-vad" ] && [ -e "$speech" ] || return 0
    "$1" "$store/tiny.en" "$speech" >"$dir/log" 2>&1 && grep -qi 'of clubs' "$dir/log"
}
if command -v pkg-config >/dev/null; then
    pc --validate 2>"$dir/log" && [ "$(pc --modversion)" = "$version" ]
    result "sotto.pc" $?
    # shellcheck disable=SC2046
    $cc -Wall -Werror -o "$dir/shared" "$dir/example.c" $(pc --cflags --libs) 2>"$dir/log" &&
        LD_LIBRARY_PATH=$prefix/lib example "$dir/shared"
    result "the header's program with the shared library" $?
    # Only sotto itself static: --static would want FFmpeg's own dependencies too.
    # shellcheck disable=SC2046
    $cc -Wall -Werror -o "$dir/static" "$dir/example.c" $(pc --cflags) "$prefix/lib/libsotto.a" \
        $(pkg-config --libs $(pc --print-requires-private)) -lm -pthread 2>"$dir/log" &&
        example "$dir/static" && ! ldd "$dir/static" | grep libsotto
    result "the header's program with the static library" $?
else
    skip "sotto.pc and programs built by it" "no pkg-config"
fi
if command -v c++ >/dev/null; then
    printf '#include <sotto.h>\nint main() { return sotto_version()[0] == 0; }\n' >"$dir/x.cc"
    c++ -Wall -Wextra -Werror -I"$prefix/include" -o "$dir/cc" "$dir/x.cc" -L"$prefix/lib" -lsotto \
        2>"$dir/log" && LD_LIBRARY_PATH=$prefix/lib "$dir/cc"
    result "a C++ program" $?
else
    skip "a C++ program" "no c++"
fi

# ---- completion ------------------------------------------------------------------------------

# offers WANTED WORDS...: is WANTED offered for the last word?
offers() {
    local wanted=$1
    shift
    (
        PATH=$PWD/$build:$build:$PATH
        cd "$dir" || exit 1
        # shellcheck disable=SC1091
        . "$prefix/share/bash-completion/completions/sotto" || exit 1
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _sotto
        printf '%s\n' "$*:" "${COMPREPLY[@]}" >"$dir/log"
        grep -qxF -- "$wanted" "$dir/log"
    )
}
touch "$dir/a talk.mp3"
mkdir "$dir/a folder"
offers model sotto m && offers fetch sotto model f && offers tiny.en sotto model fetch ti &&
    offers base sotto model path b && offers languages sotto help l
result "commands are completed" $?
offers --beam-size sotto --be && offers --no-vad sotto x --no-v && offers srt sotto -f s &&
    offers de sotto -l d && offers base sotto -m ba && offers translate sotto x --task t &&
    offers cpu sotto --device "" && ! offers --vad sotto --be
result "options and their values are completed" $?
offers "a talk.mp3" sotto a && offers "a folder" sotto -o a && ! offers "a talk.mp3" sotto -o a &&
    ! offers "a talk.mp3" sotto --beam-size ""
result "files and folders are completed" $?

# ---- uninstall -------------------------------------------------------------------------------

touch "$prefix/lib/libsotto.so.9.9" "$prefix/bin/other"
target uninstall && [ "$(list | tr '\n' ' ')" = "./usr/bin/other ./usr/lib/libsotto.so.9.9 " ]
result "make uninstall takes its files back, and no others" $?
rm -r "$root"
target install LIBDIR=/usr/lib64 && [ -e "$prefix/lib64/libsotto.a" ] && [ ! -e "$prefix/lib" ] &&
    grep -qx 'libdir=/usr/lib64' "$prefix/lib64/pkgconfig/sotto.pc" &&
    target uninstall LIBDIR=/usr/lib64 && [ -z "$(list)" ]
result "LIBDIR" $?
echo "1..$n"
