/* A file mapped read-only. */
#ifndef BASE_MAPFILE_H
#define BASE_MAPFILE_H

#include "base/error.h"

struct mapfile {
    const uint8_t *data; // NULL when empty or not open
    size_t size;         // bytes
};

/* Maps `path`. Errors: NOENT, ACCESS, IO (also for folders and devices), NOMEM. */
int mapfile_open(struct mapfile *out, const char *path, struct sotto_diag *diag);
/* Tells the system that these bytes are not needed soon (the packed copy has replaced them). */
void mapfile_release(const struct mapfile *map, const void *start, size_t size);
void mapfile_close(struct mapfile *map);

#endif
