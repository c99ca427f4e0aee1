"""The examples run as their page says: by Dagster's own command line, and the notebook cell by cell."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from getmore_assets.lake import Lake
from getmore_assets.records import Records

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
BIN = Path(sys.executable).parent
FILES = ("existing_project.py", "two_pipelines.py", "downstream.py")


@pytest.fixture
def here(tmp_path):
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("data", ".getmore", "__pycache__"))
    (tmp_path / "home").mkdir()
    return tmp_path / "examples"


def say(here, program, *arguments, path="."):
    """Run a command in the folder of the examples, with an instance of its own."""
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(here.parent / "home"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(here / path), str(ROOT)]),
    }
    command = [str(BIN / program), *arguments]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def records(here, task):
    return Records(Lake(here / "data" / "lake"), task)


@pytest.mark.parametrize("name", FILES)
def test_each_is_one_file_of_less_than_60_lines_that_loads(name, here):
    assert len((here / name).read_text().splitlines()) < 60
    say(here, "dagster", "definitions", "validate", "-f", name)


def test_the_pipeline_runs_beside_a_project_on_its_executor_after_its_assets(here):
    first = ["my_docs", "wanted_asyncio"]
    project = ["-f", "existing_project.py"]
    say(here, "dagster", "asset", "materialize", *project, "--select", ",".join(first))
    chosen = "warm/raw_corpus,warm/target_data"
    said = say(here, "dagster", "asset", "materialize", *project, "--select", chosen, "--partition", "asyncio")
    assert "Multiprocess executor" in said
    made = records(here, "asyncio").get("raw_corpus")
    assert made.settings["candidates"][0]["version"] == 0
    assert set(pl.read_delta(here / "data/my_docs")["topic"]) == {"logging", "argparse", "ctypes", "xml"}
    assert made.rows > 300


def test_two_pipelines_select_in_one_lake(here):
    project = ["-f", "two_pipelines.py"]
    say(here, "dagster", "asset", "materialize", *project, "--select", "my_docs,wanted")
    for name in ("transport", "neighbours"):
        say(here, "dagster", "job", "execute", *project, "-j", f"{name}_select")
    chosen = [
        set(records(here, f"asyncio-{one}").get("selected_subset").table.scan().collect()["id"])
        for one in ("got-d", "knn")
    ]
    assert all(chosen)
    assert records(here, "asyncio-knn").get("embeddings").facts["encoded"] == 0  # the same vectors


def test_an_asset_takes_the_selection_as_a_parameter(here):
    said = say(here, "dagster", "asset", "materialize", "-f", "downstream.py", "--select", "*topics")
    assert "RUN_SUCCESS" in said
    assert records(here, "asyncio").get("selected_subset").rows == 50


def test_the_project_of_the_component_loads_and_makes_its_pool(here):
    component = ["-m", "mine.definitions"]
    chosen = "warm/target_data"
    say(here, "dagster", "definitions", "validate", *component, path="component/src")
    say(here, "dagster", "asset", "materialize", *component, "--select", chosen, path="component/src")
    files = [path for path in (here / "component").rglob("*") if path.suffix in (".py", ".yaml", ".toml")]
    assert sum(len(path.read_text().splitlines()) for path in files) < 60


def test_the_notebook_runs_cell_by_cell(here, monkeypatch):
    cells = json.loads((here / "select.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert sum(len(one.splitlines()) for one in code) < 60
    program = here / "run.py"
    shown = "\n".join(
        f"exec(compile({json.dumps(statements)}, 'cell', 'exec'))\nshown = eval({json.dumps(last)})\n"
        "print(type(shown).__name__, len(getattr(shown, '_repr_html_', str)() or ''))"
        for statements, last in (("\n".join(one.splitlines()[:-1]), one.splitlines()[-1]) for one in code)
    )
    program.write_text(shown)
    said = say(here, "python", str(program)).splitlines()
    kinds = [
        line.split()[0] for line in said if line.split()[0] in ("tuple", "Selection", "DataFrame", "list", "Dataset")
    ]
    assert kinds == ["tuple", "Selection", "DataFrame", "DataFrame", "list", "Dataset"]
