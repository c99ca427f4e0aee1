"""Rendering the report's HTML: template, style, script, and the content security policy that allows only these.

Belongs here: rendering. Does not: the content (`report.py`).
"""

import base64
import hashlib
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

_LOADER = PackageLoader("getmore_assets.reporting", ".")


def render(**parts: Any) -> str:
    """Return the page; everything that is not `Markup` is escaped.

    Args:
        parts: The variables of the template.
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
    """Return a sentence as HTML, with text between backticks as code."""
    parts = text.split("`")
    paired = len(parts) % 2 == 1
    shown = (Markup("<code>{}</code>").format(p) if at % 2 and paired else escape(p) for at, p in enumerate(parts))
    return Markup("" if paired else "`").join(shown)  # noqa: S704 - every part is escaped


def _own(environment: Environment, name: str) -> Markup:
    """Return a file of this package, unescaped."""
    text, _, _ = _LOADER.get_source(environment, name)
    return Markup(text)  # noqa: S704 - a file of this package


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
