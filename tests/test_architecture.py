"""Imports point one way: defs → workers and launch → library; heavy imports stay in worker processes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "getmore_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))
TOP = ("cli", "definitions.py")


def imported(path: Path) -> set[str]:
    """Every module that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def uses(path: Path, module: str) -> bool:
    return any(name == module or name.startswith(module + ".") for name in imported(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    place = path.relative_to(PACKAGE).parts
    if place[0] not in ("defs", *TOP):
        assert not uses(path, "dagster")
        assert not uses(path, "getmore_assets.defs")
    if place != ("tracking.py",):
        assert not uses(path, "mlflow")
    if place[0] not in ("defs", "workers", "launch.py", *TOP):
        assert not uses(path, "getmore_assets.workers")
        assert not uses(path, "getmore_assets.launch")
    if place[0] in ("defs", "workers") or place[-1] == "records.py":
        assert not uses(path, "__future__")


@pytest.mark.parametrize(
    "module", ["definitions", "workers.select", "cli"], ids=["the code server", "a selection by scores", "the command"]
)
def test_what_must_start_fast_loads_nothing_heavy(module):
    code = (
        f"import sys, getmore_assets.{module}; "
        "print([m for m in ('torch', 'transformers', 'mlflow', 'sklearn', 'ray', 'kubernetes') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_what_it_is_for_and_fits_on_a_few_screens(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 300
