/*
 * Runs a fuzz target over its corpus without libFuzzer and prints TAP: the program replay_x takes
 * the files of tests/fuzz/corpus/x, or those named on the command line. A crash, a sanitizer report
 * or a non-zero return is a failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FILES = 4096 };

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    // Exactly as many bytes as the file has, so that ASan sees a read past the end.
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    int err = size < 0 || !data || fread(data, 1, (size_t)size, f) != (size_t)size;
    fclose(f);
    if (!err)
        err = LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return err;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_corpus(const char *dir, char **paths)
{
    int n = 0;
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d && (e = readdir(d)) && n < MAX_FILES) {
        if (e->d_name[0] == '.')
            continue;
        if (asprintf(&paths[n], "%s/%s", dir, e->d_name) > 0)
            n++;
    }
    if (d)
        closedir(d);
    qsort(paths, (size_t)n, sizeof *paths, by_name);
    return n;
}

int main(int argc, char **argv)
{
    static char *listed[MAX_FILES];
    char **paths = argv + 1;
    int n = argc - 1, n_failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0); // so that the last file named before a crash is the culprit
    if (n == 0) {
        const char *name = strrchr(argv[0], '/');
        const char *stem = strstr(name ? name : argv[0], "replay_");
        char dir[4096];
        snprintf(dir, sizeof dir, "tests/fuzz/corpus/%s", stem ? stem + strlen("replay_") : "");
        n = list_corpus(dir, listed);
        paths = listed;
        printf("# corpus %s\n", dir);
    }
    if (n == 0) { // an empty corpus tests nothing: that is a failure, not a pass
        printf("1..1\nnot ok 1 - the corpus has files\n");
        return 1;
    }
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        printf("# %s\n", paths[i]);
        int err = replay(paths[i]);
        printf("%sok %d - %s\n", err ? "not " : "", i + 1, paths[i]);
        n_failed += err != 0;
    }
    for (int i = 0; paths == listed && i < n; i++)
        free(listed[i]);
    return n_failed != 0;
}
