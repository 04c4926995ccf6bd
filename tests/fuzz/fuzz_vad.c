/*
 * The VAD network's weights from hostile bytes: as they are, and followed by zeros, so that a header
 * alone reaches the tensors. What opens is run on a second of sound.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audio/vad_net.h"

enum { ZEROS = 1300000, N_SAMPLES = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_and_run(const uint8_t *data, size_t size)
{
    struct sotto_diag diag = {0};
    struct vad_model *m = NULL;
    struct vad_params p;
    struct vad *v = NULL;
    struct vad_span s;
    float x[N_SAMPLES];

    if (vad_model_open_memory(&m, data, size, "weights", &diag))
        return;
    vad_params_init(&p);
    for (int i = 0; i < N_SAMPLES; i++)
        x[i] = (float)(i * 7919 % 2001 - 1000) / 1000;
    if (!vad_open(&v, m, &p) && !vad_feed(v, x, N_SAMPLES) && !vad_finish(v)) {
        while (vad_next(v, &s)) {
            if (s.start < 0 || s.end > N_SAMPLES || s.start >= s.end)
                abort();
        }
    }
    vad_close(&v);
    vad_model_close(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > ZEROS)
        return 0;
    open_and_run(data, size);
    uint8_t *padded = calloc(1, size + ZEROS);
    if (!padded)
        return 0;
    if (size)
        memcpy(padded, data, size);
    open_and_run(padded, size + ZEROS);
    free(padded);
    return 0;
}
