"""The command that lists and runs the drives; the drives themselves take minutes and are no tests."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drives import __main__ as drives


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Call the command with two drives, of which the second one fails and a third one cannot run."""
    found = {
        "well": drives.Drive("holds", 1, "well"),
        "badly": drives.Drive("does not hold", 2, "badly", lacks=lambda: ""),
        "lacking": drives.Drive("needs a browser", 3, "lacking", lacks=lambda: "no browser"),
    }
    monkeypatch.setattr(drives, "DRIVES", found)
    monkeypatch.setattr(drives, "_run", lambda drive, _folder: 3 if drive.module == "badly" else 0)

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["drives", *arguments, "--results", str(tmp_path)])
        return drives.main()

    return call


@pytest.mark.parametrize("name", drives.DRIVES)
def test_a_drive_is_a_module(name):
    drive = drives.DRIVES[name]
    assert importlib.util.find_spec(f"tests.drives.{drive.module}")
    assert drive.minutes > 0


def test_drives_are_listed_with_what_they_need(called, capsys):
    assert called() == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert len(rows) == 3
    assert "no browser" in rows[2]


def test_one_that_lacks_something_is_skipped_with_the_reason(called, capsys):
    assert called("well", "lacking") == 0
    assert "skipped: no browser" in capsys.readouterr().out


def test_all_of_them_are_run_and_one_that_fails_is_told(called, capsys):
    assert called("--all") == 1
    said = capsys.readouterr().out
    assert "FAILED, exit code 3" in said
    assert "== lacking" not in said


def test_an_unknown_drive_is_refused(called, capsys):
    with pytest.raises(SystemExit) as ended:
        called("wel")
    assert ended.value.code == 2
    assert "well, badly, lacking" in capsys.readouterr().err
