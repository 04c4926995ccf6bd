/* Files of numbers captured on silicon; see kernels.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "npu/kernels/kernels.h"

enum { LINE = 2048, ROWS_MAX = 4096 };

/* n hex numbers of `digits`, one behind the other. */
static bool hex(const char **text, unsigned digits, unsigned n, uint32_t *out)
{
    for (unsigned i = 0; i < n; i++, *text += digits) {
        char word[9] = {0}, *end;
        if (strnlen(*text, digits) < digits) {
            return false;
        }
        memcpy(word, *text, digits);
        out[i] = (uint32_t)strtoul(word, &end, 16);
        if (*end) {
            return false;
        }
    }
    return true;
}

/* Takes the lines that are no comments. */
typedef bool (*take_line)(struct kernel_captures *c, const char *line);

static bool take_tile(struct kernel_captures *c, const char *line)
{
    uint32_t words[64];
    if (!hex(&line, 4, 32, words) || *line++ != ',' || !hex(&line, 4, 32, words + 32)) {
        return false;
    }
    for (unsigned i = 0; i < 32; i++) {
        c->a[c->n_tiles][i] = (uint16_t)words[i];
        c->b[c->n_tiles][i] = (uint16_t)words[i + 32];
    }
    return c->n_tiles++ < ROWS_MAX - 1;
}

static bool take_f32(struct kernel_captures *c, const char *line)
{
    return hex(&line, 8, 1, &c->f32[c->n_f32]) && *line == ',' && c->n_f32++ < ROWS_MAX - 1;
}

static int read_lines(struct kernel_captures *c, const char *folder, const char *name,
                      take_line take, struct sotto_diag *diag)
{
    char path[4096], line[LINE];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path) {
        return diag_set(diag, SOTTO_EINVAL, NULL, "the folder's name is too long");
    }
    FILE *f = fopen(path, "r");
    if (!f) {
        return diag_errno(diag, errno, path, "open");
    }
    int err = SOTTO_OK;
    for (int n = 1; !err && fgets(line, sizeof line, f); n++) {
        if (*line != '#' && !take(c, line)) {
            err = diag_set_at(diag, SOTTO_ESYNTAX, path, n, 1, "these are no captured numbers");
        }
    }
    fclose(f);
    return err;
}

int kernel_captures_open(struct kernel_captures **out, const char *folder, struct sotto_diag *diag)
{
    struct kernel_captures *c = mem_calloc(1, sizeof *c);
    if (c) {
        c->a = mem_calloc(ROWS_MAX, sizeof *c->a);
        c->b = mem_calloc(ROWS_MAX, sizeof *c->b);
        c->f32 = mem_calloc(ROWS_MAX, sizeof *c->f32);
    }
    int err = c && c->a && c->b && c->f32 ? SOTTO_OK
                                          : diag_set(diag, SOTTO_ENOMEM, NULL, "out of memory");
    err = err ? err : read_lines(c, folder, "mac_bf16.csv", take_tile, diag);
    err = err ? err : read_lines(c, folder, "f32_to_bf16.csv", take_f32, diag);
    if (!err && (!c->n_tiles || !c->n_f32)) {
        err = diag_set(diag, SOTTO_ESYNTAX, folder, "%s: no captured numbers", folder);
    }
    if (err) {
        kernel_captures_close(&c);
        return err;
    }
    *out = c;
    return SOTTO_OK;
}

void kernel_captures_close(struct kernel_captures **captures)
{
    if (captures && *captures) {
        mem_free((*captures)->a);
        mem_free((*captures)->b);
        mem_free((*captures)->f32);
        mem_free(*captures);
        *captures = NULL;
    }
}
