"""Fixtures: texts of the standard library's documentation, and one task that has run."""

import json
import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))  # small models are slower with two
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"  # as in every worker

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from tests.s3_server import BUCKET, S3, serving

SHARED = Path(__file__).parents[2] / "shared"
DOMAINS = ("argparse", "collections", "logging", "unittest")  # names of four domains of the pool
_MIN_FREE = 8 * 2**30  # bytes
SECRET = "hf_ThisStandsForTheTokenOfAUser"  # in the environment of every command; no file or output may contain it


#: The slowest files, slowest first: they start first, so that no pytest worker ends long after the others.
LONGEST = (
    *("test_reselection", "test_docs", "test_examples", "test_checks", "test_paper", "test_several", "test_scorecard"),
    *("test_cli_terminal", "test_cli"),
)


def pytest_configure() -> None:
    """Write the tests' files (about 1 GiB) to memory if it has room, because commits are slow on a disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > _MIN_FREE:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the slowest files first; the others keep their order."""
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def _workers_in_process() -> Iterator[None]:
    """Run workers in this process, except in tests with the fixture `real_processes`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "run_here", in_process.run_worker)
        yield


@pytest.fixture
def real_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run workers in separate processes, as for a user."""
    monkeypatch.setattr(launch, "run_here", in_process.RUN_IN_PROCESSES)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of the development data, or skip the test."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the development data is not beside this checkout")
    return SHARED / "data"


@pytest.fixture(scope="session")
def documents() -> pl.DataFrame:
    """Return the standard library's docstrings: text, source (module), domain (the first part of the module)."""
    rows = [
        {"text": text, "source": module, "domain": module.split(".")[0].split(":")[0]}
        for text, module, _ in python_docs.read(["python"], [])
        if len(text) < 1500
    ]
    return pl.DataFrame(rows).unique("text", keep="first", maintain_order=True)


@pytest.fixture(scope="session")
def sources(documents: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with pool.parquet (1,200 rows) and {train,validation,test}.jsonl (of asyncio and email)."""
    folder = shared_folder(tmp_path_factory, "sources")
    with FileLock(folder / "lock"):
        if not (folder / "test.jsonl").is_file():
            write_sources(documents, folder)
    return folder


def write_sources(documents: pl.DataFrame, folder: Path) -> None:
    """Write the files of `sources`."""
    of_target = pl.col("domain").is_in(["asyncio", "email"])
    # Only four domains, because each is a separate transport problem.
    few = pl.col("domain").rank("dense").mod(4).replace_strict(dict(enumerate(DOMAINS)), return_dtype=pl.String)
    documents.filter(~of_target).head(1200).with_columns(domain=few).write_parquet(folder / "pool.parquet")
    target = documents.filter(of_target).select("text", pl.col("domain").alias("label")).sample(240, seed=1)
    for split, start, rows in (("train", 0, 120), ("validation", 120, 40), ("test", 160, 80)):
        target.slice(start, rows).write_ndjson(folder / f"{split}.jsonl")


def task_fields(sources: Path, lake: Path | str, **changes: Any) -> dict[str, Any]:
    """Return the fields of a task that runs in seconds."""
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
        "selection": {"selector": "got-d", "budget": {"rows": 100}},
        "warmup": {"batch_size": 8, "max_length": 64, "learning_rate": 1e-3},
        "finetune": {"batch_size": 8, "max_length": 64, "epochs": 1},
        "seeds": 2,
    }
    return {**fields, **changes}


def write_task(path: Path, fields: dict[str, Any]) -> Path:
    """Write a task file."""
    path.write_text(yaml.safe_dump(fields), "utf-8")
    return path


_SECRETS = {"HF_TOKEN": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET}
_UNSET = ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")


def getmore(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in this process."""
    return in_process.run_command(list(arguments), {**_SECRETS, **dict.fromkeys(_UNSET)}, cwd)


def getmore_process(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a separate process, with separate workers, as for a user."""
    environment = {**{k: v for k, v in os.environ.items() if k not in _UNSET}, **_SECRETS}
    command = [sys.executable, "-m", "getmore_assets.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, check=False)


@dataclass(frozen=True)
class Ran:
    """A task that has run, with the JSON of its standard output (printed) and its standard error (said)."""

    file: Path
    fields: dict[str, Any]
    printed: dict[str, Any]
    said: str
    lake: Lake
    records: Records


@pytest.fixture(scope="session")
def ran(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Return the tiny task, run once a session by the command. Tests that write use a copy (`ran_copy`, `Copy`)."""
    home = shared_folder(tmp_path_factory, "ran")
    fields = task_fields(sources, home / "lake")
    with FileLock(home / "lock"):  # the first pytest worker runs it for all
        if not (home / "printed.json").is_file():
            done = getmore("run", str(write_task(home / "tiny.yaml", fields)), "--json")
            assert done.returncode == 0, done.stderr[-4000:]
            (home / "said.txt").write_text(done.stderr, "utf-8")
            (home / "printed.json").write_text(done.stdout.splitlines()[-1], "utf-8")
    lake, printed = Lake(home / "lake"), json.loads((home / "printed.json").read_text("utf-8"))
    return Ran(home / "tiny.yaml", fields, printed, (home / "said.txt").read_text("utf-8"), lake, Records(lake, "tiny"))


@pytest.fixture
def ran_copy(ran: Ran, tmp_path: Path) -> Ran:
    """Return the tiny task with a copy of its lake, for tests that write to it or need it unchanged."""
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


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    """An S3 server on loopback."""
    pytest.importorskip("obstore")
    pytest.importorskip("moto")
    with serving() as started:
        yield started


@pytest.fixture
def named_machine(server: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that gives this process the mirror of a machine, by its name; the server's bucket is empty."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    for name in server.names():
        server.client.delete_object(Bucket=BUCKET, Key=name)
    return lambda name: monkeypatch.setenv("GETMORE_MIRROR", str(tmp_path / name))


def shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """Return a folder that all pytest workers of this session share."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
