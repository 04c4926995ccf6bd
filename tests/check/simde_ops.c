#include "check/simde.h"

#ifdef SOTTO_SIMDE
#include "cpu/ops_avx512.c"
#endif
