"""Real text that every machine has (the standard library's documentation), and one task through the pipeline."""

import json
import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))  # two threads spin on models this small
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"  # as every worker's process has it

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from filelock import FileLock

from getmore_assets import launch
from getmore_assets.corpus import python_docs
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from tests import in_process

SHARED = Path(__file__).parents[2] / "shared"
DOMAINS = ("argparse", "collections", "logging", "unittest")  # of the pool: stand for a quarter of the modules each
_ROOM = 8 * 2**30
SECRET = "hf_ThisStandsForTheTokenOfAUser"  # what the environment of every command holds, and nothing may keep


#: Files that take longest, in falling order: they begin first, so that no pytest worker ends alone with one of them.
LONGEST = (
    *("test_reselection", "test_docs", "test_examples", "test_checks", "test_paper", "test_several", "test_scorecard"),
    *("test_cli_terminal", "test_cli"),
)


def pytest_configure() -> None:
    """Have the tests write to memory where there is room: they write about 1 GiB, and every commit waits for a disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > _ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the others keep their order."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def _workers_in_process() -> Iterator[None]:
    """Workers run in this process, but for tests that ask for `real_processes`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "run_here", in_process.run_worker)
        yield


@pytest.fixture
def real_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers run in processes of their own, as they do for a user."""
    monkeypatch.setattr(launch, "run_here", in_process.RUN_IN_PROCESSES)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development data, where it is there."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the development data is not beside this checkout")
    return SHARED / "data"


@pytest.fixture(scope="session")
def documents() -> pl.DataFrame:
    """Docstrings and topics of the standard library: text, source (module), domain (the first part of the module)."""
    rows = [
        {"text": text, "source": module, "domain": module.split(".")[0].split(":")[0]}
        for text, module, _ in python_docs.read(["python"], [])
        if len(text) < 1500
    ]
    return pl.DataFrame(rows).unique("text", keep="first", maintain_order=True)


@pytest.fixture(scope="session")
def sources(documents: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pool.parquet (1,200 rows) and {train,validation,test}.jsonl, whose target is asyncio and email."""
    folder = shared_folder(tmp_path_factory, "sources")
    with FileLock(folder / "lock"):
        if not (folder / "test.jsonl").is_file():
            write_sources(documents, folder)
    return folder


def write_sources(documents: pl.DataFrame, folder: Path) -> None:
    """Write the files of `sources`."""
    wanted = pl.col("domain").is_in(["asyncio", "email"])
    # Four domains: each is a transport problem of its own.
    few = pl.col("domain").rank("dense").mod(4).replace_strict(dict(enumerate(DOMAINS)), return_dtype=pl.String)
    documents.filter(~wanted).head(1200).with_columns(domain=few).write_parquet(folder / "pool.parquet")
    target = documents.filter(wanted).select("text", pl.col("domain").alias("label")).sample(240, seed=1)
    for split, start, rows in (("train", 0, 120), ("validation", 120, 40), ("test", 160, 80)):
        target.slice(start, rows).write_ndjson(folder / f"{split}.jsonl")


def task_fields(sources: Path, lake: Path | str, **changes: Any) -> dict[str, Any]:
    """A task that runs in seconds."""
    fields = {
        "name": "tiny",
        "lake": str(lake),
        "candidates": [{"path": str(sources / "pool.parquet"), "source": "source", "domain": "domain"}],
        "target": {split: str(sources / f"{split}.jsonl") for split in ("train", "validation", "test")},
        "corpus": {"held_out": 0.05},
        "encoder": {"model": "lexical", "dimensions": 32},
        "base_model": {
            "model": "small",
            "small": {"layers": 1, "width": 32, "heads": 2, "vocabulary": 500, "rows": 300},
        },
        "selection": {"budget": {"rows": 100}},
        "warmup": {"batch_size": 8, "max_length": 64, "learning_rate": 1e-3},
        "finetune": {"batch_size": 8, "max_length": 64, "epochs": 1},
        "seeds": 2,
    }
    return {**fields, **changes}


def write_task(path: Path, fields: dict[str, Any]) -> Path:
    """A task file."""
    path.write_text(yaml.safe_dump(fields), "utf-8")
    return path


_SECRETS = {"HF_TOKEN": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET}
_UNSET = ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")


def getmore(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, in this process."""
    return in_process.run_command(list(arguments), {**_SECRETS, **dict.fromkeys(_UNSET)}, cwd)


def getmore_process(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, in a process of its own, with workers of their own."""
    environment = {**{k: v for k, v in os.environ.items() if k not in _UNSET}, **_SECRETS}
    command = [sys.executable, "-m", "getmore_assets.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, check=False)


@dataclass(frozen=True)
class Ran:
    """A task that went down the line, with what was said of it on stdout (printed) and stderr."""

    file: Path
    fields: dict[str, Any]
    printed: dict[str, Any]
    said: str
    lake: Lake
    records: Records


@pytest.fixture(scope="session")
def ran(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The tiny task, run once by the command for the whole session. Tests that write take a `Copy`."""
    home = shared_folder(tmp_path_factory, "ran")
    fields = task_fields(sources, home / "lake")
    with FileLock(home / "lock"):  # whichever pytest worker comes first makes it for all
        if not (home / "printed.json").is_file():
            done = getmore("run", str(write_task(home / "tiny.yaml", fields)), "--json")
            assert done.returncode == 0, done.stderr[-4000:]
            (home / "said.txt").write_text(done.stderr, "utf-8")
            (home / "printed.json").write_text(done.stdout.splitlines()[-1], "utf-8")
    lake, printed = Lake(home / "lake"), json.loads((home / "printed.json").read_text("utf-8"))
    return Ran(home / "tiny.yaml", fields, printed, (home / "said.txt").read_text("utf-8"), lake, Records(lake, "tiny"))


@pytest.fixture
def ran_copy(ran: Ran, tmp_path: Path) -> Ran:
    """The tiny task on a lake of this test's own, for tests that write to it or hold it to be unchanged."""
    home = tmp_path / "ran"
    copy_lake(ran.lake.root, home / "lake")
    fields = {**ran.fields, "lake": str(home / "lake")}
    lake = Lake(home / "lake")
    return replace(
        ran, file=write_task(home / "tiny.yaml", fields), fields=fields, lake=lake, records=Records(lake, "tiny")
    )


def copy_lake(root: Path, to: Path, *left_out: str) -> None:
    """Copy a lake; its records name places relative to its root."""
    shutil.copytree(root, to, ignore=shutil.ignore_patterns(*left_out))


def shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder of this session that all pytest workers share."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
