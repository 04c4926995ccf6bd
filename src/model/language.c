/*
 * The languages Whisper knows, in the order of their tokens, and the public functions over them.
 * Which token belongs to which language is the tokenizer's business.
 * Facts: openai/whisper, whisper/tokenizer.py (LANGUAGES, TO_LANGUAGE_CODE).
 */
#include "model/tokenizer.h"

#include <strings.h>

// clang-format off
const struct language language_table[] = {
    {"en", "english"}, {"zh", "chinese"}, {"de", "german"}, {"es", "spanish"}, {"ru", "russian"},
    {"ko", "korean"}, {"fr", "french"}, {"ja", "japanese"}, {"pt", "portuguese"}, {"tr", "turkish"},
    {"pl", "polish"}, {"ca", "catalan"}, {"nl", "dutch"}, {"ar", "arabic"}, {"sv", "swedish"},
    {"it", "italian"}, {"id", "indonesian"}, {"hi", "hindi"}, {"fi", "finnish"},
    {"vi", "vietnamese"}, {"he", "hebrew"}, {"uk", "ukrainian"}, {"el", "greek"}, {"ms", "malay"},
    {"cs", "czech"}, {"ro", "romanian"}, {"da", "danish"}, {"hu", "hungarian"}, {"ta", "tamil"},
    {"no", "norwegian"}, {"th", "thai"}, {"ur", "urdu"}, {"hr", "croatian"}, {"bg", "bulgarian"},
    {"lt", "lithuanian"}, {"la", "latin"}, {"mi", "maori"}, {"ml", "malayalam"}, {"cy", "welsh"},
    {"sk", "slovak"}, {"te", "telugu"}, {"fa", "persian"}, {"lv", "latvian"}, {"bn", "bengali"},
    {"sr", "serbian"}, {"az", "azerbaijani"}, {"sl", "slovenian"}, {"kn", "kannada"},
    {"et", "estonian"}, {"mk", "macedonian"}, {"br", "breton"}, {"eu", "basque"},
    {"is", "icelandic"}, {"hy", "armenian"}, {"ne", "nepali"}, {"mn", "mongolian"},
    {"bs", "bosnian"}, {"kk", "kazakh"}, {"sq", "albanian"}, {"sw", "swahili"}, {"gl", "galician"},
    {"mr", "marathi"}, {"pa", "punjabi"}, {"si", "sinhala"}, {"km", "khmer"}, {"sn", "shona"},
    {"yo", "yoruba"}, {"so", "somali"}, {"af", "afrikaans"}, {"oc", "occitan"}, {"ka", "georgian"},
    {"be", "belarusian"}, {"tg", "tajik"}, {"sd", "sindhi"}, {"gu", "gujarati"}, {"am", "amharic"},
    {"yi", "yiddish"}, {"lo", "lao"}, {"uz", "uzbek"}, {"fo", "faroese"}, {"ht", "haitian creole"},
    {"ps", "pashto"}, {"tk", "turkmen"}, {"nn", "nynorsk"}, {"mt", "maltese"}, {"sa", "sanskrit"},
    {"lb", "luxembourgish"}, {"my", "myanmar"}, {"bo", "tibetan"}, {"tl", "tagalog"},
    {"mg", "malagasy"}, {"as", "assamese"}, {"tt", "tatar"}, {"haw", "hawaiian"}, {"ln", "lingala"},
    {"ha", "hausa"}, {"ba", "bashkir"}, {"jw", "javanese"}, {"su", "sundanese"},
    {"yue", "cantonese"},
};

/* Other names, each with the code it stands for. */
static const struct language aliases[] = {
    {"my", "burmese"}, {"ca", "valencian"}, {"nl", "flemish"}, {"ht", "haitian"},
    {"lb", "letzeburgesch"}, {"ps", "pushto"}, {"pa", "panjabi"}, {"ro", "moldavian"},
    {"ro", "moldovan"}, {"si", "sinhalese"}, {"es", "castilian"}, {"zh", "mandarin"},
};
// clang-format on

enum { N_LANGUAGES = sizeof language_table / sizeof language_table[0] };
const int language_count = N_LANGUAGES;

int sotto_language_count(void)
{
    return N_LANGUAGES;
}

const char *sotto_language_code(int i)
{
    return i >= 0 && i < N_LANGUAGES ? language_table[i].code : NULL;
}

const char *sotto_language_name(int i)
{
    return i >= 0 && i < N_LANGUAGES ? language_table[i].name : NULL;
}

static int find_code(const char *code)
{
    for (int i = 0; i < N_LANGUAGES; i++)
        if (strcasecmp(code, language_table[i].code) == 0)
            return i;
    return SOTTO_ELANGUAGE;
}

int sotto_language_find(const char *code_or_name)
{
    if (!code_or_name)
        return SOTTO_ELANGUAGE;
    int i = find_code(code_or_name);
    if (i >= 0)
        return i;
    for (i = 0; i < N_LANGUAGES; i++)
        if (strcasecmp(code_or_name, language_table[i].name) == 0)
            return i;
    for (size_t k = 0; k < sizeof aliases / sizeof aliases[0]; k++)
        if (strcasecmp(code_or_name, aliases[k].name) == 0)
            return find_code(aliases[k].code);
    return SOTTO_ELANGUAGE;
}
