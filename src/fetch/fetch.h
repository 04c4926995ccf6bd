/* Getting a model into the store. */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "fetch/models.h"
#include "fetch/site.h"

struct fetch_options { // fetch_options_init, then change
    struct site site;
    int hub_timeout_ms;  // to connect to the hub, default 5000: not everyone reaches it
    int n_retries;       // without progress, default 5
    int retry_wait_ms;   // before the first of them, default 500
    int stall_timeout_s; // default 30
    void *user;
    bool (*should_abort)(void *user); // polled; NULL: never
    /* Bytes of the file being fetched; total < 0: unknown. NULL: not wanted. */
    void (*on_progress)(void *user, const char *file, int64_t done, int64_t total);
    /* Sentences worth telling: another source is tried, no checksum is known. NULL: not wanted. */
    void (*on_note)(void *user, const char *text);
};

void fetch_options_init(struct fetch_options *opt);

/*
 * Gets model `name` into the store, unless it is there (then nothing is asked of the network).
 * Downloads go to the store's .fetch folder and are continued after an interruption; the model
 * appears under its name only when all its files are complete and their checksums match. Two fetches
 * of one model wait for each other. `path` (of `path_size` bytes, may be NULL) gets its folder.
 * Errors: NOENT (no such name, no store), NETWORK, CHECKSUM, NOSPACE, ACCESS, IO, ABORTED, NOMEM.
 */
int fetch_model(const char *name, const struct fetch_options *opt, char *path, size_t path_size,
                struct sotto_diag *diag);

/* The same with a row that need not be in the table. */
int fetch_row(const struct fetch_model *model, const struct fetch_options *opt, char *path,
              size_t path_size, struct sotto_diag *diag);

/* Does this folder hold all files of one of the model's sources, in the right sizes? */
bool fetch_is_complete(const struct fetch_model *model, const char *folder);

#endif
