/*
 * Opening a model: which files a path means, which format they are in, and mapping them. What the
 * bytes mean is in the readers (ct2.c, ggml.c, hf.c).
 */
#include "model/model.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "model/reader.h"

enum { PATH_SIZE = 4096 };

struct opening {
    struct model *m;
    struct sotto_diag *diag;
    char *names[MODEL_MAX_FILES + 8]; // paths of mapped files, for messages
    int n_names;
};

/* ---- files ----------------------------------------------------------------------------------- */

static int fail_memory(struct opening *o, const char *path)
{
    return diag_set(o->diag, SOTTO_ENOMEM, path, "%s: out of memory", path);
}

static bool join_path(char dst[PATH_SIZE], const char *folder, const char *name)
{
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/')
        n--;
    return snprintf(dst, PATH_SIZE, "%.*s/%s", (int)n, folder, name) < PATH_SIZE;
}

static bool exists(const char *folder, const char *name)
{
    char path[PATH_SIZE];
    struct stat st;
    return join_path(path, folder, name) && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Maps `path` and hands it to the model. */
static int map_path(struct opening *o, const char *path, struct blob *out)
{
    if (o->m->n_files == MODEL_MAX_FILES)
        return diag_set(o->diag, SOTTO_EUNSUPPORTED, path, "%s: a model of more than %d files",
                        path, MODEL_MAX_FILES);
    char *name = mem_strdup(path);
    if (!name)
        return fail_memory(o, path);
    o->names[o->n_names++] = name;
    struct mapfile *map = &o->m->files[o->m->n_files];
    int err = mapfile_open(map, path, o->diag);
    if (err)
        return err;
    o->m->n_files++;
    if (map->size == 0)
        return diag_set(o->diag, SOTTO_EMODEL, path, "%s: the file is empty", path);
    *out = (struct blob){name, map->data, map->size};
    return 0;
}

static int map_file(struct opening *o, const char *folder, const char *name, struct blob *out)
{
    char path[PATH_SIZE];
    if (!join_path(path, folder, name))
        return diag_set(o->diag, SOTTO_EINVAL, folder, "%s: the path is too long", folder);
    return map_path(o, path, out);
}

static int map_if_there(struct opening *o, const char *folder, const char *name, struct blob *out)
{
    return exists(folder, name) ? map_file(o, folder, name, out) : 0;
}

/* ---- CTranslate2 ----------------------------------------------------------------------------- */

static int open_ct2(struct opening *o, const char *folder, const struct blob *model)
{
    struct ct2_files f = {.model = *model};
    int err = map_if_there(o, folder, "vocabulary.json", &f.vocabulary_json);
    if (!err && !f.vocabulary_json.data)
        err = map_if_there(o, folder, "vocabulary.txt", &f.vocabulary_text);
    if (!err && !f.vocabulary_json.data && !f.vocabulary_text.data)
        err = map_if_there(o, folder, "tokenizer.json", &f.tokenizer_json);
    if (!err)
        err = map_if_there(o, folder, "config.json", &f.config);
    return err ? err : ct2_read(o->m, &f, o->diag);
}

/* ---- what is it? ----------------------------------------------------------------------------- */

static int open_folder(struct opening *o, const char *folder)
{
    struct blob model = {0};
    int err = map_if_there(o, folder, "model.bin", &model);
    if (err)
        return err;
    if (model.data && ct2_detect(model.data, model.size))
        return open_ct2(o, folder, &model);
    return diag_set(o->diag, SOTTO_EMODEL, folder,
                    "%s: no model found in this folder (looked for model.bin)", folder);
}

static int open_path(struct opening *o, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return diag_errno(o->diag, errno, path, "open");
    if (S_ISDIR(st.st_mode))
        return open_folder(o, path);
    return diag_set(o->diag, SOTTO_EUNSUPPORTED, path, "%s: not a known model format", path);
}

/* ---- public ---------------------------------------------------------------------------------- */

int model_own(struct model *m, void *memory)
{
    if ((size_t)m->n_owned == sizeof m->owned / sizeof m->owned[0]) {
        mem_free(memory);
        return SOTTO_ENOMEM;
    }
    m->owned[m->n_owned++] = memory;
    return 0;
}

int model_open(struct model **out, const char *path, struct sotto_diag *diag)
{
    struct opening o = {.diag = diag};
    o.m = mem_calloc(1, sizeof *o.m);
    if (!o.m)
        return fail_memory(&o, path);
    int err = open_path(&o, path);
    for (int i = 0; i < o.n_names; i++)
        mem_free(o.names[i]);
    if (err)
        model_close(&o.m);
    else
        *out = o.m;
    return err;
}

void model_close(struct model **model)
{
    if (!model || !*model)
        return;
    struct model *m = *model;
    tokenizer_close(&m->tokenizer);
    for (int i = 0; i < m->n_files; i++)
        mapfile_close(&m->files[i]);
    for (int i = 0; i < m->n_owned; i++)
        mem_free(m->owned[i]);
    mem_free(m);
    *model = NULL;
}
