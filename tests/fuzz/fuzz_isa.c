/*
 * Any bytes as a row of bundles: each decodes or fails; what decodes encodes to the same bytes exactly
 * if it says so, decodes again to the same, and prints.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "npu/isa/isa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static int bundle(const uint8_t *data, size_t size)
{
    struct isa_bundle b, again;
    struct sotto_diag diag = {0};
    uint8_t bytes[ISA_BUNDLE_MAX];
    char text[ISA_TEXT_MAX];

    int n = isa_decode(data, size, &b, &diag);
    if (n < 0) {
        check(diag.text[0] != 0);
        return 2;
    }
    check((size_t)n <= size && n <= ISA_BUNDLE_MAX);
    check(isa_encode(&b, bytes, &diag) == n);
    check((memcmp(bytes, data, (size_t)n) == 0) == b.canonical);
    check(isa_decode(bytes, (size_t)n, &again, &diag) == n && again.canonical);
    check(memcmp(again.op, b.op, sizeof b.op) == 0);
    int length = isa_print(&b, text, sizeof text);
    check(length > 0 && (size_t)length == strlen(text));
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;)
        at += (size_t)bundle(data + at, size - at);
    return 0;
}
