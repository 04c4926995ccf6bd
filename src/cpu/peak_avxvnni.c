/* Peak loops, avxvnni. */
#include "cpu/simd_avx2.h"
#define VPDPBUSD_VEX
#include "cpu/dot_vpdpbusd.h"
#define PEAK_DOT
#include "cpu/peak_impl.h"
#include "cpu/peak.h"

double peak_dot_avxvnni(void)
{
    return peak_dot();
}
