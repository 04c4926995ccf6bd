/* Peak loops, neon. */
#include "cpu/simd_neon.h"
#include "cpu/dot_madd16.h"
#define PEAK_DOT
#include "cpu/peak_impl.h"
#include "cpu/peak.h"

double peak_float_neon(void)
{
    return peak_float();
}

double peak_dot_neon(void)
{
    return peak_dot();
}
