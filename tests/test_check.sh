#!/bin/bash
# sanitizers: yes
# The kernel check: every kernel of every level this machine has; and the same for aarch64 under
# qemu, where `make test` has cross-built it.
run() { # number name command...
    local n=$1 name=$2 out
    shift 2
    if out=$("$@" 2>&1); then
        sed 's/^/# /' <<<"$out" | tail -n 5
        echo "ok $n - $name"
    else
        sed 's/^/# /' <<<"$out" | tail -n 60
        echo "not ok $n - $name"
    fi
}
echo 1..2
run 1 "kernels of this machine" "$SOTTO_BUILD/sotto-check"
cross=$SOTTO_BUILD/aarch64/sotto-check
if [ ! -x "$cross" ]; then
    echo "ok 2 - kernels of aarch64 # SKIP no $cross (needs gcc-aarch64-linux-gnu)"
elif ! command -v qemu-aarch64 >/dev/null; then
    echo "ok 2 - kernels of aarch64 # SKIP no qemu-aarch64 (qemu-user)"
else
    run 2 "kernels of aarch64 under qemu" qemu-aarch64 "$cross"
fi
