"""A figure inside a page, in the page's own colours.

Belongs here: making what matplotlib writes as SVG part of an HTML page. Does not: the figures (`figures.py`).
"""

import re
from xml.etree import ElementTree

from markupsafe import Markup

from getmore_assets.reporting.figures import INK

_REFERENCE = re.compile(r"url\(#([\w-]+)\)")
_SIZE = re.compile(r"[\d.]+px")
_OWN = ("width", "height", "version")  # the page decides how large a figure is


def inline(svg: str, name: str, alt: str) -> Markup:
    """A drawing as an `svg` element of an HTML page: ink is the text's colour, ids are apart from other drawings'.

    Args:
        svg: A document, as `figures` writes it. Text in it is escaped there, and again here.
        name: Of the figure: letters, digits and hyphens.
        alt: What it shows, for those who cannot see it.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314 - what matplotlib has just written; it defines no entities
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
    for key in _OWN:
        root.attrib.pop(key, None)
    root.attrib |= {"role": "img", "aria-label": alt}
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - serialised, so escaped


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _declared(style: str) -> dict[str, str]:
    """The declarations of a `style` as attributes: the page's policy lets no element have a style of its own."""
    pairs = (declaration.partition(":") for declaration in style.split(";"))
    declared = {key.strip(): value.strip() for key, _, value in pairs if value}
    font = _SIZE.search(declared.pop("font", ""))  # the family is the page's
    return {**declared, "font-size": font[0]} if font else declared
