/*
 * Drawing a token from softmax(logits / temperature), from a seeded stream of random numbers: the
 * same seed and stream give the same tokens on every machine with the same kernels.
 * Generator: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
 * 2014).
 */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include "engine/rules.h"

struct sampler {
    uint64_t state;
};

/* Streams of one seed are independent of each other. */
void sampler_seed(struct sampler *s, uint64_t seed, uint64_t stream);
uint64_t sampler_next(struct sampler *s);
double sampler_uniform(struct sampler *s); // [0, 1), 53 bits

/* A token allowed in `row` (row->best >= 0), with probability softmax(logit / temperature).
 * `scratch`: V floats. Below 1e-4 the temperature counts as 0: always row->best. */
int32_t sampler_draw(struct sampler *s, const struct rules_row *row, double temperature,
                     const struct ops *ops, float *scratch);

#endif
