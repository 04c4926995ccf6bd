#!/bin/sh
# The same for aarch64, cross-built by `make test` where the compiler is there, under qemu-user.
build=${SOTTO_BUILD:-build}
program=$build/aarch64/sotto-check
if [ "$(uname -m)" = aarch64 ]; then
    echo "1..0 # SKIP this machine is an aarch64: test_check.sh runs the same"
elif [ ! -x "$program" ]; then
    echo "1..0 # SKIP no aarch64 sotto-check (gcc-aarch64-linux-gnu was not there)"
elif ! command -v qemu-aarch64 >/dev/null; then
    echo "1..0 # SKIP no qemu-aarch64 (package qemu-user)"
else
    exec qemu-aarch64 -cpu max "$program" --quick
fi
