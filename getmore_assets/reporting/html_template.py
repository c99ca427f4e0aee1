"""The page's frame: template, style, script, and the policy that lets it load nothing and run nothing else.

Belongs here: how the page is put together. Does not: what it says (`report.py`).
"""

import base64
import hashlib
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

_LOADER = PackageLoader("getmore_assets.reporting", ".")


def render(**parts: Any) -> str:
    """The page. All that is not `Markup` is escaped; none of it reaches the script but as text of the page.

    Args:
        parts: What the template shows.
    """
    environment = Environment(
        loader=_LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["code"] = _code
    environment.filters["thousands"] = lambda n: f"{n:,}"
    style, script = (_own(environment, name) for name in ("report.css", "report.js"))
    sources = {"script-src": _hash(script), "style-src": _hash(style), "base-uri": "'none'", "form-action": "'none'"}
    policy = "; ".join(["default-src 'none'", *(f"{name} {source}" for name, source in sources.items())])
    return environment.get_template("report.html").render(style=style, script=script, policy=policy, **parts)


def _code(text: str) -> Markup:
    """A sentence, what stands between backticks in it as code."""
    parts = text.split("`")
    paired = len(parts) % 2 == 1
    shown = (Markup("<code>{}</code>").format(p) if at % 2 and paired else escape(p) for at, p in enumerate(parts))
    return Markup("" if paired else "`").join(shown)  # noqa: S704 - every part is escaped


def _own(environment: Environment, name: str) -> Markup:
    """A file of this package, as it is."""
    text, _, _ = _LOADER.get_source(environment, name)
    return Markup(text)  # noqa: S704 - not a user's


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
