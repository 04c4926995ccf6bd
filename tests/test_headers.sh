#!/bin/bash
# Every header compiles alone, as C and, the public one, as strict C99 and C11 too.
# Kernel templates are no headers: each is included by one file per instruction set, which defines
# what it needs first.
headers=$(find include src cmd -name '*.h' ! -path 'src/cpu/*' ! -name '*_vector.h' ! -name '*_kernels.h' | sort)
set -- $headers
echo "1..$(($# + 2))"
n=0
report() { # status name
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
for h; do
    gcc -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused -Iinclude -Isrc -Icmd -I. -fsyntax-only \
        -x c - <<<"#include \"$h\"" 2>&1 | sed 's/^/# /'
    report "${PIPESTATUS[0]}" "$h"
done
for std in c99 c11; do
    gcc -std=$std -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -x c - <<<'#include <sotto.h>' 2>&1 | sed 's/^/# /'
    report "${PIPESTATUS[0]}" "sotto.h as $std"
done
