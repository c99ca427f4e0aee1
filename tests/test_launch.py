import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from getmore_assets import launch
from getmore_assets.errors import BadInput
from getmore_assets.forks import CAN_FORK, ForkServer
from getmore_assets.launch import WorkerFailedError
from getmore_assets.metering import Meter
from getmore_assets.workers.contracts import SOLVE, TRIAGE, SolveSpec, TriageSpec
from tests.conftest import task_fields, write_task

ROOT = Path(__file__).parents[1]
needs_forks = pytest.mark.skipif(not CAN_FORK, reason="this system starts each worker anew")


@pytest.fixture(autouse=True)
def _in_processes(real_processes):
    pass


def test_a_worker_that_crashes_is_an_error_that_says_so(tmp_path):
    with pytest.raises(WorkerFailedError, match="ValidationError: 10 validation errors for SolveSpec"):
        launch.launch(SOLVE, SolveSpec.model_construct(), tmp_path)


def refused_spec(sources, tmp_path):
    """What the triage worker refuses: an encoder with more dimensions than there are words."""
    from getmore_assets.config import Task
    from getmore_assets.corpus import pool, target
    from getmore_assets.corpus.leakage import SCHEMA
    from getmore_assets.lake import Lake

    task = Task.model_validate(
        task_fields(sources, tmp_path / "lake", encoder={"model": "lexical", "dimensions": 5000})
    )
    lake = Lake(task.lake)
    table, _, _ = pool.build(task, lake, {})
    kept = lake.replace(target.TABLE, target.read_target(task)[0], {"target": task.name}, {})
    leaks = lake.replace("leakage", pl.DataFrame(schema=SCHEMA), {"target": task.name}, {})
    tables = {"raw_corpus": table, "target_data": kept, "leakage": leaks}
    return TriageSpec(task=task, lake=lake.root, work=tmp_path, **tables)


def test_a_refusal_comes_back_as_it_was_said(sources, tmp_path):
    with pytest.raises(BadInput, match=r"encoder\.dimensions"):
        launch.launch(TRIAGE, refused_spec(sources, tmp_path), tmp_path)


def test_a_worker_counts_with_its_peak_memory(sources, tmp_path):
    meter = Meter()
    with pytest.raises(BadInput):
        launch.launch(TRIAGE, refused_spec(sources, tmp_path), tmp_path, meter=meter)
    assert meter.peak_rss_mb > psutil.Process().memory_info().rss / 2**20 + 100  # torch alone takes more


@needs_forks
def test_workers_are_forked_from_one_interpreter_as_long_as_the_environment_stays(tmp_path, monkeypatch):
    server, spec = ForkServer(), tmp_path / "spec.json"
    spec.write_text("{}")

    def interpreter():
        assert server.run("solve", spec, tmp_path / "result.json", {}).code == 1  # a spec without a task
        return server._process.pid

    first = interpreter()
    assert interpreter() == first
    monkeypatch.setenv("GETMORE_TESTS_SAY", "something else")
    assert interpreter() != first
    assert not psutil.pid_exists(first)
    server.end()


@needs_forks
def test_a_worker_that_is_killed_is_told_by_its_signal_and_the_next_one_works(tmp_path):
    server, spec = ForkServer(), tmp_path / "spec.fifo"
    os.mkfifo(spec)  # the worker waits for what nobody writes

    def kill():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            workers = psutil.Process(server._process.pid).children() if server._process else []
            if workers:
                workers[0].send_signal(signal.SIGKILL)
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    assert server.run("solve", spec, tmp_path / "result.json", {}).code == -signal.SIGKILL
    killer.join()
    (tmp_path / "spec.json").write_text("{}")
    assert server.run("solve", tmp_path / "spec.json", tmp_path / "result.json", {}).code == 1
    server.end()


@needs_forks
def test_a_worker_ends_with_the_process_that_asked_for_it(tmp_path):
    spec = tmp_path / "spec.fifo"
    os.mkfifo(spec)
    program = f"""from pathlib import Path
from getmore_assets.forks import ForkServer
ForkServer().run("solve", Path({str(spec)!r}), Path({str(tmp_path / "result.json")!r}), {{}})"""
    asks = psutil.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 60
    while len(asks.children(recursive=True)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started = asks.children(recursive=True)
    asks.kill()
    asks.wait()
    assert psutil.wait_procs(started, timeout=10)[1] == []


@needs_forks
def test_an_interpreter_that_is_still_importing_ends_with_the_process_that_asked_for_it(tmp_path):
    """The import holds the interpreter's lock for a minute, as that of a large library does on a busy machine."""
    (tmp_path / "torch.py").write_text("import ctypes\nopen('importing', 'w').close()\nctypes.PyDLL(None).sleep(60)\n")
    (tmp_path / "spec.json").write_text("{}")
    program = """from pathlib import Path
from getmore_assets.forks import ForkServer
ForkServer().run("solve", Path("spec.json"), Path("result.json"), {})"""
    search = os.pathsep.join([str(tmp_path), str(Path(launch.__file__).parents[1])])
    asks = psutil.Popen([sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": search})
    deadline = time.monotonic() + 60
    while not (tmp_path / "importing").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started = asks.children(recursive=True)
    asks.kill()
    asks.wait()
    assert len(started) == 1
    assert psutil.wait_procs(started, timeout=10)[1] == []


@pytest.mark.parametrize(
    ("seen", "ranks", "own"),
    [(None, 1, "0"), ("2,3", 1, "2"), ("", 1, ""), ("GPU-1f,GPU-2e", 1, "GPU-1f"), ("2,3", 2, "2,3")],
)
def test_one_process_sees_one_gpu_wherever_it_runs(seen, ranks, own, tmp_path, monkeypatch):
    """The program of a worker, as this machine, torchrun and a pod start it."""
    monkeypatch.setenv("WORLD_SIZE", str(ranks))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if seen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    spec, result = tmp_path / "spec.json", tmp_path / "result.json"
    spec.write_text("{}")
    program = """
import os; from getmore_assets.workers import run; from getmore_assets.workers.contracts import Contract
class Seen(Contract): seen: str
def look(spec: Contract) -> Seen: return Seen(seen=os.environ["CUDA_VISIBLE_DEVICES"])
run(look)"""
    assert launch._run_anew(["-c", program, str(spec), str(result)], 1, {}, None).code == 0
    assert json.loads(result.read_text()) == {"seen": own}


@pytest.mark.parametrize(
    ("worker", "base", "told", "found"),
    [
        ("train", None, {}, "0"),
        ("train", None, {"MALLOC_MMAP_MAX_": "9"}, "9"),
        ("solve", None, {}, "none"),
        ("select", "model", {}, "0"),
        ("select", None, {}, "none"),
    ],
)
def test_a_worker_that_trains_keeps_its_memory_unless_told_otherwise(worker, base, told, found, tmp_path, monkeypatch):
    monkeypatch.delenv("MALLOC_MMAP_MAX_", raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    written, spec = tmp_path / "found", tmp_path / "spec.json"
    spec.write_text(json.dumps({"base": base}))
    shown = "os.environ.get('MALLOC_MMAP_MAX_', 'none')"
    program = f"import os, pathlib; pathlib.Path({str(written)!r}).write_text({shown})"
    assert launch._run_anew(["-c", program], 1, launch.settings(worker, spec), None).code == 0
    assert written.read_text() == found


@needs_forks
def test_a_selection_starts_one_interpreter_for_all_its_workers(sources, tmp_path):
    task = write_task(tmp_path / "task.yaml", task_fields(sources, tmp_path / "lake"))
    program = """
import sys
from getmore_assets import forks
from getmore_assets.cli import main
started, ready = set(), forks.ForkServer._ready
def counted(server, environment):
    channel = ready(server, environment)
    started.add(server._process.pid)
    return channel
forks.ForkServer._ready = counted
main(["select", sys.argv[1]], standalone_mode=False)
print(len(started))"""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "MALLOC"))}
    command = [sys.executable, "-c", program, str(task)]
    ended = subprocess.run(command, env={**own, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "1"


def test_an_address_is_of_the_interface_that_has_it():
    own = {name for name, found in psutil.net_if_addrs().items() if "127.0.0.1" in {one.address for one in found}}
    assert launch._interface("127.0.0.2") in own
    assert launch._interface("192.0.2.1") is None  # of no machine, RFC 5737
