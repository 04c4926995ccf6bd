/*
 * Packing of matrices into panels: [ceil(N / nr)][ceil(K / group)][nr][group], see ops/ops.h.
 * Columns come in a block of PACK_K consecutive k at a time, gathered as fp32, then converted.
 * Included after gemm_impl.h's requirements.
 */
#ifndef CPU_PACK_IMPL_H
#define CPU_PACK_IMPL_H

#include "cpu/gemm_impl.h"

enum { PACK_K = 32 };

/* What is packed, and where its elements are. */
struct pack_source {
    const float *src;
    size_t n_stride, k_stride;
    int n, k;
};

/* t[i][j] = element (n = col + j, k = k0 + i); 0 outside the matrix. */
static void pack_gather(const struct pack_source *s, int col, int k0, float (*t)[GEMM_NR])
{
    int cols = s->n - col < GEMM_NR ? s->n - col : GEMM_NR;
    int n_k = s->k - k0 < PACK_K ? s->k - k0 : PACK_K;
    const float *src = s->src + (size_t)col * s->n_stride + (size_t)k0 * s->k_stride;

    if (cols < GEMM_NR || n_k < PACK_K)
        memset(t, 0, PACK_K * sizeof *t);
    if (s->n_stride == 1) {
        for (int i = 0; i < n_k; i++)
            memcpy(t[i], src + (size_t)i * s->k_stride, (size_t)cols * sizeof *src);
        return;
    }
    for (int j = 0; j < cols; j++) {
        const float *from = src + (size_t)j * s->n_stride;
        for (int i = 0; i < n_k; i++)
            t[i][j] = from[(size_t)i * s->k_stride];
    }
}

INLINE void pack_store(void *to, vf v, const enum gemm_format format)
{
    if (format == GEMM_F16) {
        v_store_f16(to, v);
    } else if (format == GEMM_BF16) {
        vh h = v_to_bf16(v);
        memcpy(to, &h, sizeof h);
    } else {
        v_store(to, v);
    }
}

/* F32, and F16 and BF16 with k_group 1. */
INLINE void pack_float(struct gemm_weights *w, const float *src, size_t n_stride, size_t k_stride,
                       int panel_begin, int panel_end, const enum gemm_format format)
{
    const size_t elem = format == GEMM_F32 ? 4 : 2;
    const struct pack_source s = {src, n_stride, k_stride, w->n, w->k};
    float t[PACK_K][GEMM_NR];

    for (int p = panel_begin; p < panel_end; p++) {
        char *panel = (char *)w->data + (size_t)p * (size_t)w->k * GEMM_NR * elem;
        for (int k0 = 0; k0 < w->k; k0 += PACK_K) {
            pack_gather(&s, p * GEMM_NR, k0, t);
            for (int i = 0; i < PACK_K && k0 + i < w->k; i++)
                for (int j = 0; j < GEMM_NR; j += VW)
                    pack_store(panel + ((size_t)(k0 + i) * GEMM_NR + (size_t)j) * elem,
                               v_load(t[i] + j), format);
        }
    }
}

/* BF16 in pairs of k. */
INLINE void pack_bf16_pairs(struct gemm_weights *w, const float *src, size_t n_stride,
                            size_t k_stride, int panel_begin, int panel_end)
{
    const struct pack_source s = {src, n_stride, k_stride, w->n, w->k};
    float t[PACK_K][GEMM_NR];

    for (int p = panel_begin; p < panel_end; p++) {
        uint16_t *panel = (uint16_t *)w->data + (size_t)p * (size_t)((w->k + 1) / 2) * GEMM_NR * 2;
        for (int k0 = 0; k0 < w->k; k0 += PACK_K) {
            pack_gather(&s, p * GEMM_NR, k0, t);
            for (int i = 0; i < PACK_K && k0 + i < w->k; i += 2)
                for (int j = 0; j < GEMM_NR; j += VW) {
                    vu even = __builtin_convertvector(v_to_bf16(v_load(t[i] + j)), vu);
                    vu odd = __builtin_convertvector(v_to_bf16(v_load(t[i + 1] + j)), vu);
                    vu pair = even | odd << 16;
                    memcpy(panel + (size_t)(k0 + i) * GEMM_NR + (size_t)j * 2, &pair, sizeof pair);
                }
        }
    }
}

/* Largest magnitude of each column of a panel. */
static void pack_magnitudes(const struct pack_source *s, int col, float (*t)[GEMM_NR], float *max)
{
    memset(max, 0, GEMM_NR * sizeof *max);
    for (int k0 = 0; k0 < s->k; k0 += PACK_K) {
        pack_gather(s, col, k0, t);
        for (int i = 0; i < PACK_K; i++)
            for (int j = 0; j < GEMM_NR; j += VW)
                v_store(max + j, v_max(v_load(max + j), v_abs(v_load(t[i] + j))));
    }
}

/* I8, `group` k side by side. */
INLINE void pack_i8(struct gemm_weights *w, const float *src, size_t n_stride, size_t k_stride,
                    int panel_begin, int panel_end, const int group)
{
    const struct pack_source s = {src, n_stride, k_stride, w->n, w->k};
    size_t panel_bytes = (size_t)((w->k + group - 1) / group) * (size_t)group * GEMM_NR;
    float t[PACK_K][GEMM_NR], max[GEMM_NR], inverse[GEMM_NR], q_max = (float)w->q_max;
    int32_t sum[GEMM_NR];

    for (int p = panel_begin; p < panel_end; p++) {
        int col = p * GEMM_NR, cols = w->n - col < GEMM_NR ? w->n - col : GEMM_NR;
        int8_t *panel = (int8_t *)w->data + (size_t)p * panel_bytes;
        pack_magnitudes(&s, col, t, max);
        for (int j = 0; j < GEMM_NR; j++) {
            inverse[j] = max[j] > 1e-36f ? q_max / max[j] : 0.0f;
            sum[j] = 0;
        }
        for (int k0 = 0; k0 < w->k; k0 += PACK_K) {
            pack_gather(&s, col, k0, t);
            int n_k = w->k - k0 < PACK_K ? (w->k - k0 + group - 1) / group * group : PACK_K;
            for (int i = 0; i < n_k; i++)
                for (int j = 0; j < GEMM_NR; j += VW) {
                    vi q = v_to_int(v_load(t[i] + j) * v_load(inverse + j));
                    vi total = v_load_i(sum + j) + q;
                    memcpy(sum + j, &total, sizeof total);
                    int8_t *to = panel + (size_t)((k0 + i) / group * GEMM_NR + j) * (size_t)group +
                                 (k0 + i) % group;
                    for (int l = 0; l < VW; l++)
                        to[l * group] = (int8_t)q[l];
                }
        }
        for (int j = 0; j < cols; j++) {
            ((float *)w->scale)[col + j] = max[j] / q_max;
            ((int32_t *)w->sum)[col + j] = sum[j];
        }
    }
}

#endif
