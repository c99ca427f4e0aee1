"""Text that every machine has, in the place of yours: docstrings of Python's standard library, by package."""

import ast
import sysconfig
from pathlib import Path

import polars as pl


def docstrings(*packages: str) -> pl.DataFrame:
    """Return the docstrings of some packages or modules: body, topic (the package)."""
    rows, library = [], Path(sysconfig.get_path("stdlib"))
    for package in packages:
        place = library / package
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
            for node in ast.walk(ast.parse(file.read_bytes())):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    rows.append({"body": ast.get_docstring(node) or "", "topic": package})
    return pl.DataFrame(rows).filter(pl.col("body").str.len_chars() > 40).unique("body", maintain_order=True)
