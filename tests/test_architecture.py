"""Imports point one way: defs → stages → workers and launch → library; heavy imports stay in worker processes."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "getmore_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(
    path for name in ("benchmarks", "deploy", "examples") for path in (PACKAGE.parent / name).rglob("*.py")
)
TOP = ("cli", "definitions.py", "components.py", "__init__.py")  # the doors
WITHOUT_DAGSTER = ("api", "stages")


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
    if place[0] not in ("defs", *WITHOUT_DAGSTER, *TOP):
        assert not uses(path, "getmore_assets.stages")
    if place != ("tracking.py",):
        assert not uses(path, "mlflow")
    if place[0] not in ("defs", "stages", "workers", "launch.py", "forks.py", "preflight.py", *TOP):
        assert not uses(path, "getmore_assets.workers")
        assert not uses(path, "getmore_assets.launch")
    if place[0] in ("defs", "workers") or place[-1] == "records.py":
        assert not uses(path, "__future__")


HEAVY = {"torch", "transformers", "mlflow", "sklearn", "ray", "kubernetes", "matplotlib"}
VERBS_ON_A_TASK = (
    "plan",
    "run",
    "select",
    "compare",
    "export",
    "check",
    "approve",
    "doctor",
    "explain",
    "repair",
    "status",
    "clean",
)


def loaded(code: str, *more: str) -> set[str]:
    """Which heavy modules a program loads, and which of `more`."""
    code = f"import sys\n{code}\nprint('loaded:', *({HEAVY | set(more)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("module", ["definitions", "workers.select"], ids=["the code server", "a selection by scores"])
def test_what_must_start_fast_loads_nothing_heavy(module):
    assert loaded(f"import getmore_assets.{module}") == set()


def test_help_loads_no_library_below_and_a_refusal_no_dagster_and_no_polars(tmp_path):
    task = tmp_path / "task.yaml"
    task.write_text("warmpu: {}\n")
    options = {"export": ["--format", "parquet", "--to", str(tmp_path)], "explain": ["id"]}
    calls = [[verb, str(task), *options.get(verb, [])] for verb in VERBS_ON_A_TASK]
    code = f"""
from click.testing import CliRunner
from getmore_assets.cli import main
assert CliRunner().invoke(main, ["--help"]).exit_code == 0
assert "pydantic" not in sys.modules
for call in {calls!r}:
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 2 and "warmpu: unknown key" in done.stderr, (call, done.output)
"""
    assert loaded(code, "dagster", "polars", "numpy") == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_what_it_is_for_and_fits_on_a_few_screens(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 300


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_that_are_pointed_to_exist(path):
    for name in re.findall(r"`([\w/]+\.py)`", path.read_text()):
        near = any((folder / name).is_file() for folder in (path.parent, *path.parent.parents))
        assert near or (PACKAGE / name).is_file() or ("/" not in name and len(list(PACKAGE.rglob(name))) == 1), name


def names_in(module: Path) -> set[str]:
    """What a module defines, imports or assigns, at any depth; for a package, its modules as well."""
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    found = {path.stem for path in module.iterdir()} if module.is_dir() else set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_import_names_that_exist(script):
    """Nothing else tries the scripts that run for minutes, so a renamed function could go unnoticed in them."""
    tree = ast.parse(script.read_text())
    of_before = [node for handler in ast.walk(tree) if isinstance(handler, ast.ExceptHandler) for node in handler.body]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node not in of_before
            and (node.module or "").startswith("getmore_assets")
        ):
            assert node.module
            module = PACKAGE.parent.joinpath(*node.module.split("."))
            assert {alias.name for alias in node.names} <= names_in(module), node.module
