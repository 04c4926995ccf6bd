#!/bin/bash
# The program at the top of sotto.h is tests/api_example.c, word for word; it transcribes.
echo 1..2
header=$(sed -n '/^ \*     #include <sotto.h>/,/^ \* Rules/p' include/sotto.h | sed '$d' | sed -E 's/^ \* {0,5}//; s/[[:space:]]+$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}')
if diff <(echo "$header") tests/api_example.c | sed 's/^/# /'; [ "${PIPESTATUS[0]}" = 0 ]; then
    echo "ok 1 - the header shows the program that is compiled"
else
    echo "not ok 1 - the header shows the program that is compiled"
fi
store=${SOTTO_MODELS:-${XDG_DATA_HOME:-$HOME/.local/share}/sotto/models}
speech=/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0880.wav
if [ ! -e "$store/tiny.en" ] || [ ! -e "$speech" ]; then
    echo "ok 2 - it transcribes # SKIP no tiny.en in the model store, or no pocketsphinx-testdata"
elif [ "$(SOTTO_MODELS=$store "$SOTTO_BUILD/tests/api_example" "$store/tiny.en" "$speech" | tr 'A-Z' 'a-z' | grep -c 'young man')" -ge 1 ]; then
    echo "ok 2 - it transcribes"
else
    echo "not ok 2 - it transcribes"
fi
