/*
 * Where transcripts go: names of the files, files that appear under their names only when they
 * are complete, and standard output. What is in them is the writers' business.
 */
#ifndef CMD_OUTPUT_H
#define CMD_OUTPUT_H

#include "writers.h"

enum { OUTPUT_MESSAGE_SIZE = 1024 };

/* Makes `dir` (with its parents) unless it is "-", and checks that files can be made in it.
 * Returns 0, or CLI_EXIT_OUTPUT with `message` set. */
int output_prepare_dir(const char *dir, char message[OUTPUT_MESSAGE_SIZE]);

/* One stem per input, no two alike: "talk" for a/talk.wav; then for b/talk.mp3, which would get
 * the same, "talk.mp3"; then "talk.2" and so on. NULL: out of memory. */
char **output_plan_stems(const char *const *inputs, int n_inputs);
/* The same for paths given by the user: "a/b" is stem b in folder a, "b" in folder ".". One stem and
 * one folder per path; free both with output_free_stems. False: out of memory, nothing is set. */
bool output_split_paths(const char *const *paths, int n_paths, char ***dirs, char ***stems);
void output_free_stems(char **stems, int n_inputs);

struct output_request {
    const char *dir; // "-": standard output
    const char *stem;
    unsigned formats; // set of 1u << enum writer_format
    bool overwrite;   // false: formats whose file exists are left out
    struct writer_options writer;
    const char *const *inputs; // no output may replace one of them
    int n_inputs;
};

struct output;

/* Opens temporary files beside the final ones. `*out` is NULL, and 0 is returned, if every file
 * exists and may not be overwritten. Errors: CLI_EXIT_OUTPUT, CLI_EXIT_INTERNAL, with `message`. */
int output_open(struct output **out, const struct output_request *request,
                char message[OUTPUT_MESSAGE_SIZE]);

/* Adds a segment to every file, also where an earlier one failed. Errors: as above for the first
 * that failed, and CLI_EXIT_PIPE (no message). */
int output_add(struct output *o, const struct sotto_segment *segment,
               char message[OUTPUT_MESSAGE_SIZE]);

/* Completes the files and gives them their names; if `partial`, NAME.partial.EXT. Errors as
 * above, for the first file that failed; the others have their names. What failed can be committed
 * as partial afterwards: the segments that were written whole are kept. A folder that was removed
 * is made again. A name that cannot be had leaves the temporary file, and the message says which. */
int output_commit(struct output *o, const char *language, bool partial,
                  char message[OUTPUT_MESSAGE_SIZE]);

/* Drops what was not committed. Accepts NULL and a NULL output. */
void output_close(struct output **o);

/* The names the committed files have, as "out/talk.srt" or "out/talk.{txt,srt}", final ones before
 * partial ones; "" for standard output. */
void output_names(const struct output *o, char *dst, size_t size);

#endif
