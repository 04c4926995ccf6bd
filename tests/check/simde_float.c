#include "check/simde.h"

#ifdef SOTTO_SIMDE
#include "cpu/gemm_avx512.c"
#endif
