"""Inlining a figure into an HTML page, in the page's colours.

Belongs here: converting matplotlib's SVG to an `svg` element. Does not: the figures (`figures.py`).
"""

import re
from xml.etree import ElementTree

from markupsafe import Markup

from getmore_assets.reporting.figures import INK

_REFERENCE = re.compile(r"url\(#([\w-]+)\)")
_SIZE = re.compile(r"[\d.]+px")
_REMOVED = ("width", "height", "version")  # the page's style sets the size


def inline(svg: str, name: str, alt: str) -> Markup:
    """Return a figure as an `svg` element with the page's text colour and with ids that start with the figure's name.

    Args:
        svg: An SVG document of `figures`.
        name: The name of the figure: letters, digits and hyphens.
        alt: The text alternative.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314 - written by matplotlib, without entities
    for parent in list(root.iter()):
        for child in [c for c in parent if _local(c.tag) in ("metadata", "style")]:
            parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        given = {_local(key): value for key, value in element.attrib.items()}
        element.attrib.clear()
        for key, value in {**_declared(given.pop("style", "")), **given}.items():
            element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value).replace(INK, "currentColor"))
        if element.get("href", "").startswith("#"):
            element.set("href", f"#{name}-{element.get('href', '')[1:]}")
        if "id" in element.attrib:
            element.set("id", f"{name}-{element.get('id')}")
    for key in _REMOVED:
        root.attrib.pop(key, None)
    root.attrib |= {"role": "img", "aria-label": alt}
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - serialised, so escaped


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _declared(style: str) -> dict[str, str]:
    """Return the declarations of a `style` as attributes, as the page's policy forbids inline styles."""
    pairs = (declaration.partition(":") for declaration in style.split(";"))
    declared = {key.strip(): value.strip() for key, _, value in pairs if value}
    font = _SIZE.search(declared.pop("font", ""))  # keep the size; the font family is the page's
    return {**declared, "font-size": font[0]} if font else declared
