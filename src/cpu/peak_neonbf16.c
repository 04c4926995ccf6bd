/* Peak loops, neonbf16. */
#include "cpu/simd_neon.h"
#include "cpu/dot_neonbf16.h"
#define PEAK_DOT
#include "cpu/peak_impl.h"
#include "cpu/peak.h"

double peak_dot_neonbf16(void)
{
    return peak_dot();
}
