/* Peak loops, neondot. */
#include "cpu/simd_neon.h"
#include "cpu/dot_neondot.h"
#define PEAK_DOT
#include "cpu/peak_impl.h"
#include "cpu/peak.h"

double peak_dot_neondot(void)
{
    return peak_dot();
}
