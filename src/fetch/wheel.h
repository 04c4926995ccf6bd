/* Wheels: finding one in a package index, and taking members out of it. */
#ifndef FETCH_WHEEL_H
#define FETCH_WHEEL_H

#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "fetch/http.h"

struct wheel {
    char file_name[256];
    char url[2048];
    char sha256[65]; // "" if the index does not say
    int64_t size;    // 0 if the index does not say
};

/* The wheel of `package` (any spelling) `version` in the index of opt->site. Errors: NETWORK (also
 * when the answer is no index or does not have it), ABORTED, NOMEM. */
int wheel_find(struct wheel *out, const char *package, const char *version,
               const struct http_options *opt, struct sotto_diag *diag);

/* The same from an index page already fetched; `url` is its address. For tests. */
int wheel_find_in(struct wheel *out, const char *package, const char *version, const char *page,
                  size_t size, const char *url, struct sotto_diag *diag);

/* Appends `member` of the wheel at `path` to `dst`, at most `max` bytes. Errors: CHECKSUM (not a
 * readable archive, no such member, too large, or its CRC is wrong), NOSPACE, IO, NOMEM. */
int wheel_extract(const char *path, const char *member, FILE *dst, int64_t max,
                  struct sotto_diag *diag);

#endif
