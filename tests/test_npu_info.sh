#!/bin/sh
# sotto-npu info: what it says of streams, images and containers (the seeds of the fuzz targets), JSON too.
# sanitizers: yes
npu=${SOTTO_BUILD:-build}/sotto-npu
corpus=tests/fuzz/corpus
n=0

# check NAME STATUS PATTERN ARGUMENTS: the status and an extended regular expression in the output
check() {
    name=$1 want=$2 pattern=$3
    shift 3
    n=$((n + 1))
    out=$("$npu" info "$@" 2>&1)
    got=$?
    if [ "$got" = "$want" ] && printf '%s\n' "$out" | grep -q -E -e "$pattern"; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        printf '%s\n' "status $got, output:" "$out" | sed 's/^/# /'
    fi
}

check "a descriptor" 0 'dma_bd\[0\].word0, 8 words: 3072 words at 0x0, burst 256' $corpus/npu_txn/transfer.bin
check "a patch" 0 'ddr_patch \(0,0\) dma_bd\[0\].word1 \+= argument 2 \+ 64' $corpus/npu_txn/transfer.bin
check "a wait" 0 'wait for mm2s channel 1 of columns 3\+1' $corpus/npu_txn/transfer.txt
check "a masked field" 0 'dma_s2mm_ctrl\[0\] = 0xf00 mask 0x1f00: controller_id=15$' $corpus/npu_txn/transfer.bin
check "a PDI's tiles" 0 'core_control = 0x2: reset=1$' $corpus/npu_pdi/long.pdi
check "a PDI's program" 0 'program_bytes: 1200' $corpus/npu_pdi/long.pdi
check "a compact CDO" 0 'compact: true' $corpus/npu_pdi/compact.cdo
check "an xclbin's kernel" 0 'MLIR_AIE:MLIRAIE: type 7, id 0x901' $corpus/npu_xclbin/kernel.xclbin
check "an xclbin as JSON" 0 '"operations_per_cycle": 2048' --json $corpus/npu_xclbin/kernel.xclbin
check "a cut stream" 4 'cut.bin: at 0xc: the stream says it has 196 bytes; the file has 187' $corpus/npu_txn/cut.bin
check "a cut image" 4 'cut.pdi: the partition says' $corpus/npu_pdi/cut.pdi
check "a cut container" 4 'cut.xclbin: at 0x130: the file says' $corpus/npu_xclbin/cut.xclbin
check "no file" 2 'one file is needed' --json
check "a missing file" 4 'nowhere.bin' nowhere.bin
echo "1..$n"
