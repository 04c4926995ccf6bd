/* The folder in which a model grows before it is renamed into the store. */
#ifndef FETCH_STAGING_H
#define FETCH_STAGING_H

#include <stdint.h>

#include "base/error.h"
#include "fetch/fetch.h"

/* Makes STORE/.fetch/NAME-K. `folder` has STORE_PATH_SIZE bytes. */
int staging_open(const char *store, const char *name, int k, char *folder, struct sotto_diag *diag);

/* FOLDER/FILE and FOLDER/FILE.partial, of STORE_PATH_SIZE bytes each. */
int staging_paths(const char *folder, const char *file, char *whole, char *partial,
                  struct sotto_diag *diag);

int64_t staging_size(const char *path);          // bytes, -1 if it is not there
int64_t staging_folder_size(const char *folder); // of the files in it

/* Compares size and SHA-256, as far as they are known. ECHECKSUM, EIO. */
int staging_check(const char *path, const struct fetch_file *file, struct sotto_diag *diag);

/* A checked file gets its name. */
int staging_accept(const char *partial, const char *whole, struct sotto_diag *diag);

/* Writes everything to the disk, then renames the folder into the store. */
int staging_publish(const char *folder, const char *target, struct sotto_diag *diag);

/* Removes what all sources of a model have left. */
void staging_remove(const char *store, const char *name);

/* Waits for the lock of a model, telling so by on_note; `*fd` is to be closed. ABORTED, ACCESS. */
int staging_lock(const char *store, const char *name, const struct fetch_options *opt, int *fd,
                 struct sotto_diag *diag);

#endif
