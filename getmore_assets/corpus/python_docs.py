"""The documentation of the installed Python distributions, as text that every machine has.

Belongs here: docstrings (parsed, never imported), long descriptions, topics of the language reference. Does not:
cleaning or cutting.
"""

import ast
import gc
import inspect
import platform
import re
import sysconfig
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from pydoc_data import topics

from getmore_assets.errors import BadInput

LANGUAGE = "python"  # the name of the standard library and the language reference
_SKIPPED_FOLDERS = {"tests", "test", "testing", "_vendor", "vendor", "site-packages", "idlelib", "lib2to3"}
_SHORTEST = 80  # characters; shorter docstrings repeat a name


def canonical(name: str) -> str:
    """Return a distribution's name, normalized as in PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(include: list[str], exclude: list[str]) -> dict[str, str]:
    """Return the versions of distributions by name, in order of name; without `include`, of all that are installed.

    Raises:
        BadInput: A distribution in `include` is not installed.
    """
    versions = {canonical(name): _version(name) for name in include}
    if not include:  # reading the metadata of all takes a third of a second
        versions = {canonical(d.metadata["Name"]): d.version for d in metadata.distributions()}
        versions[LANGUAGE] = platform.python_version()
    return {name: versions[name] for name in sorted(set(versions) - {canonical(n) for n in exclude})}


def _version(name: str) -> str:
    try:
        return platform.python_version() if canonical(name) == LANGUAGE else metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        what = "no such distribution is installed"
        raise BadInput(f"python-docs include `{name}`", what, "Install it, or remove it from `include`") from None


def read(include: list[str], exclude: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (text, source, domain): the source is the module, the domain the distribution."""
    for name in distributions(include, exclude):
        if name == LANGUAGE:
            yield from ((text, f"topic:{topic}", name) for topic, text in sorted(topics.topics.items()))
            root = Path(sysconfig.get_path("stdlib"))
            files = [(p, p.relative_to(root)) for p in sorted(root.rglob("*.py"))]
        else:
            found = metadata.distribution(name)
            description = found.metadata["Description"] or found.metadata.get_payload()  # type: ignore[attr-defined]
            if isinstance(description, str) and len(description) >= _SHORTEST:
                yield description, "description", name
            files = [(Path(str(f.locate())), Path(str(f))) for f in sorted(found.files or [], key=str)]
        for path, relative in files:
            if relative.suffix == ".py" and not _SKIPPED_FOLDERS & set(relative.parts):
                module = ".".join(relative.with_suffix("").parts)
                yield from ((text, module, name) for text in docstrings(path))


def docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a source file, dedented, in order; none if the file does not parse."""
    try:
        with warnings.catch_warnings(), _without_collection():
            warnings.simplefilter("ignore")  # invalid escape sequences in the file
            tree = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
        return
    for node in _documented(tree):
        text = ast.get_docstring(node, clean=False)
        if text and len(text) >= _SHORTEST:
            yield inspect.cleandoc(text)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Disable the garbage collector, which takes a quarter of the time of parsing and finds nothing."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _documented(node: ast.AST) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the modules, classes and functions under a node; expressions, which are many, are not visited."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node
    for block in ("body", "orelse", "handlers", "finalbody"):
        statements = getattr(node, block, [])
        for child in statements if isinstance(statements, list) else []:
            yield from _documented(child)
