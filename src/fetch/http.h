/* Fetching one address, into memory or into a file, over an unreliable network. */
#ifndef FETCH_HTTP_H
#define FETCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "fetch/site.h"

struct http_options {
    const struct site *site;   // certificates
    int connect_timeout_ms;    // 0: 15 s
    int stall_timeout_s;       // give up when this long nothing comes; 0: 30 s
    int n_retries;             // after failures in a row without progress
    int retry_wait_ms;         // before the first retry, doubled each time
    bool (*should_abort)(void *user); // polled; NULL: never
    void (*on_progress)(void *user, int64_t done, int64_t total); // total < 0: unknown
    void *user;
};

/* What the server said of a file. */
struct http_info {
    long status;      // of the last answer; 0: none came
    int64_t size;     // X-Linked-Size, 0 if not stated
    char sha256[65];  // X-Linked-ETag if it is a SHA-256, else ""
    char url[2048];   // after redirects
    char type[128];   // content type, "" if not stated
};

/* Whole body, at most `max` bytes, with a NUL added; *out is the caller's (free). `accept`: value of
 * that header, NULL: any. Errors: NETWORK, ABORTED, NOMEM. `info` may be NULL. */
int http_get(const char *url, const char *accept, size_t max, char **out, size_t *size,
             const struct http_options *opt, struct http_info *info, struct sotto_diag *diag);

/* Downloads to `path`, continuing what is already there if `resume`. `size` > 0: the file's size;
 * any other is an error. A file that is complete is not asked for again. On failure what came is
 * kept for the next time, unless the server sent more than `size`.
 * Errors: NETWORK, ABORTED, NOSPACE, IO, ACCESS, NOMEM. */
int http_download(const char *url, const char *path, int64_t size, bool resume,
                  const struct http_options *opt, struct http_info *info, struct sotto_diag *diag);

/* `ref`, which may be relative, as seen from `base`. EINVAL if it is no address. */
int http_resolve(const char *base, const char *ref, char *dst, size_t size);

#endif
