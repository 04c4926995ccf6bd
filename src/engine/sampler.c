/*
 * Random numbers and the draw.
 */
#include "engine/sampler.h"

#include <assert.h>
#include <math.h>
#include <string.h>

uint64_t sampler_next(struct sampler *s)
{
    uint64_t z = s->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void sampler_seed(struct sampler *s, uint64_t seed, uint64_t stream)
{
    struct sampler a = {seed}, b = {~stream};
    s->state = sampler_next(&a) ^ sampler_next(&b);
}

double sampler_uniform(struct sampler *s)
{
    return (double)(sampler_next(s) >> 11) * 0x1p-53;
}

enum { BLOCK = 256 };

/* Sum of n <= BLOCK probabilities; eight chains, so that it is not one long wait for additions. */
static double sum_block(const float *p, int n)
{
    float part[8] = {0};
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            part[j] += p[i + j];
    double all = 0;
    for (; i < n; i++)
        all += p[i];
    for (int j = 0; j < 8; j++)
        all += part[j];
    return all;
}

static int block_size(int i, int n)
{
    return n - i < BLOCK ? n - i : BLOCK;
}

static double sum(const float *p, int n)
{
    double all = 0;
    for (int i = 0; i < n; i += BLOCK)
        all += sum_block(p + i, block_size(i, n));
    return all;
}

/* Index at which the running sum of p passes `target` < sum(p, n). Skips whole blocks first. */
static int find(const float *p, int n, double target)
{
    double passed = 0;

    for (int i = 0; i < n; i += BLOCK) {
        int size = block_size(i, n), last = -1;
        double block = sum_block(p + i, size);
        if (passed + block <= target) {
            passed += block;
            continue;
        }
        for (int j = 0; j < size && passed <= target; j++) {
            if (p[i + j] <= 0)
                continue;
            last = i + j;
            passed += p[i + j];
        }
        return last; // if rounding kept the sum below: the last possible one of the block
    }
    return -1;
}

int32_t sampler_draw(struct sampler *s, const struct rules_row *row, double temperature,
                     const struct ops *ops, float *scratch)
{
    int n_text = row->end[0] - row->begin[0], n_time = row->end[1] - row->begin[1];
    int n = n_text + n_time;
    double uniform = sampler_uniform(s);

    assert(row->best >= 0 && n > 0);
    if (temperature < 1e-4)
        return row->best;
    memcpy(scratch, row->logits + row->begin[0], (size_t)n_text * sizeof *scratch);
    memcpy(scratch + n_text, row->logits + row->begin[1], (size_t)n_time * sizeof *scratch);
    ops->softmax_f32(scratch, (size_t)n, 1, n, (float)(1 / temperature));

    double total = sum(scratch, n);
    int i = isfinite(total) && total > 0 ? find(scratch, n, uniform * total) : -1;
    if (i < 0)
        return row->best;
    return i < n_text ? row->begin[0] + i : row->begin[1] + i - n_text;
}
