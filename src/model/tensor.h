/* A borrowed tensor in a model file, of any weight type the readers know. */
#ifndef MODEL_TENSOR_H
#define MODEL_TENSOR_H

#include <stdint.h>
#include <stddef.h>

/* Block types (Q...) hold 32 weights of one row per block, as ggml lays them out. */
enum tensor_type {
    TENSOR_F32 = 0,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_I8,  // with one fp32 scale per row: value = q / scale (CTranslate2's rule)
    TENSOR_I16, // with one fp32 scale: value = q / scale
    TENSOR_Q8_0,
    TENSOR_Q5_0,
    TENSOR_Q5_1,
    TENSOR_Q4_0,
    TENSOR_Q4_1,
    TENSOR_TYPE_COUNT
};

struct tensor {
    const void *data;   // NULL: absent (a bias the model does not have). NOTE: at any address
    const float *scale; // I8: one per row; I16: one. Else NULL
    enum tensor_type type;
    int n_dim;      // 1..3
    int32_t dim[3]; // outermost first; the last varies fastest in memory
};

/* Elements in all; rows = product of all dims but the last (1 for vectors). */
size_t tensor_n_elements(const struct tensor *t);
size_t tensor_n_rows(const struct tensor *t);
size_t tensor_row_bytes(const struct tensor *t);

/* Rows [row, row + n_rows) as fp32, n_rows x dim[last], exact for F32, F16, BF16. */
void tensor_read_rows(const struct tensor *t, size_t row, size_t n_rows, float *dst);

/* A view of rows [row, row + n_rows) of a 2-D tensor (or elements of a 1-D one). */
struct tensor tensor_slice_rows(const struct tensor *t, size_t row, size_t n_rows);

/* Elements that are stored together: 32 for block types, else 1. Rows hold a multiple of it. */
int tensor_type_unit(enum tensor_type type);

const char *tensor_type_name(enum tensor_type type); // "fp16", "q8_0", ...

#endif
