"""Patient codes that reveal who the patient is: dates, and words that may be names.

A code stands in every file name, log, table and page, so it must reveal nothing. Whether a number is
a hospital number can't be seen; a date can, and a name often.
"""

import re
from collections import Counter

YEAR, MONTH, DAY = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_M, _D = r"0?[1-9]|1[0-2]", r"0?[1-9]|[12]\d|3[01]"  # as written by hand: 3.5.1961
DATE = re.compile(
    r"(?<!\d)(?:"
    rf"{YEAR}([._-]?){MONTH}\1{DAY}"
    rf"|(?:{DAY}([._-]?){MONTH}|{MONTH}([._-]?){DAY})(?:\2|\3){YEAR}"
    rf"|(?:{_D})\.(?:{_M})\.{YEAR}"
    rf"|(?:{_D})[._-]?(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[._-]?{YEAR}"
    r")(?!\d)"
)
# What codes are made of, and no name.
USUAL = {
    "patient", "case", "subject", "scan", "study", "pancreas", "pdac", "train", "test", "validation",
    "control", "internal", "external", "discovery", "center", "centre", "hospital", "anon", "anonymous",
}  # fmt: skip


def date_in(code):
    """The part of a code that reads as a date, or ''."""
    date = DATE.search(code)
    return date.group() if date else ""


def names_in(codes):
    """Codes with a word that no other code has, and that can be pronounced: it may be a name."""
    words = {code: {w.lower() for w in re.findall("[A-Za-z]{4,}", code)} for code in codes}
    count = Counter(word for in_code in words.values() for word in in_code)
    return [
        code
        for code, in_code in words.items()
        if any(count[w] == 1 and _is_pronounceable(w) and w not in USUAL for w in in_code)
    ]


def _is_pronounceable(word):
    """Whether a word has a vowel and isn't a hexadecimal number."""
    return bool(re.search("[aeiouy]", word)) and not re.fullmatch("[a-f]+", word)
