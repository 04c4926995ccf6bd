/*
 * The model store: a folder with one folder per model, named as people ask for it ("base",
 * "tiny.en", "silero-vad"). Linked into programs only.
 */
#ifndef FETCH_STORE_H
#define FETCH_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { STORE_PATH_SIZE = 4096 };

/* The store's folder (base/datadir.h has the rule). It need not exist. ENOENT, EINVAL. */
int store_path(char *dst, size_t size);

/* Path of the Silero VAD weights in the store, there or not. ENOENT, EINVAL. */
int store_vad_path(char *dst, size_t size);

/*
 * Path of the model that `name_or_path` means: itself if it has a slash; else the folder of that
 * name (or of the name it is another name for, as "large") in the store; else itself if it exists as
 * file or folder. So "./base" is a folder here, "base" the model. Errors: NOENT, with a text that says `sotto model fetch NAME` for a known name and lists
 * names that look alike for others; INVAL (empty, or the path is too long).
 */
int store_resolve(const char *name_or_path, char *dst, size_t size, struct sotto_diag *diag);

/* Is the model of this name complete in the store? */
bool store_has(const char *name);

#endif
