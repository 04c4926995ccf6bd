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
#include "model/safetensors.h"

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

/* ---- Hugging Face ---------------------------------------------------------------------------- */

static const char index_name[] = "model.safetensors.index.json";

static int map_shards(struct opening *o, const char *folder, struct hf_files *f)
{
    struct blob index = {0};
    char *names[MODEL_MAX_FILES];
    int n;
    if (exists(folder, "model.safetensors")) {
        f->n_shards = 1;
        return map_file(o, folder, "model.safetensors", &f->shard[0]);
    }
    int err = map_file(o, folder, index_name, &index);
    if (!err)
        err = hf_shard_names(&index, names, &n, o->diag);
    if (err)
        return err;
    for (int i = 0; i < n; i++) {
        if (!err)
            err = map_file(o, folder, names[i], &f->shard[f->n_shards++]);
        mem_free(names[i]);
    }
    return err;
}

static int open_hf(struct opening *o, const char *folder)
{
    struct hf_files f = {0};
    int err = map_file(o, folder, "config.json", &f.config);
    if (!err)
        err = map_if_there(o, folder, "generation_config.json", &f.generation_config);
    if (!err)
        err = map_if_there(o, folder, "vocab.json", &f.vocab);
    if (!err)
        err = map_if_there(o, folder, "added_tokens.json", &f.added_tokens);
    if (!err && !f.vocab.data)
        err = map_if_there(o, folder, "tokenizer.json", &f.tokenizer_json);
    if (!err)
        err = map_shards(o, folder, &f);
    return err ? err : hf_read(o->m, &f, o->diag);
}

/* ---- what is it? ----------------------------------------------------------------------------- */

/* Says what a file is that is none of ours. */
static int refuse(struct opening *o, const char *path, const struct blob *file)
{
    const char *what =
        "not a Whisper model in a format this program knows (a CTranslate2 or Hugging "
        "Face folder, or a whisper.cpp file)";
    if (file->size >= 4 && memcmp(file->data, "GGUF", 4) == 0)
        what = "a GGUF file; whisper.cpp's own format (ggml-*.bin) is needed";
    else if (file->size >= 4 && memcmp(file->data, "PK\3\4", 4) == 0)
        what = "a PyTorch file; convert it first, with ct2-transformers-converter or whisper.cpp's "
               "convert-pt-to-ggml.py";
    return diag_set(o->diag, SOTTO_EUNSUPPORTED, path, "%s: %s", path, what);
}

/* The one whisper.cpp file in `folder`: 1 with its name, or 0. */
static int find_ggml(const char *folder, char name[256])
{
    DIR *dir = opendir(folder);
    int found = 0;
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name);
        char path[PATH_SIZE];
        uint8_t magic[4];
        if (n < 4 || strcmp(e->d_name + n - 4, ".bin") != 0 || !exists(folder, e->d_name) ||
            !join_path(path, folder, e->d_name))
            continue;
        FILE *f = fopen(path, "rb");
        if (f && fread(magic, sizeof magic, 1, f) == 1 && ggml_detect(magic, sizeof magic)) {
            found++;
            snprintf(name, 256, "%s", e->d_name);
        }
        if (f)
            fclose(f);
    }
    if (dir)
        closedir(dir);
    return found == 1;
}

static int open_file(struct opening *o, const char *path);

static int open_folder(struct opening *o, const char *folder)
{
    struct blob model = {0};
    char name[256], path[PATH_SIZE];
    int err = 0;
    if (exists(folder, "model.bin"))
        err = map_file(o, folder, "model.bin", &model);
    if (err)
        return err;
    if (model.data && ct2_detect(model.data, model.size))
        return open_ct2(o, folder, &model);
    if (exists(folder, "model.safetensors") || exists(folder, index_name))
        return open_hf(o, folder);
    if (find_ggml(folder, name) && join_path(path, folder, name))
        return open_file(o, path);
    if (exists(folder, "pytorch_model.bin") || exists(folder, "pytorch_model.bin.index.json"))
        return diag_set(o->diag, SOTTO_EUNSUPPORTED, folder,
                        "%s: the weights are a pytorch_model.bin, which only PyTorch can read "
                        "safely; load the model with transformers and save_pretrained it with "
                        "safe_serialization=True, or convert it with ct2-transformers-converter",
                        folder);
    if (model.data)
        return refuse(o, model.name, &model);
    return diag_set(o->diag, SOTTO_EMODEL, folder,
                    "%s: no model in this folder (neither model.bin, model.safetensors nor one "
                    "ggml-*.bin)",
                    folder);
}

/* A file inside a folder that is the model as a whole. */
static int open_parent(struct opening *o, const char *path)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    if (!slash)
        return open_folder(o, ".");
    if ((size_t)(slash - path) >= sizeof folder)
        return diag_set(o->diag, SOTTO_EINVAL, path, "%s: the path is too long", path);
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = 0;
    return open_folder(o, slash == path ? "/" : folder);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static int open_file(struct opening *o, const char *path)
{
    struct blob file;
    int err = map_path(o, path, &file);
    if (err)
        return err;
    if (ggml_detect(file.data, file.size))
        return ggml_read(o->m, &file, o->diag);
    bool part = (ends_with(path, "model.bin") && ct2_detect(file.data, file.size)) ||
                (ends_with(path, ".safetensors") && safetensors_detect(file.data, file.size));
    return part ? open_parent(o, path) : refuse(o, path, &file);
}

static int open_path(struct opening *o, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return diag_errno(o->diag, errno, path, "open");
    return S_ISDIR(st.st_mode) ? open_folder(o, path) : open_file(o, path);
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
