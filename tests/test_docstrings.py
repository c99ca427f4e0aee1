"""What is public says what it is; a function that takes or gives an array says its shape."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "getmore_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))
ARRAY = re.compile(r"\b(np\.ndarray|torch\.Tensor|Tensor|Rows)\b")
SHAPE = re.compile(r"`\[[^\]`]+\]`")
ELSEWHERE = re.compile(r"See `\w+`")  # the protocol that a method fulfils
Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(node: ast.Module | ast.ClassDef, within: str = "") -> Iterator[tuple[str, Named]]:
    """Classes, functions and methods whose names, and those of what they stand in, begin with no underscore."""
    for child in node.body:
        if isinstance(child, Named) and not child.name.startswith("_"):
            yield within + child.name, child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{within}{child.name}.")


def arrays(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether an argument, or what is returned, is or holds an array."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = [*(one.annotation for one in given), function.returns]
    return any(ARRAY.search(ast.unparse(annotation)) for annotation in annotations if annotation)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_what_is_public_is_documented_with_shapes(path):
    without, shapeless = [], []
    for name, node in public(ast.parse(path.read_text("utf-8"))):
        said = ast.get_docstring(node) or ""
        if not said:
            without.append(name)
        elif not isinstance(node, ast.ClassDef) and arrays(node) and not (SHAPE.search(said) or ELSEWHERE.match(said)):
            shapeless.append(name)
    assert not without, "no docstring"
    assert not shapeless, "an array, and no shape as `[n, d]`"
