/*
 * The list of numeric operations the engine is made of, as one table of function pointers. ops/
 * holds the plain C version of each, which is the specification; cpu/ overwrites entries with
 * vector versions (ops_select). The engine never names a kernel.
 *
 * Matrix products. A weight matrix W (N x K, y = x W^T) is packed once into panels of `nr` columns,
 * the last one padded with zeros: [ceil(N / nr)][K][nr] for F32 and F16. Keys of an attention head
 * (N = keys, K = head width) and values (N = head width, K = keys) are packed the same way, so
 * attention runs on the same kernels. F16 panels hold weights that were fp16 in the file, exactly;
 * they are widened to fp32 before use, so F16 and F32 give the same sums. BF16 and I8 panels have
 * k_group consecutive k of a column side by side: [ceil(N / nr)][ceil(K / k_group)][nr][k_group].
 */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gemm_format { GEMM_F32 = 0, GEMM_F16, GEMM_BF16, GEMM_I8, GEMM_FORMAT_COUNT };

/* A packed matrix. `data` is owned by whoever allocated gemm_packed_bytes() for it. */
struct gemm_weights {
    void *data;
    enum gemm_format format;
    int n, k;
    const float *scale; // I8: N scales, value = q * scale. Else NULL
    const int32_t *sum; // I8: N sums of q over K (for unsigned activations). Else NULL
    int q_max;          // I8: the kernel's, set before packing
};

/* One row of activations in 8 bit: value = (q - zero) * scale. */
struct quant_row {
    float scale;
    int32_t zero; // 0..255
};

/* y = epilogue(x W^T): first + bias, then GELU (erf form), then + residual. */
struct gemm_args {
    const float *x;  // M rows of K floats (for I8 kernels: see quant)
    size_t x_stride; // floats from row to row
    int m;
    const struct gemm_weights *w;
    int panel_begin, panel_end; // panels of nr columns to compute
    float *y;                   // column 0 of row 0; M rows
    size_t y_stride;
    const float *bias; // N or NULL
    bool gelu;
    const float *residual; // M x N or NULL; may be y itself
    size_t residual_stride;
    const void *quant;   // I8: M x K from quantise_u8; BF16: M x K bf16; else NULL (x unused)
    size_t quant_stride; // elements from row to row
    const struct quant_row *quant_row; // I8: M
    float *scratch;                    // gemm_scratch_bytes() of memory private to the thread
};

/* Rows of activations that a kernel may widen into scratch at a time: with `kp` = k_max rounded up
 * to k_group, scratch is 4 * kp * max(nr, GEMM_SCRATCH_ROWS) bytes. */
enum { GEMM_SCRATCH_ROWS = 24 };

struct gemm_kernel {
    int mr, nr;     // tile; nr is the panel width
    int k_group;    // K is padded to a multiple of this when packing (1, 2 or 4)
    int q_max;      // I8: largest magnitude of a packed weight, 127 or, where pairs are summed in
                    // 16 bits, 63. Else 0
    bool available; // false: this format has no kernel here
    /* Packs columns' panels [panel_begin, panel_end) from fp32 rows of W: element (n, k) is
     * src[n * n_stride + k * k_stride]. So keys pack with k_stride = 1, values with n_stride = 1.
     * For I8, `scale` and `sum` of the panels' columns are written too: with `max` the column's
     * largest magnitude, scale = max / q_max, q = rint(w * (q_max / max)), all 0 if max < 1e-36,
     * with the q_max of `w`. BF16 rounds to nearest even. Kernels of one q_max have the same
     * integers; only the layout differs. */
    void (*pack)(struct gemm_weights *w, const float *src, size_t n_stride, size_t k_stride,
                 int panel_begin, int panel_end);
    void (*run)(const struct gemm_args *a);
};

struct ops {
    const char *name; // level: "ref", "sse2", "avx2", "avx512", "neon"
    struct gemm_kernel gemm[GEMM_FORMAT_COUNT];

    /* y[r] = (x[r] - mean) / sqrt(var + 1e-5) * g + b for n_rows rows of n_cols. y may be x. */
    void (*layernorm_f32)(const float *x, const float *g, const float *b, float *y, int n_rows,
                          int n_cols);
    /* In place, each of n_rows rows: softmax(x * scale) over n_cols; rows are `stride` apart and
     * columns from n_cols to the stride are left alone. */
    void (*softmax_f32)(float *x, size_t stride, int n_rows, int n_cols, float scale);
    /* x = gelu(x), erf form. */
    void (*gelu_f32)(float *x, size_t n);
    /* log(sum(exp(x))) over n values, and the index of the largest (lowest index wins ties). */
    float (*logsumexp_f32)(const float *x, size_t n, int *argmax);
    /* One query of one head against n cached positions: out = softmax(q K^T * scale) V. Key i is
     * k + i * stride, value i is v + i * stride, each `width` floats. `scores`: n floats. */
    void (*attend_f32)(const float *q, const float *k, const float *v, size_t stride, int n,
                       int width, float scale, float *scores, float *out);
    /* Rows to unsigned 8 bit (value = (q - zero) * scale) and to bf16, for GEMM_I8 and GEMM_BF16.
     * With [low, high] a row's range, widened to hold 0: scale = (high - low) / 255, zero =
     * rint(-low * f), q = rint(x * f) + zero, at most 255, with f = 255 / (high - low), or 0 if the
     * range is below 1e-36. So rows of one sign, as GELU and softmax leave them, use all 8 bits. All
     * versions give the same bits. bf16: nearest even. */
    void (*quantise_u8)(const float *x, size_t x_stride, int n_rows, int n_cols, uint8_t *q,
                        size_t q_stride, struct quant_row *row);
    void (*convert_bf16)(const float *x, size_t x_stride, int n_rows, int n_cols, uint16_t *y,
                         size_t y_stride);
};

/* Fills `ops` with the plain C versions, then (unless `reference`) with the best this machine's
 * cpu_flags() allow. */
void ops_select(struct ops *ops, bool reference);
void ops_init_ref(struct ops *ops);

/* Bytes of a packed n x k matrix, and of one thread's scratch for products with K <= k_max. */
size_t gemm_packed_bytes(const struct gemm_kernel *kernel, enum gemm_format format, int n, int k);
size_t gemm_scratch_bytes(const struct gemm_kernel *kernel, enum gemm_format format, int k_max);

#endif
