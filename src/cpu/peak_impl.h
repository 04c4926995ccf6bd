/*
 * Loops that do nothing but multiply and add in registers: the peak against which kernels are
 * measured. Included after a simd_<isa>.h, and a dot_<...>.h for peak_dot.
 */
#ifndef CPU_PEAK_IMPL_H
#define CPU_PEAK_IMPL_H

enum { PEAK_SUMS = 12, PEAK_STEPS = 20000 };

// Keeps the compiler from folding or dropping the loop; one instruction-free statement per vector.
#if defined(__x86_64__)
#define KEEP(v) __asm__ volatile("" : "+v"(v))
#else
#define KEEP(v) __asm__ volatile("" : "+w"(v))
#endif

/* Both return the operations done, a product and a sum being two. */
static inline double peak_float(void)
{
    vf acc[PEAK_SUMS] = {{0}}, a = v_set(0.5f), b = v_set(1.0f);

    _Pragma("GCC unroll 12") for (int j = 0; j < PEAK_SUMS; j++)
        KEEP(acc[j]); // else equal sums are made one
    for (int i = 0; i < PEAK_STEPS; i++) {
        KEEP(a);
        KEEP(b);
        _Pragma("GCC unroll 12") for (int j = 0; j < PEAK_SUMS; j++) acc[j] = v_fma(a, b, acc[j]);
    }
    _Pragma("GCC unroll 12") for (int j = 0; j < PEAK_SUMS; j++) KEEP(acc[j]);
    return 2.0 * PEAK_SUMS * PEAK_STEPS * VW;
}

#ifdef PEAK_DOT
static inline double peak_dot(void)
{
    dot_acc acc[PEAK_SUMS] = {{0}};
    vi a = v_set_i(0x01010101), b = v_set_i(0x01020304);

    _Pragma("GCC unroll 12") for (int j = 0; j < PEAK_SUMS; j++) KEEP(acc[j]);
    for (int i = 0; i < PEAK_STEPS; i++) {
        _Pragma("GCC unroll 12") for (int j = 0; j < PEAK_SUMS; j++)
        {
            KEEP(a);
            acc[j] = dot_step(acc[j], b, a);
        }
    }
    _Pragma("GCC unroll 12") for (int j = 0; j < PEAK_SUMS; j++) KEEP(acc[j]);
    return 2.0 * PEAK_SUMS * PEAK_STEPS * VW * DOT_GROUP;
}
#endif

#endif
