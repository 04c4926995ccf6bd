/* Finding models in the store; see store.h. What fills it is fetch.c. */
#include "fetch/store.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/datadir.h"
#include "fetch/models.h"

int store_path(char *dst, size_t size)
{
    return datadir_models(dst, size);
}

int store_vad_path(char *dst, size_t size)
{
    return datadir_vad(dst, size);
}

static int write_path(char *dst, size_t size, const char *path, struct sotto_diag *diag)
{
    if (strlen(path) >= size)
        return diag_set(diag, SOTTO_EINVAL, path, "The path is too long: %s.", path);
    strcpy(dst, path);
    return 0;
}

// Models are renamed into place when complete, so a folder that is there is whole.
static int path_in_store(const char *name, char *dst, size_t size)
{
    char store[STORE_PATH_SIZE];
    int err = store_path(store, sizeof store);

    if (!err && snprintf(dst, size, "%s/%s", store, name) >= (int)size)
        err = SOTTO_EINVAL;
    return err;
}

bool store_has(const char *name)
{
    char path[STORE_PATH_SIZE];
    const struct fetch_model *m = fetch_find(name);

    return path_in_store(m ? m->name : name, path, sizeof path) == 0 && access(path, R_OK) == 0;
}

static int unknown_name(const char *name, struct sotto_diag *diag)
{
    const char *near[4];
    char list[256] = "";
    int n = fetch_near_names(name, near, 4);

    for (int i = 0; i < n; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", near[i]);
    }
    if (n > 0)
        return diag_set(diag, SOTTO_ENOENT, name,
                        "No model \"%s\": there is no such file or folder, and no model of that "
                        "name. Did you mean %s? `sotto model list` shows all names.",
                        name, list);
    return diag_set(diag, SOTTO_ENOENT, name,
                    "No model \"%s\": there is no such file or folder, and no model of that name. "
                    "`sotto model list` shows all names.",
                    name);
}

int store_resolve(const char *name, char *dst, size_t size, struct sotto_diag *diag)
{
    char path[STORE_PATH_SIZE];
    const struct fetch_model *m = fetch_find(name);

    if (!*name)
        return diag_set(diag, SOTTO_EINVAL, NULL, "The model's name is empty.");
    if (strchr(name, '/'))
        return write_path(dst, size, name, diag);
    // The store first: a folder "base" that happens to be here is rarely meant.
    if (path_in_store(m ? m->name : name, path, sizeof path) == 0 && access(path, F_OK) == 0)
        return write_path(dst, size, path, diag);
    if (access(name, F_OK) == 0)
        return write_path(dst, size, name, diag);
    if (m)
        return diag_set(diag, SOTTO_ENOENT, name,
                        "The model \"%s\" is not on this machine yet. Get it (about %d MB) with: "
                        "sotto model fetch %s",
                        name, m->size_mb, m->name);
    return unknown_name(name, diag);
}
