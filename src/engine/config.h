/* A transcriber's options, checked, copied and turned into tokens. Immutable once open. */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include <string.h>

#include "base/error.h"
#include "engine/search.h"
#include "model/model.h"

enum {
    CONFIG_MAX_TEMPERATURES = 64,
    CONFIG_BATCH_DEFAULT = 8,
    CONFIG_BATCH_MAX = 64,
    CONFIG_GROUP_MAX = 16, // beams or samples
};

struct config_tokens {
    int32_t *ids; // owned
    int n;
};

/* memcpy that allows NULL when there is nothing to copy. */
static inline void config_copy_ids(int32_t *dst, const int32_t *src, int n)
{
    if (n > 0)
        memcpy(dst, src, (size_t)n * sizeof *dst);
}

struct config {
    struct sotto_options opt; // strings and clips are our own copies
    int language;             // index of the language table, -1: detect
    double temperatures[CONFIG_MAX_TEMPERATURES];
    int n_temperatures;
    struct config_tokens initial_prompt, hotwords, prefix, suppress;
    struct search_params search; // of the first temperature; suppress borrowed from above
    bool force_sequential;       // an option that only the sequential mode can honour
    char *strings[8];            // owned copies
    int n_strings;
};

/* Errors: INVAL (the text names option and range), LANGUAGE, UNSUPPORTED, NOMEM. */
int config_open(struct config **out, const struct sotto_options *opt, const struct model *model,
                struct sotto_diag *diag);
void config_close(struct config **config);

/* The stretch of the recording that the clips lie in: 0 and HUGE_VAL without clips. */
double config_start_s(const struct config *c);
double config_end_s(const struct config *c);
/* Seconds of a recording of `length_s` that are asked for: of the clips, or all of it. */
double config_asked_s(const struct config *c, double length_s);

/* Search parameters at one temperature: beams only at 0, samples only above. */
struct search_params config_search(const struct config *c, double temperature, uint64_t window);

#endif
