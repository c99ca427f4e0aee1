"""Text of a corpus, prepared for display.

Belongs here: shortening, and replacing control characters. Does not: escaping, which the page and the figures do.
"""

import re

# Control characters, and characters that XML, and so SVG, forbids.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_NAME_CHARS = 48
_FIRST_CHARS, _MOST_CHARS = 400, 1500  # characters of a text shown at first, and in all
NAMELESS = "(none)"


def visible(text: str) -> str:
    """Return the text with control characters, except tab and newline, replaced by U+FFFD."""
    return _UNSEEN.sub("\ufffd", text)


def name(text: str | None, longest: int = _NAME_CHARS) -> str:
    """Return the name of a domain or source on one line, cut to `longest` characters; `(none)` for an empty name."""
    line = " ".join(visible(text or "").split()) or NAMELESS
    return line if len(line) <= longest else line[: longest - 1] + "…"


def parts(text: str) -> tuple[str, str, int]:
    """Split a text into its start, the rest to show, and the number of characters that are not shown."""
    whole = visible(text)
    if len(whole) <= _FIRST_CHARS * 1.25:
        return whole, "", 0
    gap = whole.rfind(" ", _FIRST_CHARS // 2, _FIRST_CHARS)
    at = gap if gap > 0 else _FIRST_CHARS
    return whole[:at], whole[at:_MOST_CHARS].lstrip(" "), max(0, len(whole) - _MOST_CHARS)
