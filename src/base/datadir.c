/*
 * Where models live: the XDG Base Directory Specification's data folder, unless SOTTO_MODELS says
 * otherwise.
 */
#include "base/datadir.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int write_path(char *dst, size_t size, const char *fmt, ...)
{
    va_list args;
    char path[4096];

    va_start(args, fmt);
    int n = vsnprintf(path, sizeof path, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof path || (size_t)n >= size)
        return SOTTO_EINVAL;
    snprintf(dst, size, "%s", path);
    return 0;
}

int datadir_models(char *dst, size_t size)
{
    const char *store = environment("SOTTO_MODELS"), *data = environment("XDG_DATA_HOME");
    const char *home = environment("HOME");

    if (store)
        return write_path(dst, size, "%s", store);
    if (data && data[0] == '/') // the specification: a relative path is invalid, ignore it
        return write_path(dst, size, "%s/sotto/models", data);
    if (home)
        return write_path(dst, size, "%s/.local/share/sotto/models", home);
    return SOTTO_ENOENT;
}

int datadir_vad(char *dst, size_t size)
{
    char store[4096];
    int err = datadir_models(store, sizeof store);

    return err ? err : write_path(dst, size, "%s/silero-vad/silero_vad_16k.safetensors", store);
}
