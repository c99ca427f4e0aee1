"""Example text that every machine has: the docstrings of Python's standard library, by package."""

import ast
import sysconfig
from pathlib import Path

import polars as pl


def docstrings(*packages: str) -> pl.DataFrame:
    """Return the docstrings of packages or modules: body, topic (the package)."""
    rows, library = [], Path(sysconfig.get_path("stdlib"))
    for package in packages:
        path = library / package
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]:
            for node in ast.walk(ast.parse(file.read_bytes())):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    rows.append({"body": ast.get_docstring(node) or "", "topic": package})
    return pl.DataFrame(rows).filter(pl.col("body").str.len_chars() > 40).unique("body", maintain_order=True)
