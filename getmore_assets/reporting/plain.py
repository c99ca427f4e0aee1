"""Text of a corpus made fit to be shown.

Belongs here: cutting, and taking out what cannot be seen. Does not: escaping, which the page and the figures do.
"""

import re

# Control characters, and what no XML document may hold: a drawing with one in it could not be read back.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_NAME_CHARS = 48
_START, _MOST = 400, 1500  # characters of a text that are shown at once, and at all
NAMELESS = "(none)"


def visible(text: str) -> str:
    """The text with each control character (but tab and newline) as the replacement character."""
    return _UNSEEN.sub("\ufffd", text)


def name(text: str | None, longest: int = _NAME_CHARS) -> str:
    """A domain's or a source's name on one line, cut to `longest` characters; `(none)` where there is none."""
    found = " ".join(visible(text or "").split()) or NAMELESS
    return found if len(found) <= longest else found[: longest - 1] + "…"


def parts(text: str) -> tuple[str, str, int]:
    """A text's start, what follows it, and how many characters after that are not shown."""
    whole = visible(text)
    if len(whole) <= _START * 1.25:
        return whole, "", 0
    gap = whole.rfind(" ", _START // 2, _START)
    at = gap if gap > 0 else _START
    return whole[:at], whole[at:_MOST].lstrip(" "), max(0, len(whole) - _MOST)
