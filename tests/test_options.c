/* Parsing of the command line: every kind of value, both spellings, and what is said on mistakes. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/exit.h"
#include "cmd/help.h"
#include "cmd/options.h"

enum { MAX_ARGS = 64 };

static struct cli_options o;
static char message[OPTIONS_MESSAGE_SIZE];

/* Parses a command line given as words separated by single spaces ('~' stands for a space). */
static int parse(const char *line)
{
    static char buffer[1024];
    static char *argv[MAX_ARGS + 1];
    int argc = 0;
    options_fini(&o);
    snprintf(buffer, sizeof(buffer), "sotto %s", line);
    for (char *word = strtok(buffer, " "); word && argc < MAX_ARGS; word = strtok(NULL, " ")) {
        for (char *c = word; *c; c++)
            *c = *c == '~' ? ' ' : *c;
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return options_parse(&o, argc, argv, message);
}

static void accept(const char *line)
{
    if (parse(line) != 0)
        fail_msg("%s: %s", line, message);
}

static void reject(const char *line, const char *part)
{
    int status = parse(line);
    if (status != CLI_EXIT_USAGE)
        fail_msg("%s: status %d", line, status);
    assert_contains(message, part);
}

static int teardown(void **state)
{
    (void)state;
    options_fini(&o);
    return 0;
}

static void test_defaults(void **state)
{
    (void)state;
    accept("a.wav");
    assert_string_equal(o.model, "base");
    assert_int_equal(o.n_inputs, 1);
    assert_string_equal(o.inputs[0], "a.wav");
    assert_int_equal(o.formats, 0);
    assert_null(o.output_dir);
    assert_true(o.lib.vad && o.overwrite && o.timestamps);
    assert_int_equal(o.lib.beam_size, 1);
    assert_int_equal(o.lib.mode, SOTTO_MODE_AUTO);
    assert_null(o.lib.language);
    assert_int_equal(o.n_notes, 0);
}

static void test_spellings(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "--beam-size 3 a.wav", "--beam_size 3 a.wav", "--beam_size=3 a.wav", "a.wav --beam-size=3",
        "-bs 3 a.wav",         "-bs=3 a.wav",         "--beam 3 a.wav",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        accept(lines[i]);
        assert_int_equal(o.lib.beam_size, 3);
        assert_int_equal(o.n_inputs, 1);
    }
    accept("-t4 -lde -m tiny.en -qV"); // -V: nothing else is checked
    assert_true(o.version && o.quiet);
    assert_int_equal(o.lib.n_threads, 4);
    assert_int_equal(o.params.n_threads, 0);
    assert_string_equal(o.lib.language, "de");
    assert_string_equal(o.model, "tiny.en");
}

static void test_switches(void **state)
{
    (void)state;
    accept("--word_timestamps True a.wav");
    assert_true(o.lib.word_timestamps && o.writer.words);
    assert_int_equal(o.n_inputs, 1);
    accept("--word-timestamps False a.wav");
    assert_false(o.lib.word_timestamps);
    accept("--word-timestamps a.wav");
    assert_true(o.lib.word_timestamps);
    accept("--word-timestamps=false a.wav");
    assert_false(o.lib.word_timestamps);
    accept("--no-vad a.wav");
    assert_false(o.lib.vad);
    accept("--no_vad a.wav");
    assert_false(o.lib.vad);
    accept("--vad_filter False a.wav");
    assert_false(o.lib.vad);
    accept("-nt a.wav");
    assert_false(o.timestamps);
    accept("--no-speech-threshold 0.5 a.wav"); // begins with no-, but is a name of its own
    assert_close(o.lib.no_speech_threshold, 0.5, 1e-12);
    reject("--no-vad=true a.wav", "--no-vad takes no value");
    reject("--vad=maybe a.wav", "--vad: 'maybe' is neither true nor false");
    reject("--no-beam-size a.wav", "unknown option --no-beam-size");
}

static void test_numbers(void **state)
{
    (void)state;
    accept("--logprob_threshold -0.5 --compression_ratio_threshold None --length_penalty None "
           "--temperature_increment_on_fallback None --seed 18446744073709551615 a.wav");
    assert_close(o.lib.logprob_threshold, -0.5, 1e-12);
    assert_true(isnan(o.lib.compression_ratio_threshold));
    assert_close(o.lib.length_penalty, -1, 1e-12);
    assert_close(o.lib.temperature_increment, 0, 1e-12);
    assert_true(o.lib.seed == UINT64_MAX);
    accept("--temperature 0 a.wav"); // given alone: exactly that one
    assert_close(o.lib.temperature_increment, 0, 1e-12);
    accept("--temperature 0.2 --temperature-increment-on-fallback 0.1 a.wav");
    assert_close(o.lib.temperature_increment, 0.1, 1e-12);
    accept("a.wav");
    assert_close(o.lib.temperature_increment, 0.2, 1e-12);
    accept("--no-fallback a.wav");
    assert_close(o.lib.temperature_increment, 0, 1e-12);
    reject("--beam-size 17 a.wav", "--beam-size: '17' is not a whole number from 1 to 16");
    reject("--beam_size x a.wav", "--beam_size: 'x' is not a whole number from 1 to 16");
    reject("-bs 2.5 a.wav", "-bs: '2.5' is not a whole number");
    reject("--temperature 1.5 a.wav", "--temperature: '1.5' is not a number from 0 to 1");
    reject("--temperature nan a.wav", "'nan' is not a number");
    reject("--temperature 0.5x a.wav", "'0.5x' is not a number");
    reject("--threads -1 a.wav", "--threads: '-1' is not a whole number from 0 to 1024");
    reject("--threads 99999999999999999999 a.wav", "is not a whole number");
    reject("--seed -3 a.wav", "--seed: '-3' is not a whole number from 0");
    reject("a.wav --beam-size", "--beam-size needs a value: N");
    reject("a.wav -m", "-m needs a value: NAME|PATH");
}

static void test_temperature_list(void **state)
{
    (void)state;
    accept("--temperature 0,0.2,0.4,0.6,0.8,1.0 a.wav");
    assert_close(o.lib.temperature, 0, 1e-12);
    assert_close(o.lib.temperature_increment, 0.2, 1e-12);
    accept("--temperature 0.5,1 a.wav");
    assert_close(o.lib.temperature, 0.5, 1e-12);
    assert_close(o.lib.temperature_increment, 0.5, 1e-12);
    accept("-tp 0.3 a.wav");
    assert_close(o.lib.temperature, 0.3, 1e-12);
    assert_close(o.lib.temperature_increment, 0, 1e-12);
    reject("--temperature 0,0.2,0.4 a.wav", "'0,0.2,0.4' does not go up to 1 in even steps");
    reject("--temperature 0,0.2,0.6,1 a.wav", "does not go up to 1 in even steps");
    reject("--temperature 1,0.5,0 a.wav", "does not go up to 1 in even steps");
    reject("--temperature 0,,1 a.wav", "'' is not a number");
    reject("--temperature 0,2 a.wav", "'2' is not a number from 0 to 1");
}

/* whisper.cpp's options: none is read as short options run together. */
static void test_whisper_cpp(void **state)
{
    (void)state;
    accept("-m ggml-base.bin -t 8 -p 1 -ot 1500 -d 2500 -on 0 -mc 0 -ml 40 -sow -bo 3 -bs 4 -ac 0 "
           "-lpt -0.8 -nth 0.5 -tp 0.1 -tpi 0.3 -nf -np -fa -ng -sns a.wav");
    assert_int_equal(o.n_inputs, 1);
    assert_string_equal(o.model, "ggml-base.bin");
    assert_int_equal(o.lib.n_threads, 8);
    assert_int_equal(o.lib.n_clips, 1);
    assert_close(o.lib.clips[0].start_s, 1.5, 1e-9);
    assert_close(o.lib.clips[0].end_s, 4.0, 1e-9);
    assert_false(o.lib.condition_on_previous_text);
    assert_int_equal(o.lib.mode, SOTTO_MODE_AUTO);
    assert_int_equal(o.writer.max_line_width, 40);
    assert_int_equal(o.writer.max_line_count, 1);
    assert_int_equal(o.lib.best_of, 3);
    assert_int_equal(o.lib.beam_size, 4);
    assert_true(o.quiet);
    accept("-otxt -ovtt -osrt -ocsv -olrc -oj -otsv -tr -pp -dl a.wav");
    assert_int_equal(o.formats, (1u << WRITER_FORMAT_COUNT) - 1);
    assert_int_equal(o.lib.task, SOTTO_TASK_TRANSLATE);
    assert_true(o.detect_language);
    accept("-ojf a.wav");
    assert_int_equal(o.formats, 1u << WRITER_JSON);
    assert_true(o.lib.word_timestamps);
    accept("-mc -1 -ml 0 --suppress-nst a.wav");
    assert_true(o.lib.condition_on_previous_text);
    assert_int_equal(o.writer.max_line_width, 0);
    assert_string_equal(o.lib.suppress_tokens, "-1");

    reject("-owts a.wav", "-owts is not an option here: -f vtt --highlight-words");
    reject("-p 4 a.wav", "-p is not an option here");
    reject("-on 3 a.wav", "-on is not an option here");
    reject("-mc 64 a.wav", "0 is --no-condition-on-previous-text");
    reject("-ot 1:30 a.wav", "whole number of milliseconds; --offset");
    reject("-ot -5 a.wav", "whole number of milliseconds");
    reject("-ml x a.wav", "-ml: 'x' is not a whole number");
    reject("-di a.wav", "--channel 0, then --channel 1");
    reject("-oved GPU a.wav", "-oved is not an option here: this build computes on: cpu");
    reject("-ls a.wav", "avg_logprob");
    reject("-dtw base a.wav", "--word-timestamps");
    reject("-vo 0.3 a.wav", "-vo is not an option here");
    reject("--grammar g.txt a.wav", "--hotwords");
    reject("-tdrz a.wav", "-tdrz is not an option here");
    reject("-f a.wav", "recordings are named without -f");
}

static void test_output_file(void **state)
{
    (void)state;
    accept("-osrt -of x a.wav");
    assert_int_equal(o.n_output_files, 1);
    assert_string_equal(o.output_files[0], "x");
    assert_null(o.output_dir);
    accept("-f txt --output-file=out/x --output_file out/y a.wav b.wav");
    assert_int_equal(o.n_output_files, 2);
    assert_string_equal(o.output_files[1], "out/y");
    accept("-f txt -oout a.wav"); // a value attached
    assert_string_equal(o.output_dir, "out");
    reject("-of x a.wav", "--output-file needs a format");
    reject("-f txt -of x a.wav b.wav", "--output-file is given 1 times for 2 recordings");
    reject("-f txt -of x -of x a.wav b.wav", "--output-file x is given twice");
    reject("-f txt -o d -of x a.wav", "exclude each other");
    reject("-of d/talk.srt a.wav", "the extension comes from the format: -f srt -of d/talk");
    reject("-f txt -of - a.wav", "use: -o -");
    reject("-f txt -of d/ a.wav", "names no file");
}

/* openai-whisper's, whisper-ctranslate2's and faster-whisper's. */
static void test_python_programs(void **state)
{
    (void)state;
    accept("--model base --model_dir models --device cpu --output_dir out --output_format all "
           "--verbose False --task transcribe --language None --temperature 0 --best_of None "
           "--beam_size None --patience None --length_penalty None --suppress_tokens -1 "
           "--fp16 False --condition_on_previous_text False --threads 2 a.wav");
    assert_int_equal(o.n_inputs, 1);
    assert_string_equal(o.model_dir, "models");
    assert_int_equal(o.formats, (1u << WRITER_FORMAT_COUNT) - 1);
    assert_int_equal(o.lib.n_threads, 2);
    assert_false(o.verbose || o.lib.condition_on_previous_text);
    accept("--print_colors False --local_files_only True --repetition_penalty 1.0 "
           "--no_repeat_ngram_size=0 --pretty_json False -p False --device_index 0 "
           "--live_transcribe False --vad_filter True --vad_onset 0.4 a.wav");
    assert_int_equal(o.n_inputs, 1);
    assert_close(o.lib.vad_threshold, 0.4, 1e-12);
    reject("--print_colors True a.wav", "--print-colors is not an option here");
    reject("--repetition_penalty 1.2 a.wav", "--repetition-penalty is not an option here");
    reject("--pretty_json True a.wav", "jq");
    reject("--live_transcribe True", "ffmpeg");
    reject("--compute_type float16 a.wav", "--compute_type: 'float16' is not one of");
}

/* No spelling belongs to us and to others; nothing of others is found by our names. */
static void test_foreign_table(void **state)
{
    (void)state;
    for (int i = 0; i < options_foreign_count; i++) {
        char all[128];
        snprintf(all, sizeof(all), "%s", options_foreign[i].spellings);
        for (char *s = strtok(all, " "); s; s = strtok(NULL, " ")) {
            for (int j = 0; j < options_count; j++) {
                if (option_is_spelled(options_table[j].aliases, s, NULL) ||
                    (s[1] == '-' && strcmp(options_table[j].name, s + 2) == 0))
                    fail_msg("%s is ours", s);
            }
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    reject("--langauge de a.wav", "unknown option --langauge; did you mean --language?");
    reject("--no-vda a.wav", "unknown option --no-vda; did you mean --no-vad?");
    reject("--vad-threshhold=1 a.wav", "did you mean --vad-threshold?");
    reject("--xyzzyplugh a.wav", "`sotto help transcribe` lists them all");
    reject("-z a.wav", "unknown option -z");
    reject("-model base a.wav", "did you mean --model?");
    reject("--max-line a.wav", "did you mean --max-line"); // ambiguous
    reject("--task sing a.wav", "--task: 'sing' is not one of transcribe|translate");
    reject("--device cuda a.wav", "--device: 'cuda' is not supported; this build computes on: cpu");
    reject("--precision fp64 a.wav", "--precision: 'fp64' is not one of auto|fp32|bf16|int8");
    accept("--compute_type float32 --device cpu --task Translate --fp16 False a.wav");
    assert_int_equal(o.params.precision, SOTTO_PRECISION_FP32);
    assert_int_equal(o.lib.task, SOTTO_TASK_TRANSLATE);
}

static void test_language(void **state)
{
    (void)state;
    accept("--language German a.wav");
    assert_string_equal(o.lib.language, "de");
    accept("-l auto a.wav");
    assert_null(o.lib.language);
    accept("-l None a.wav");
    assert_null(o.lib.language);
    reject("-l germn a.wav", "unknown language 'germn'; near it: german (de)");
    reject("-l xq a.wav", "unknown language 'xq'");
    reject("-l klingonese a.wav", "`sotto help languages` lists them");
}

static void test_output(void **state)
{
    (void)state;
    accept("-f srt,JSON a.wav");
    assert_int_equal(o.formats, 1u << WRITER_SRT | 1u << WRITER_JSON);
    assert_string_equal(o.output_dir, ".");
    accept("-f all a.wav");
    assert_int_equal(o.formats, (1u << WRITER_FORMAT_COUNT) - 1);
    accept("-o out a.wav");
    assert_int_equal(o.formats, (1u << WRITER_FORMAT_COUNT) - 1);
    accept("-o - a.wav");
    assert_int_equal(o.formats, 1u << WRITER_TXT);
    accept("-osrt -oj a.wav");
    assert_int_equal(o.formats, 1u << WRITER_SRT | 1u << WRITER_JSON);
    reject("-f a.wav", "'a.wav' is not one of txt, srt, vtt, json, tsv, lrc, csv, all; recordings");
    reject("-f srt,doc a.wav", "-f: 'doc' is not one of");
    reject("-f srt,vtt -o - a.wav", "only one format can go to standard output");
    reject("-o talk.srt a.wav", "use: -f srt -o - FILE >talk.srt");
    reject("-q -v a.wav", "--quiet and --verbose exclude each other");
    accept("-q --verbose False a.wav");
}

static void test_subtitles(void **state)
{
    (void)state;
    accept("--highlight_words True a.wav");
    assert_true(o.lib.word_timestamps && o.writer.words && o.writer.highlight_words);
    accept("--max-line-width None a.wav");
    assert_false(o.lib.word_timestamps);
    accept("--max-line-count 2 a.wav");
    assert_int_equal(o.n_notes, 1);
    assert_contains(o.notes[0], "no effect without --max-line-width");
    accept("--hallucination-silence-threshold 2 a.wav");
    assert_true(o.lib.word_timestamps);
}

static void test_clips(void **state)
{
    (void)state;
    accept("--offset 1:30 --duration 00:01:00.5 a.wav");
    assert_int_equal(o.lib.n_clips, 1);
    assert_close(o.lib.clips[0].start_s, 90, 1e-9);
    assert_close(o.lib.clips[0].end_s, 150.5, 1e-9);
    accept("--offset 5 a.wav");
    assert_true(o.lib.clips[0].end_s < 0);
    accept("--clip_timestamps 1,2.5,70,1:20,90 a.wav");
    assert_int_equal(o.lib.n_clips, 3);
    assert_close(o.lib.clips[1].end_s, 80, 1e-9);
    assert_true(o.lib.clips[2].end_s < 0);
    accept("--clip_timestamps 0 a.wav");
    assert_int_equal(o.lib.n_clips, 0);
    accept("--clip_timestamps 1,2 --clip_timestamps 3,4 a.wav"); // the last one holds
    assert_int_equal(o.lib.n_clips, 1);
    reject("--clip_timestamps 5,2 a.wav", "2 is not after the time before it");
    reject("--clip_timestamps 1,x a.wav", "is not a list of times");
    reject("--clip_timestamps 1,2 --offset 3 a.wav", "excludes --offset");
    reject("--offset 1:70 a.wav", "'1:70' is not a time");
    reject("--offset -5 a.wav", "'-5' is not a time");
    reject("--duration 1e9 a.wav", "is not a time");
    reject("--offset 1:2:3:4 a.wav", "is not a time");
}

static void test_mode(void **state)
{
    (void)state;
    accept("--sequential a.wav");
    assert_int_equal(o.lib.mode, SOTTO_MODE_SEQUENTIAL);
    accept("--batched a.wav");
    assert_int_equal(o.lib.mode, SOTTO_MODE_BATCHED);
    accept("--batched False a.wav");
    assert_int_equal(o.lib.mode, SOTTO_MODE_SEQUENTIAL);
    accept("--condition_on_previous_text True a.wav");
    assert_int_equal(o.lib.mode, SOTTO_MODE_SEQUENTIAL);
    accept("--condition_on_previous_text False a.wav");
    assert_int_equal(o.lib.mode, SOTTO_MODE_AUTO);
    assert_false(o.lib.condition_on_previous_text);
    accept("--condition-on-previous-text --batched a.wav");
    assert_int_equal(o.lib.mode, SOTTO_MODE_BATCHED);
    assert_int_equal(o.n_notes, 1);
    reject("--batched --sequential a.wav", "exclude each other");
}

static void test_inputs(void **state)
{
    (void)state;
    reject("", "no input file named");
    reject("-q", "no input file named");
    accept("a.wav -- -b.wav --help");
    assert_int_equal(o.n_inputs, 3);
    assert_string_equal(o.inputs[2], "--help");
    assert_false(o.help);
    accept("- a.wav");
    assert_string_equal(o.inputs[0], "-");
    reject("- -", "can be read only once");
}

static void test_tokens(void **state)
{
    (void)state;
    accept("--suppress_tokens -1,50257 a.wav");
    assert_string_equal(o.lib.suppress_tokens, "-1,50257");
    accept("--suppress-tokens= a.wav");
    assert_string_equal(o.lib.suppress_tokens, "");
    reject("--suppress-tokens 1,a a.wav", "is not a list of token ids");
    reject("--suppress-tokens -2 a.wav", "is not a list of token ids");
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(option_distance("", ""), 0);
    assert_int_equal(option_distance("abc", ""), 3);
    assert_int_equal(option_distance("abc", "ABC"), 0);
    assert_int_equal(option_distance("langauge", "language"), 1);
    assert_int_equal(option_distance("kitten", "sitting"), 3);
}

/* No two rows share a spelling: the second would never be found. */
static void test_table(void **state)
{
    char letters[128] = {0};
    (void)state;
    for (int i = 0; i < options_count; i++) {
        const struct option_row *row = &options_table[i];
        assert_non_null(row->help);
        assert_non_null(row->arg);
        if (row->letter)
            assert_int_equal(letters[(int)row->letter]++, 0);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(row->name, options_table[j].name);
        if (row->kind == OPTION_INT || row->kind == OPTION_FLOAT)
            assert_true(row->min < row->max);
    }
}

static char *printed(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    print(file);
    fclose(file);
    return text;
}

/* Every option is in the full help and the man page; lines fit; --help is short. */
static void test_help(void **state)
{
    char *full = printed(help_transcribe), *man = printed(help_man), *brief = printed(help_short);
    char *foreign = printed(help_foreign);
    char name[128];
    int lines = 0;
    (void)state;
    for (int i = 0; i < options_count; i++) {
        assert_contains(full, options_table[i].name);
        size_t n = 0;
        for (const char *c = options_table[i].name; *c; c++)
            n += (size_t)snprintf(name + n, sizeof(name) - n, *c == '-' ? "\\-" : "%c", *c);
        assert_contains(man, name);
    }
    for (char *line = strtok(full, "\n"); line; line = strtok(NULL, "\n"))
        if (strlen(line) > 100)
            fail_msg("too wide: %s", line);
    for (char *line = strtok(brief, "\n"); line; line = strtok(NULL, "\n"), lines++)
        if (strlen(line) > 100)
            fail_msg("too wide: %s", line);
    assert_in_range(lines, 20, 60);
    assert_contains(man, ".SH EXIT STATUS");
    assert_contains(man, "130");
    for (int i = 0; i < options_foreign_count; i++)
        if (options_foreign[i].hint)
            assert_contains(foreign, options_foreign[i].hint);
    free(foreign);
    free(full);
    free(man);
    free(brief);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_language),
        cmocka_unit_test(test_temperature_list),
        cmocka_unit_test(test_whisper_cpp),
        cmocka_unit_test(test_output_file),
        cmocka_unit_test(test_python_programs),
        cmocka_unit_test(test_foreign_table),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_subtitles),
        cmocka_unit_test(test_clips),
        cmocka_unit_test(test_mode),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, teardown);
}
