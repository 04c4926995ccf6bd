/* Peak loops, avx512vnni. */
#include "cpu/simd_avx512.h"
#include "cpu/dot_vpdpbusd.h"
#define PEAK_DOT
#include "cpu/peak_impl.h"
#include "cpu/peak.h"

double peak_dot_avx512vnni(void)
{
    return peak_dot();
}
