/* Peak loops, avx512. */
#include "cpu/simd_avx512.h"
#include "cpu/dot_maddubs.h"
#define PEAK_DOT
#include "cpu/peak_impl.h"
#include "cpu/peak.h"

double peak_float_avx512(void)
{
    return peak_float();
}

double peak_dot_avx512(void)
{
    return peak_dot();
}
