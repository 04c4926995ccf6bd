/* Peak loops, avxvnni. */
#include "cpu/simd_avx2.h"
#include "cpu/dot_avxvnni.h"
#define PEAK_DOT
#include "check/peak_impl.h"
#include "check/peak.h"

double peak_dot_avxvnni(void)
{
    return peak_dot();
}
