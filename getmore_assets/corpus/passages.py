"""Cleaning a text, and cutting it into passages of bounded length at sentence ends.

Belongs here: pure functions on one string. Does not: reading, hashing.
"""

import re
import unicodedata

# Control characters other than tab and newline: they carry no text and break tokenisers and HTML.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
# A full stop that a space follows (Latin, Arabic, Devanagari, Ethiopic), or any full stop (CJK, Khmer, Myanmar).
_SENTENCE_END = re.compile(
    r"(?<=[.!?\u061f\u06d4\u0964\u0965\u1362])[\"')\]\u201d\u2019]*\s+"
    r"|(?<=[\u3002\uff01\uff1f\u104b\u17d4\u17d5])[\u300d\u201d]*|\n\s*\n\s*"
)
PAIR = "\n\n"  # the separator of the two texts of a pair


def clean(text: str) -> str:
    """Return the text in NFC, with Unix line ends, without control characters and trailing white space."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _CONTROL.sub(" ", text)
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()


def cut(text: str, longest: int) -> list[str]:
    """Cut a text into passages of at most `longest` characters, at sentence ends.

    A longer sentence is cut at white space, a longer word anywhere. Joined, the passages are the text except for white
    space at the cuts.
    """
    if len(text) <= longest:
        return [text] if text.strip() else []
    passages, start = [], 0
    while len(text) - start > longest:
        window = text[start : start + longest + 1]
        end = max((m.end() for m in _SENTENCE_END.finditer(window)), default=0)
        if end <= longest // 4:
            end = window.rfind(" ") + 1 or window.rfind("\n") + 1
        if end <= longest // 4:
            end = longest
            while end > longest // 2 and unicodedata.category(window[end])[0] == "M":
                end -= 1  # do not separate a combining mark from its letter
        passages.append(text[start : start + end])
        start += end
    passages.append(text[start:])
    return [p.strip() for p in passages if p.strip()]
