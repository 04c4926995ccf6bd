/* Peak loops, neonbf16. */
#include "cpu/simd_neon.h"
#include "cpu/dot_neonbf16.h"
#define PEAK_DOT
#include "check/peak_impl.h"
#include "check/peak.h"

double peak_dot_neonbf16(void)
{
    return peak_dot();
}
