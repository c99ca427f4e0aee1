"""Signs of life, given by this process, by real processes that are killed, and by a keeper for another process."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from getmore_assets import liveness

_SLEEPS = "import sys; print('up', flush=True); sys.stdin.read()"
_GIVES = (
    "import sys, time; from pathlib import Path; from getmore_assets import liveness\n"
    "with liveness.signs(Path(sys.argv[1]), 'run'): print('up', flush=True); sys.stdin.read()"
)


@pytest.fixture
def started():
    """A function that starts Python code and waits for its first line."""
    all_started = []

    def start(code, *arguments):
        process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdin=-1, stdout=-1)
        all_started.append(process)
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in all_started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def until(holds, seconds=20):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def test_a_run_lives_while_the_block_is_worked_on_and_leaves_no_evidence_of_a_kill(tmp_path):
    assert liveness.lives(tmp_path, "run") is None
    assert liveness.silent_for(tmp_path, "run") is None
    with liveness.signs(tmp_path, "run"):
        assert liveness.lives(tmp_path, "run") is True
        assert liveness.lives(tmp_path, "another") is None
    assert liveness.lives(tmp_path, "run") is None
    assert 0 <= liveness.silent_for(tmp_path, "run") < 60
    assert list((tmp_path / "run").iterdir()) == []


def test_several_steps_of_a_run_give_signs_at_once(tmp_path, started):
    other = started(_GIVES, str(tmp_path))
    with liveness.signs(tmp_path, "run"):  # does not wait for the other
        assert liveness.lives(tmp_path, "run") is True
    assert liveness.lives(tmp_path, "run") is True
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert liveness.lives(tmp_path, "run") is False
    liveness.forget(tmp_path, "run")
    assert liveness.lives(tmp_path, "run") is None


def test_a_keeper_gives_signs_between_steps_until_the_runs_worker_is_killed(tmp_path, started):
    worker = started(_SLEEPS)
    before = set(psutil.Process().children())
    with liveness.signs(tmp_path, "run", worker.pid):
        pass
    (keeper,) = set(psutil.Process().children()) - before
    assert liveness.lives(tmp_path, "run") is True  # no step is worked on
    with liveness.signs(tmp_path, "run", worker.pid):
        assert set(psutil.Process().children()) - before == {keeper}  # one is enough
    worker.kill()
    worker.wait()
    assert until(lambda: liveness.lives(tmp_path, "run") is False)
    keeper.wait(20)


def test_where_a_keeper_gives_signs_for_this_process_it_does_not_wait_for_them(tmp_path, monkeypatch, started):
    """`dagster job execute` opens a run's resources again in the process whose steps had a keeper started for it."""
    monkeypatch.setattr(liveness, "_LOOK_S", 0.1)
    place = tmp_path / "run"
    place.mkdir()
    lock = liveness._lock(place, os.getpid())
    hold = "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire()"
    started(f"{hold}; print('up', flush=True); sys.stdin.read()", str(lock))
    with liveness.signs(tmp_path, "run"):
        assert liveness.lives(tmp_path, "run") is True
    assert lock.exists()


def test_a_keeper_of_a_process_that_is_gone_gives_no_signs(tmp_path, started):
    worker = started(_SLEEPS)
    worker.kill()
    worker.wait()
    with liveness.signs(tmp_path, "run", worker.pid):
        pass
    assert liveness.lives(tmp_path, "run") is None


def test_of_another_machine_the_heartbeat_decides(tmp_path, monkeypatch, started):
    with liveness.signs(tmp_path, "run"):
        (beat,) = (tmp_path / "run").glob("*.beat")
        monkeypatch.setattr(liveness, "_machine", lambda: "another")
        monkeypatch.setattr(liveness, "_is_locked", lambda _lock: False)  # as on a file system without shared locks
        assert liveness.lives(tmp_path, "run") is True
        long_ago = time.time() - liveness._LEASE_S - 5
        os.utime(beat, (long_ago, long_ago))
        assert liveness.lives(tmp_path, "run") is False


def test_a_look_makes_no_file_and_does_not_disturb(tmp_path):
    (tmp_path / "run").mkdir()
    lock = tmp_path / "run" / "x-1.lock"
    assert liveness._is_locked(lock) is False
    assert not lock.exists()
    with liveness.signs(tmp_path, "run"):
        before = sorted((tmp_path / "run").iterdir())
        assert liveness.lives(tmp_path, "run")
        assert sorted((tmp_path / "run").iterdir()) == before


def test_what_runs_left_long_ago_is_swept_away_when_the_next_begins(tmp_path, started):
    long_ago = time.time() - liveness._REMEMBERED_S - 5
    for name in ("killed", "ended"):
        (tmp_path / name).mkdir()
    (tmp_path / "killed" / "x-1.lock").touch()
    living = started(_GIVES, str(tmp_path))
    for name in ("killed", "ended", "run"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    with liveness.signs(tmp_path, "next"):
        assert {path.name for path in tmp_path.iterdir()} == {"run", "next"}
    living.kill()
