"""The examples run as their page says: by Dagster's own command line, and the notebook in a kernel.

The command line runs in this process, but for the project whose executor starts a process a step.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner
from dagster._cli import create_dagster_cli

from getmore_assets.lake import Lake
from getmore_assets.records import Records

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.SupersessionWarning"),  # `dg` needs a project
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),  # of Dagster's loader of YAML
]
ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
BIN = Path(sys.executable).parent
FILES = ("existing_project.py", "two_pipelines.py", "downstream.py")


@pytest.fixture
def here(tmp_path):
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("data", ".getmore", "__pycache__"))
    (tmp_path / "home").mkdir()
    return tmp_path / "examples"


def environment(here):
    """With an instance of its own."""
    return {
        **os.environ,
        "DAGSTER_HOME": str(here.parent / "home"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(here), str(ROOT)]),
    }


def process(here, program, *arguments):
    """Run a command in the folder of the examples; what it says."""
    command = [str(BIN / program), *arguments]
    done = subprocess.run(command, cwd=here, env=environment(here), capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def dagster(here, *arguments):
    """Run Dagster's command line in the folder of the examples, and forget the modules that it imports there."""
    known = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(here):
        patch.setenv("DAGSTER_HOME", environment(here)["DAGSTER_HOME"])
        patch.syspath_prepend(here)
        done = CliRunner().invoke(create_dagster_cli(), arguments)
    for name in set(sys.modules) - known:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(here)):
            del sys.modules[name]
    assert done.exit_code == 0, (done.output[-4000:], done.exception)
    return done.output


def records(here, task):
    return Records(Lake(here / "data" / "lake"), task)


@pytest.mark.parametrize("name", FILES)
def test_each_is_one_file_of_less_than_60_lines(name):
    assert len((EXAMPLES / name).read_text().splitlines()) < 60


def test_the_pipeline_runs_beside_a_project_on_its_executor_after_its_assets(here):
    project = ["-f", "existing_project.py"]
    dagster(here, "asset", "materialize", *project, "--select", "my_docs")
    chosen = ["--select", "warm/raw_corpus", "--partition", "asyncio"]
    said = process(here, "dagster", "asset", "materialize", *project, *chosen)
    assert "Multiprocess executor" in said
    made = records(here, "asyncio").get("raw_corpus")
    assert made.settings["candidates"][0]["version"] == 0
    assert set(pl.read_delta(here / "data/my_docs")["topic"]) == {"logging", "argparse", "ctypes", "xml"}
    assert made.rows > 300


def test_two_pipelines_select_in_one_lake(here):
    project = ["-f", "two_pipelines.py"]
    dagster(here, "asset", "materialize", *project, "--select", "my_docs,target_docs")
    for name in ("transport", "neighbours"):
        dagster(here, "job", "execute", *project, "-j", f"{name}_select")
    chosen = [
        set(records(here, f"asyncio-{one}").get("selected_subset").table.scan().collect()["id"])
        for one in ("got-d", "knn")
    ]
    assert all(chosen)
    assert records(here, "asyncio-knn").get("embeddings").facts["encoded"] == 0  # the same vectors


def test_an_asset_takes_the_selection_as_a_parameter(here):
    dagster(here, "asset", "materialize", "-f", "downstream.py", "--select", "*topics")
    instance = dg.DagsterInstance.from_config(str(here.parent / "home"))
    counted = instance.get_latest_materialization_event(dg.AssetKey("topics")).asset_materialization
    assert sum(one["selected"] or 0 for one in counted.metadata["topics"].value) == 50
    assert records(here, "asyncio").get("selected_subset").rows == 50


def test_the_project_of_the_component_loads_and_makes_its_pool(here):
    component = ["-m", "mine.definitions", "-d", "component/src"]
    dagster(here, "asset", "materialize", *component, "--select", "warm/target_data")
    files = [path for path in (here / "component").rglob("*") if path.suffix in (".py", ".yaml", ".toml")]
    assert sum(len(path.read_text().splitlines()) for path in files) < 60


def test_the_notebook_runs_in_a_kernel_and_shows_what_each_cell_returns(here, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(here / "select.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(here)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(len(cell.source.splitlines()) for cell in cells) < 60
    shown = [next(one.data for one in cell.outputs if one.output_type == "execute_result") for cell in cells]
    begins = ("(Dataset(", "<Selection of 50 rows", "shape: (5, 6)", "shape: (5, 4)", "[('raw_corpus',", "Dataset(")
    assert [one["text/plain"].startswith(begin) for one, begin in zip(shown, begins, strict=True)] == [True] * 6
    assert [number for number, one in enumerate(shown) if "text/html" in one] == [1, 2, 3]
