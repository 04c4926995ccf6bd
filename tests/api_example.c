#include <sotto.h>
#include <stdio.h>

static int on_segment(void *user, const struct sotto_segment *s)
{
    (void)user;
    printf("[%.2f --> %.2f]%s\n", s->start_s, s->end_s, s->text);
    return 0; // anything else ends the transcription with SOTTO_EABORTED
}

int main(int argc, char **argv)
{
    struct sotto_diag diag = {0};
    sotto_model *model = NULL;
    sotto_transcriber *t = NULL;
    int err = argc == 3 ? 0 : SOTTO_EINVAL;

    if (!err)
        err = sotto_model_open(&model, argv[1], NULL, &diag);
    struct sotto_options opt;
    sotto_options_init(&opt);
    opt.on_segment = on_segment;
    if (!err)
        err = sotto_transcriber_open(&t, model, &opt, &diag);
    if (!err)
        err = sotto_transcribe_file(t, argv[2], &diag);
    if (err)
        fprintf(stderr, "%s: %s\n", sotto_error_name(err), diag.text);
    sotto_transcriber_close(&t);
    sotto_model_close(&model);
    return err != 0;
}
