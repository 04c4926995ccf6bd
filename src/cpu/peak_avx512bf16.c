/* Peak loops, avx512bf16. */
#include "cpu/simd_avx512.h"
#include "cpu/dot_avx512bf16.h"
#define PEAK_DOT
#include "cpu/peak_impl.h"
#include "cpu/peak.h"

double peak_dot_avx512bf16(void)
{
    return peak_dot();
}
