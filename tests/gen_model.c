/*
 * Writes a generated model from the command line, for benchmarks and for looking at:
 *   gen-model SHAPE FORMAT TYPE PATH     e.g. gen-model large-v3-turbo ggml q5_0 turbo.bin
 * SHAPE: a published model's name, or micro (width 64), or fuzz (a few kilobytes, for seeds).
 */
#include <stdio.h>
#include <string.h>

#include "support_gen_model.h"

int main(int argc, char **argv)
{
    static const char *const formats[] = {"ct2", "ggml", "hf"};
    struct gen_model g;
    int format = 0, type = 0;
    gen_model_init(&g);
    if (argc != 5) {
        fprintf(stderr, "usage: gen-model micro|fuzz|SHAPE ct2|ggml|hf TYPE PATH\n");
        return 2;
    }
    if (strcmp(argv[1], "fuzz") == 0) {
        g.n_audio_ctx = 2;
        g.width = strncmp(argv[3], "q", 1) == 0 ? 32 : 4;
        g.n_text_ctx = 8;
        g.n_audio_layer = g.n_text_layer = 1;
        g.n_text_tokens = 256;
        g.n_languages = 1;
    } else if (strcmp(argv[1], "micro") != 0 && !gen_model_named(&g, argv[1])) {
        fprintf(stderr, "gen-model: no shape is called %s\n", argv[1]);
        return 2;
    }
    while (format < 3 && strcmp(argv[2], formats[format]) != 0)
        format++;
    while (type < TENSOR_TYPE_COUNT && strcmp(argv[3], tensor_type_name(type)) != 0)
        type++;
    if (format == 3 || type == TENSOR_TYPE_COUNT) {
        fprintf(stderr, "gen-model: no format %s with weight type %s\n", argv[2], argv[3]);
        return 2;
    }
    g.type = type;
    if (!gen_model_write(&g, format, argv[4])) {
        perror(argv[4]);
        return 1;
    }
    return 0;
}
