#!/bin/bash
# libsotto.so exports the functions that sotto.h declares, and nothing else; it links nothing that
# only programs may link; and no library code prints, exits or aborts.
lib=$SOTTO_BUILD/libsotto.so
echo 1..4
declared=$(gcc -E -Iinclude include/sotto.h | grep -o '\bsotto_[a-z0-9_]* *(' | tr -d ' (' | sort -u)
exported=$(nm -D --defined-only "$lib" | awk '{print $3}' | grep -v '^_' | sort -u)
if [ -n "$exported" ] && [ "$declared" = "$exported" ]; then echo "ok 1 - exports what sotto.h declares"; else
    diff <(echo "$declared") <(echo "$exported") | sed 's/^/# /'
    echo "not ok 1 - exports what sotto.h declares"
fi
needed=$(readelf -d "$lib" | grep NEEDED)
if [ -n "$needed" ] && ! grep -E 'curl|libzip|crypto|cmocka' <<<"$needed"; then echo "ok 2 - links no downloader"; else
    echo "not ok 2 - links no downloader"
fi
if readelf -d "$lib" | grep -q 'SONAME.*libsotto\.so\.[0-9]'; then echo "ok 3 - has a soname"; else echo "not ok 3 - has a soname"; fi
# Undefined symbols of the objects themselves (FFmpeg and others may do as they like).
bad=$(nm -A --undefined-only "$SOTTO_BUILD/libsotto.a" 2>/dev/null |
    grep -wE '(printf|__printf_chk|puts|putchar|vprintf|perror|exit|_exit|abort|stdout|stderr)$')
if [ -z "$bad" ]; then echo "ok 4 - prints nothing, never exits"; else
    sed 's/^/# /' <<<"$bad"
    echo "not ok 4 - prints nothing, never exits"
fi
