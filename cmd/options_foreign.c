/*
 * Options of other programs that sotto does not have, each with what to do instead, so that none is
 * misread as short options run together ("-of x" is not "-o f"). What sotto has under another
 * spelling is an alias in options_table.c. Sources: ggml-org/whisper.cpp, examples/cli/cli.cpp (1.7
 * and 1.8); openai/whisper 20250625; whisper-ctranslate2 0.5.8, commandline.py; m-bain/whisperX.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "options.h"

// clang-format off
const struct option_foreign options_foreign[] = {
    // ---- whisper.cpp
    {"-p --processors",    "1",    "one recording is computed at a time; --threads N uses more cores"},
    {"-on --offset-n",     "0",    "segments count from 0; --offset begins later in the recording"},
    {"-ac --audio-ctx",    "0",    "windows are always whole; --precision int8 is faster"},
    {"-wt --word-thold",   "0.01", "--word-timestamps needs no threshold"},
    {"-et --entropy-thold", "2.4", "repetition is measured by --compression-ratio-threshold"},
    {"-debug --debug-mode", "false", "--verbose tells the details"},
    {"-di --diarize",      "false", "--channel 0, then --channel 1 write down one speaker each"},
    {"-tdrz --tinydiarize", "false", "speakers are not told apart"},
    {"-owts --output-words", "false", "-f vtt --highlight-words marks each word as it is spoken"},
    {"-fp --font-path",    NULL,   "-f vtt --highlight-words marks each word as it is spoken"},
    {"-ps --print-special", "false", "-f json has the tokens"},
    {"-pc --print-colors", "false", "-f json --word-timestamps has each word's probability"},
    {"--print-confidence", "false", "-f json --word-timestamps has each word's probability"},
    {"-ls --log-score",    "false", "-f json has avg_logprob of each segment"},
    {"-dtw --dtw",         NULL,   "--word-timestamps aligns by the model's own heads"},
    {"-oved --ov-e-device", "cpu", "this build computes on: cpu"},
    {"-dev",               "0",    "this build computes on: cpu"},
    {"--detect-langs",     NULL,   "-l gives the language if it is known"},
    {"--suppress-regex",   "",     "--suppress-tokens takes token ids"},
    {"--grammar",          "",     "--hotwords and --initial-prompt steer the words"},
    {"--grammar-rule",     "",     "--hotwords and --initial-prompt steer the words"},
    {"--grammar-penalty",  "100",  "--hotwords and --initial-prompt steer the words"},
    {"-vo --vad-samples-overlap", "0.1", "--vad-speech-pad-ms keeps sound around speech"},
    {"--file",             NULL,   "recordings are named without an option: sotto FILE"},
    {"-ng --no-gpu",       "false", NULL},
    {"-fa --flash-attn",   "false", NULL},
    {"-nfa --no-flash-attn", "false", NULL},
    {"-sow --split-on-word", "false", NULL}, // always so

    // ---- whisper-ctranslate2, faster-whisper
    {"-p --pretty-json",   "false", "pipe it through jq: sotto -q -f json -o - FILE | jq ."},
    {"--local-files-only", "false", NULL}, // transcribing never goes to the network
    {"--device-index",     "0",    "this build computes on: cpu"},
    {"--repetition-penalty", "1",  "--temperature-increment-on-fallback ends repetitions"},
    {"--no-repeat-ngram-size", "0", "--temperature-increment-on-fallback ends repetitions"},
    {"--prompt-reset-on-temperature", "0.5", "it is 0.5, as in openai/whisper"},
    {"--hf-token",         "",     "speakers are not told apart"},
    {"--speaker-name",     "speaker", "speakers are not told apart"},
    {"--speaker-num",      "2",    "speakers are not told apart"},
    {"--live-transcribe",  "false", "a microphone: ffmpeg -f pulse -i default -f wav - | sotto -"},
    {"--live-volume-threshold", "0.2", "see --vad-threshold"},
    {"--live-input-device", NULL,  "a microphone: ffmpeg -f pulse -i default -f wav - | sotto -"},
    {"--multilingual",     "false", "beyond 30 s the language is checked for each window"},
    {"--standard",         "false", "--max-line-width 42 --max-line-count 2"},
    {"--sentence",         "false", "--max-line-width 42 --max-line-count 2"},

    // ---- whisperX
    {"--align-model",      NULL,   "--word-timestamps aligns by the model's own heads"},
    {"--no-align",         "false", "words have no times unless --word-timestamps asks for them"},
    {"--chunk-size",       "30",   "windows are cut at pauses; --vad-max-speech-s limits speech"},
    {"--vad-method",       "silero", "there is one detector, silero"},
    {"--vad-offset",       NULL,   "it is called --vad-neg-threshold"},
    {"--min-speakers",     NULL,   "speakers are not told apart"},
    {"--max-speakers",     NULL,   "speakers are not told apart"},
};
// clang-format on

const int options_foreign_count = (int)(sizeof(options_foreign) / sizeof(options_foreign[0]));

bool option_is_spelled(const char *spellings, const char *spelling, bool *negated)
{
    size_t size = strlen(spelling);
    bool ignored;
    negated = negated ? negated : &ignored;
    for (const char *s = spellings; s && *s;) {
        *negated = *s == '!';
        s += *negated;
        size_t word = strcspn(s, " ");
        if (word == size && strncmp(s, spelling, size) == 0)
            return true;
        s += word + strspn(s + word, " ");
    }
    *negated = false;
    return false;
}

/* "1" is "1.0"; otherwise by letters. */
static bool same_value(const char *a, const char *b)
{
    char *end_a, *end_b;
    double x = strtod(a, &end_a), y = strtod(b, &end_b);
    bool numbers = end_a != a && end_b != b && !*end_a && !*end_b;
    return numbers ? x == y : strcasecmp(a, b) == 0 || strcasecmp(a, "none") == 0;
}

/* `value`: what was attached to the option, else what follows it, else NULL. Of several rows with
 * one spelling (-p) the one whose neutral value this is decides. */
const struct option_foreign *option_find_foreign(const char *spelling, const char *value,
                                                 bool *neutral, bool *takes_value)
{
    const struct option_foreign *found = NULL;
    *neutral = *takes_value = false;
    for (int i = 0; i < options_foreign_count && !*neutral; i++) {
        const struct option_foreign *row = &options_foreign[i];
        if (!option_is_spelled(row->spellings, spelling, NULL))
            continue;
        bool flag = row->neutral && strcmp(row->neutral, "false") == 0;
        bool is_word = value && (strcasecmp(value, "true") == 0 || strcasecmp(value, "false") == 0);
        found = found ? found : row;
        *takes_value = flag ? is_word : row->neutral && value;
        *neutral = !row->hint || (row->neutral && value && same_value(value, row->neutral));
    }
    return found;
}
