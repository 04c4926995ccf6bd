#!/usr/bin/env python3
"""Writes tests/golden/tokenizer_*.txt: texts and their tokens by tiktoken and Hugging Face's tokenizers.

usage: golden_tokenizer.py MODEL_FOLDER OUTPUT [RANDOM_TEXTS [SEED]]

MODEL_FOLDER holds vocabulary.json or .txt and tokenizer.json (CTranslate2). Needs the packages
tiktoken and tokenizers, in a virtual environment of your own. With RANDOM_TEXTS the file also gets
so many random texts; tests/test_tokenizer.c reads any such file named by SOTTO_TOKENIZER_GOLDEN.

Each line: the text as hexadecimal UTF-8 ("-" if empty), then the ids. A text for which the two disagree is
written with tiktoken's ids, which openai/whisper uses, and counted on standard error.
"""
import json
import os
import random
import sys
import unicodedata

import tiktoken
import tokenizers

PATTERN = (r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")

TEXTS = """
And so my fellow Americans, ask not what your country can do for you!
 I'm sure they'll've said it's John's; we'd don't CAN'T it'S
 3.14159, 1,000,000 and 12/31/1999 at 23:59:59 -- cost $4.50 (approx. 5€)
你好，世界。今天天气很好，我们去公园吧？
Guten Morgen, Grüße aus Köln: Straßenbahn, Äpfel, Öl, Übermut
¿Dónde está la biblioteca? ¡Mañana será otro día!
Съешь же ещё этих мягких французских булок, да выпей чаю
안녕하세요 세계! 오늘은 날씨가 좋네요.
L'été, où est-ce que c'était? Ça va, cœur, naïve, Noël
こんにちは世界。カタカナ、ひらがな、漢字。ー〜「」『』
Olá, não há problema; coração, pão, avô e avó
Merhaba dünya, İstanbul'da ışık şöyle çığlık
Zażółć gęślą jaźń; pchnąć w tę łódź jeża lub ośm skrzyń fig
L'any passat, col·lecció, això és així
Hoe gaat het met jou? Zo'n mooie dag; 's avonds
مرحبا بالعالم، كيف حالك اليوم؟ ١٢٣٤٥
Flygande bäckasiner söka hwila på mjuka tuvor
Perché no? È così, più o meno, città
Selamat pagi, apa kabar? Terima kasih banyak-banyak.
नमस्ते दुनिया, आप कैसे हैं? १२३
Hyvää päivää, yötyö, älämölö
Xin chào thế giới, hôm nay trời đẹp quá
שלום עולם, מה שלומך היום? שָׁלוֹם
Привіт, світе! Її ґудзик, п'ять з'їздів
Γειά σου Κόσμε, πώς είσαι σήμερα; ΐΰ
Příliš žluťoučký kůň úpěl ďábelské ódy
Bună dimineața, țară și oraș, înțelegător
Blåbærgrød på en rød ø; Ærø
Árvíztűrő tükörfúrógép
வணக்கம் உலகம், எப்படி இருக்கிறீர்கள்?
สวัสดีชาวโลก วันนี้อากาศดี ๑๒๓
ہیلو دنیا، آپ کیسے ہیں؟ ۱۲۳
Здравей свят, ъгъл, щъркел
Labas pasauli, ąžuolas, žąsis, šešėlis
Kia ora te ao, whānau, mānuka
ഹലോ ലോകം, സുഖമാണോ?
Helo byd, llŷr, tŷ, ŵyn
హలో ప్రపంచం, మీరు ఎలా ఉన్నారు?
سلام دنیا، حال شما چطور است؟ می‌روم
ওহে বিশ্ব, কেমন আছেন? ৪৫৬
ಹಲೋ ಪ್ರಪಂಚ, ಹೇಗಿದ್ದೀರಾ?
Բարեւ աշխարհ, ինչպես ես
नमस्ते संसार
Сайн байна уу, дэлхий ертөнц, үг өгүүлбэр
Сәлем әлем, қалайсың, ұлы дала
Përshëndetje botë, çfarë, ë
ਸਤਿ ਸ੍ਰੀ ਅਕਾਲ ਦੁਨਿਆ
හෙලෝ වර්ල්ඩ්, ඔබට කොහොමද?
សួស្តី​ពិភពលោក
გამარჯობა მსოფლიო
Салом ҷаҳон, Тоҷикистон
હેલો વર્લ્ડ, કેમ છો?
ሰላም ልዑል ዓለም
העלא וועלט, ווי גייט עס
ສະບາຍດີຊາວໂລກ
မင်္ဂလာပါ ကမ္ဘာလောက
བཀྲ་ཤིས་བདེ་ལེགས།
Ẹ kú àárọ̀, báwo ni
Aloha honua, ʻōlelo Hawaiʻi, kākou
早晨，你食咗飯未呀？佢哋喺度
😀😃 👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 ❤️ 🇩🇪🇫🇷 ♪♪♪ ♩♫♬♭♮♯
∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β = ¬(¬α ∨ β), 2H₂ + O₂ ⇌ 2H₂O, x² ½ Ⅷ ①
<|endoftext|><|startoftranscript|><|en|><|0.00|> [MUSIC] (laughs) *sigh* >> NAME:
((( ))) [[ ]] {{ }} -- --- -( -[ (' (" ~~ `` ^^ \\ // || << >>
print("hello\\n"); if (a[i] != b->c && !d) { return 0x1F; } // café
""".strip("\n").split("\n") + [
    "", " ", "  ", "   a", "a   ", "a \n b", "\n\n\n", "\t\tx\t", "a\u00a0b", "a\u3000 b", "\u2003\u2003x",
    "x\u180ey", "\u200b\u200d", "a\u0085b", "\r\n \r\n", "\ufeffbom", "e\u0301e\u0301", "\U0001F600" * 9,
    "a" * 300, " " * 257 + "b", "ab" * 200, "1" * 100, "!" * 150, "Ａｂｃ１２３", "\U000E0001\U0010FFFF\uFFFD",
    "x" + "\u0300" * 40, "ﷺ ﬁ ﬀ ǆ", "\x01\x02\x7f", "'s 't 're 've 'm 'll 'd 'S ''s", "don\u2019t it\u2019s",
]


def random_text(rng):
    ranges = [(0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xFFF),
              (0x1780, 0x17FF), (0x2000, 0x206F), (0x2190, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF),
              (0xAC00, 0xD7A3), (0x1F300, 0x1FAFF), (0x0, 0x10FFFF), (0x9, 0x20)]
    out = []
    for _ in range(rng.randrange(1, 6)):
        lo, hi = rng.choice(ranges)
        for _ in range(rng.randrange(1, 20)):
            c = rng.randrange(lo, hi + 1)
            # Letters newer than PCRE2's Unicode (14 in Debian 12) would be split differently.
            if unicodedata.category(chr(c)) not in ("Cs", "Cn") and c:
                out.append(chr(c))
        out.append(rng.choice(["", " ", "  ", "\n", ", ", "'s", "'ll "]))
    return "".join(out)


def alphabet():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, n = {chr(b): b for b in printable}, 0
    for b in range(256):
        if b not in printable:
            table[chr(256 + n)] = b
            n += 1
    return table


def read_vocabulary(folder):
    path = os.path.join(folder, "vocabulary.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    with open(os.path.join(folder, "vocabulary.txt"), encoding="utf-8", newline="\n") as f:
        return f.read().rstrip("\n").split("\n")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, output = sys.argv[1:3]
    vocabulary, table = read_vocabulary(folder), alphabet()
    eot = vocabulary.index("<|endoftext|>")
    ranks = {bytes(table[c] for c in t): i for i, t in enumerate(vocabulary[:eot])}
    encoding = tiktoken.Encoding("whisper", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    # Special tokens are plain text to us, so they are taken out of the other tokenizer too.
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
        config = json.load(f)
    config["added_tokens"], config["post_processor"] = [], None
    hf = tokenizers.Tokenizer.from_str(json.dumps(config))

    texts = list(TEXTS)
    rng = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 0):
        texts.append(random_text(rng))
    differ = 0
    with open(output, "w", encoding="ascii") as f:
        for text in texts:
            ids = encoding.encode_ordinary(text)
            other = hf.encode(text, add_special_tokens=False).ids
            if ids != other:
                differ += 1
                print("differ:", ascii(text), ids, other, file=sys.stderr)
            f.write(" ".join([text.encode().hex() or "-", *map(str, ids)]) + "\n")
    print(f"{len(texts)} texts, tiktoken and tokenizers differ on {differ}", file=sys.stderr)


if __name__ == "__main__":
    main()
