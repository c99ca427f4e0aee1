"""Hooks of the docs site, which `make docs` builds: pages outside of `docs/`, and links between pages.

Belongs here: turning pages of the repository into pages of a site. Does not: their text.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
#: Pages outside of `docs/`, by their name on the site.
ELSEWHERE = {
    "index.md": "README.md",
    "architecture.md": "ARCHITECTURE.md",
    "benchmarks.md": "benchmarks/README.md",
    "deploy.md": "deploy/README.md",
    "paper.md": "examples/paper/README.md",
    "changelog.md": "CHANGELOG.md",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside of `docs/`."""
    for name, path in ELSEWHERE.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to pages of the site, and replace links to other files by the name of the file."""
    own = PurePosixPath(ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")).parent
    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(lambda m: _link(m, own), part) for part in parts)


def _link(found: re.Match[str], own: PurePosixPath) -> str:
    image, words, to, anchor = found.groups()
    if "://" in to:
        return found[0]
    path = (ROOT / own / to).resolve().relative_to(ROOT).as_posix()
    name = next((name for name, place in ELSEWHERE.items() if place == path), None)
    if name is None and path.startswith("docs/") and (ROOT / path).is_file():
        name = path.removeprefix("docs/")
    if name is None:
        return f"{words} (`{path}`)" if words.strip("`") != path else f"`{path}`"
    return f"{image}[{words}]({name}{anchor or ''})"
