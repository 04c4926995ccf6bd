#!/bin/bash
# The program sotto-npu from outside: commands, exit statuses, messages, files. Prints TAP.
# sanitizers: yes
npu=${SOTTO_BUILD:-build}/sotto-npu
case $npu in /*) ;; *) npu=$PWD/$npu ;; esac
data=$PWD/tests/data/npu
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
n=0

result() { # NAME STATUS: one line of TAP, with what the program said if it failed
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        sed 's/^/# /' out err 2>/dev/null
    fi
}
run() { # STATUS ARGS...: succeeds if sotto-npu ends with STATUS; output in out and err
    local expected=$1 status
    shift
    "$npu" "$@" >out 2>err </dev/null
    status=$?
    [ $status -eq "$expected" ] && return 0
    echo "exit status $status, expected $expected: $*" >>err
    return 1
}
fails() { # NAME STATUS MESSAGE ARGS...: must end so and say so, with nothing on stdout
    local name=$1 status=$2 message=$3
    shift 3
    run "$status" "$@" && grep -qF -- "$message" err && [ ! -s out ]
    result "$name" $?
}

cat >main.s <<'END'
        .globl  _start
        .type   _start,@function
_start: jl      #work
        nop
        nop
        nop
        nop
        mova    r0, #8          // a comment
        movxm   p0, #table; nopa
.Lidle: j       #.Lidle
        nop; /* and
        another */
END
sed -i '/nop; /,$d' main.s
printf '\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n' >>main.s
cat >work.s <<'END'
        .globl  work
        .p2align 4
work:   ret     lr
        nop
        nop
        nop
        nop
        nop
        .data
        .globl  table
        .p2align 5
table:  .word   1, 2, work
END

fails 'no command' 2 'which command?'
fails 'unknown command' 2 "no command 'frob'" frob
run 0 help && grep -q objdump out && grep -q 'Exit status' out
result 'help' $?
for command in $("$npu" help | sed -n 's/^  \([a-z][a-z-]*\)  *.*$/\1/p' | grep -v '^help$\|^version$'); do
    run 0 help "$command" && grep -q "Usage: sotto-npu $command" out && cp out first &&
        run 0 "$command" --help && cmp -s out first
    result "help of $command, two ways" $?
done
fails 'help on nothing' 2 "no help on 'frob'" help frob
run 0 --version && grep -Eq '^sotto-npu [0-9.]+$' out
result 'version' $?

run 0 asm main.s && [ ! -s err ] && [ -s main.o ] && run 0 asm work.s -o work.o
result 'assemble' $?
run 0 link main.o work.o -o image.elf --map && grep -q '^program 62 of 16384 bytes' out &&
    grep -q '0x00030  *0  work' out && grep -q '0x70400  *0  table' out
result 'link, map' $?
run 0 objdump image.elf && cp out image.s && run 0 asm image.s -o again.elf &&
    run 0 objdump again.elf && cmp -s out image.s
result 'an image comes back from its disassembly' $?
grep -q 'jl #work' image.s && grep -q 'movxm p0, #table' image.s && ! grep -q '\.short' image.s
result 'targets have names' $?
run 0 objdump main.o -o main2.s && run 0 asm main2.s -o main2.o && run 0 link main2.o work.o -o image2.elf &&
    run 0 objdump image2.elf && cmp -s out image.s
result 'an object comes back, too, and links to the same image' $?
run 0 objdump image.elf --lines && grep -q '// main.s:3' out && grep -q '// work.s:3' out
result 'source lines' $?
if readelf -h image.elf >/dev/null 2>&1; then
    readelf -lW image.elf 2>/dev/null | grep -q 'LOAD.*0x00000000 0x00000000 0x0003e 0x0003e R E' &&
        [ -z "$(readelf -aW image.elf 2>&1 | grep -i 'warning\|error' | grep -vi 'machine\|unwind\|reloc')" ]
    result 'readelf agrees' $?
else
    n=$((n + 1))
    echo "ok $n - readelf agrees # SKIP no readelf here"
fi

# Messages show file, line, column, the line and a mark.
printf 'start:\n\tadd r0, r1, #64\n\tfrob\n' >bad.s
run 4 asm bad.s -o bad.o && [ ! -e bad.o ] && [ ! -s out ] &&
    grep -qF "bad.s:2:14: the immediate 64 of 'add' is out of range [-64, 63]" err &&
    grep -qF "bad.s:3:2: there is no instruction 'frob'" err && grep -q '^    	            ^$' err &&
    grep -qF 'bad.s: 2 errors' err
result 'every error is shown with its line' $?
fails 'unresolved symbols name the line' 4 "main.s:3: symbol 'work' is not defined" link main.o -o x.elf
[ ! -e x.elf ]
result 'no image after an error' $?
fails 'twice defined' 4 "work.s:3: symbol 'work' is defined twice" link main.o work.o work.o -o x.elf
printf '\t.space 16384\n\tnop\n' >big.s
run 0 asm big.s
fails 'too much program' 4 'big.s:2: section .text (16386 bytes at 0x0) passes the end of program memory' \
    link big.o -o x.elf
fails 'alignment' 4 'section .text cannot be at 0x8' link main.o work.o -o x.elf --place .text=8
fails 'bad value' 2 "bad value 'x=y'" link main.o -o x.elf --define x=y
fails 'no output' 2 '-o OUT.elf is needed' link main.o
fails 'no object' 2 'no object is named' link -o x.elf
run 0 link main.o -o x.elf --define work=0x1000 --define table=0x74000 --stack 4096 --entry _start
result 'defined symbols' $?
fails 'missing input' 4 'none.s' asm none.s
fails 'two inputs' 2 'one input file is needed, not 2' asm main.s work.s
fails 'unknown option' 2 "bad option '--frob'" asm --frob main.s
fails 'not an ELF file' 4 'main.s is not an ELF file' objdump main.s
printf '!<arch>\n' >lib.a
fails 'an archive' 4 'lib.a is an archive' objdump lib.a
head -c 200 image.elf >cut.elf
fails 'a cut file' 4 'cut.elf' objdump cut.elf
fails 'a folder' 4 "$dir" objdump "$dir"
fails 'output nowhere' 5 'no/such/place.o' asm main.s -o no/such/place.o
if [ -w /dev/full ]; then
    "$npu" objdump image.elf >/dev/full 2>err
    [ $? -eq 5 ]
    result 'full disk' $?
    run 5 asm main.s -o /dev/full
    result 'full disk for an object' $?
    [ -c /dev/full ]
    result 'the device is still there' $?
fi
for f in "$data"/err_*.s; do
    case $f in */err_sched* | */err_link* | */err_check*) continue ;; esac
    run 4 asm "$f" -o x.o || break
done
result 'wrong programs end with 4' $?
echo "1..$n"
