#!/bin/sh
# Every kernel against its plain version, at each level this machine has (sotto-check speaks TAP).
# sanitizers: yes
build=${SOTTO_BUILD:-build}
exec "$build/sotto-check" ${SOTTO_TEST_QUICK:+--quick}
