#include "check/simde.h"

#ifdef SOTTO_SIMDE
#include "cpu/gemm_i8_avx512.c"
#endif
