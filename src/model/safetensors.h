/* The safetensors container: a JSON header of named tensors, then their bytes. */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include "model/reader.h"

struct json_t;

/* Adds every tensor of `file` to `dir`. Names are borrowed from `*header`, which the caller
 * releases with json_decref after the directory (also on failure; it may be NULL).
 * Errors: MODEL, NOMEM. */
int safetensors_read(struct dir *dir, const struct blob *file, struct json_t **header,
                     struct sotto_diag *diag);
bool safetensors_detect(const uint8_t *data, size_t size);

#endif
