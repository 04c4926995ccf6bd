/* Peak loops, sse2. */
#include "cpu/simd_sse2.h"
#include "cpu/dot_madd16.h"
#define PEAK_DOT
#include "cpu/peak_impl.h"
#include "cpu/peak.h"

double peak_float_sse2(void)
{
    return peak_float();
}

double peak_dot_sse2(void)
{
    return peak_dot();
}
