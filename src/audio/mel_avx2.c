/* Log-mel, 8 frames at a time. */
#define MEL_LANES 8
#include "audio/mel_vector.h"

void mel_log_avx2(const struct mel *m, const float *samples, int n_frames, float *dst, float *max)
{
    log_mel(m, samples, n_frames, dst, max);
}
