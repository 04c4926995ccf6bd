#include "check/simde.h"

#ifdef SOTTO_SIMDE
#include "cpu/gemm_i8_6x16_avx512vnni.c"
#endif
