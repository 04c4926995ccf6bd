/* SHA-256 of a file, as 64 lower-case hex digits. */
#ifndef FETCH_SHA256_H
#define FETCH_SHA256_H

#include "base/error.h"

enum { SHA256_HEX = 65 }; // with the NUL

int sha256_file(const char *path, char hex[SHA256_HEX], struct sotto_diag *diag);

#endif
