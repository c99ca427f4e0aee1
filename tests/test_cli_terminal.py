"""What a command says of its work: short in a pipe, one line a stage, and how to go on after Ctrl-C."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from rich.console import Console
from rich.text import Text

from getmore_assets.cli.terminal import print_table
from getmore_assets.records import STAGE_NAMES
from getmore_assets.reporting.dropped import dropped
from tests.conftest import getmore, task_fields, write_task


def test_in_a_pipe_a_stage_is_a_line_and_the_whole_is_short(ran):
    said = ran.said.splitlines()
    for stage in STAGE_NAMES:
        assert sum(line.startswith(f"{stage:<16} ") for line in said) == 1
    assert not re.search(r"pass \d+ over|rows read|Loading weights|making", ran.said)
    assert "transformers" not in ran.said
    assert len(said) < 60
    assert all(len(line) <= 100 for line in said if line.startswith(("┃", "│", "┏", "└")))


def test_what_is_cached_has_no_seconds_and_quiet_says_nothing(ran_copy):
    done = getmore("select", str(ran_copy.file))
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stderr.splitlines() if line.startswith("│")]
    assert len(rows) == 7
    assert all(re.fullmatch(r"│ \w+ +│ cached +│ +│ +│ +│", row) for row in rows), rows
    quiet = getmore("select", str(ran_copy.file), "-q", "--json")
    assert quiet.stderr == ""
    assert (
        json.loads(quiet.stdout)["dropped"]
        == json.loads(getmore("select", str(ran_copy.file), "--json").stdout)["dropped"]
    )


def test_verbose_says_every_step(sources, tmp_path):
    file = write_task(tmp_path / "task.yaml", task_fields(sources, tmp_path / "lake"))
    done = getmore("select", str(file), "-v")
    assert "pool: 1200 rows read" in done.stderr
    assert "raw_corpus: computing" in done.stderr  # what the drives wait for


def test_rows_that_are_dropped_are_told_with_the_reason(ran):
    said = dropped({name: ran.records.get(name) for name in STAGE_NAMES})
    left = ran.records.get("target_data").facts["left"]["train"]
    rows = ran.records.get("target_data").facts["rows"]["train"]
    assert any(one.startswith(f"target.train: {len(left)} of {len(left) + rows} rows dropped: ") for one in said)
    assert all(one in ran.said for one in said)


@pytest.mark.parametrize("width", [80, 100, 40])
def test_tables_fit_and_nothing_of_them_is_cut(width):
    out = io.StringIO()
    head = ["selector", *(f"a metric with the number {n}" for n in range(7))]
    rows = [[Text("[got-d] in rounds"), *(f"{n}.123 ± 0.456" for n in range(7))], ["none", *(["-"] * 7)]]
    print_table(Console(file=out, width=width), head, rows, "title")
    assert all(len(line) <= width for line in out.getvalue().splitlines())
    joined = re.sub(r"[\s│┃┏┓└┘━─┳┴┡╇┩┼]", "", out.getvalue())
    assert all(f"{n}.123±0.456" in joined for n in range(7))
    assert "…" not in out.getvalue()


def test_status_lists_stages_and_what_a_run_would_do(ran_copy, tmp_path):
    done = getmore("status", str(ran_copy.file), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["stage"] for one in found["stages"]] == list(STAGE_NAMES)
    assert {one["state"] for one in found["stages"]} == {"current"}
    assert "a run has nothing to do" in getmore("status", str(ran_copy.file)).stdout
    changed = getmore("status", str(ran_copy.file), "selection.budget.rows=50", "--json")
    states = {one["stage"]: one["state"] for one in json.loads(changed.stdout)["stages"]}
    assert states["embeddings"] == "current"
    assert states["selected_subset"] == states["scorecard"] == "outdated"
    nothing = getmore("status", str(ran_copy.file), f"lake={tmp_path / 'none'}")
    assert "a run would compute: raw_corpus, " in nothing.stdout
    assert not (tmp_path / "none").exists()


def test_approve_says_when_nothing_waited(ran_copy):
    done = getmore("approve", str(ran_copy.file), "--json")
    assert "nothing waited" in done.stderr
    assert json.loads(done.stdout)["waited"] is False


def test_on_a_terminal_the_last_line_is_alive_and_ctrl_c_says_how_to_go_on(sources, tmp_path):
    fields = task_fields(sources, tmp_path / "lake")
    fields["base_model"]["small"] |= {"rows": 1200, "epochs": 400}  # it is interrupted at work
    file = write_task(tmp_path / "task.yaml", fields)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "getmore_assets.cli", "run", str(file)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "DAGSTER_HOME": ""}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment, start_new_session=True) as run:
        os.close(theirs)
        drawn, interrupted = b"", False
        while part := _read(ours):
            drawn += part
            if not interrupted and re.search(rb"base_model[^\n]*step", drawn):
                interrupted = True
                os.killpg(run.pid, signal.SIGINT)
        code = run.wait(60)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode().replace("\x1b[2K", "\n"))
    assert code == 130, text
    assert re.search(r"[\r\n]raw_corpus +1,\d+ rows +[\d.]+ s", text)
    steps = [line for line in re.split(r"[\r\n]+", text) if re.search(r"base_model.*\bsteps?\b", line)]
    assert steps
    assert all(re.match(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] ", line) for line in steps)  # on the line that is drawn again and again, alone
    said = " ".join(text.split())
    assert "interrupted in base_model; finished stages are kept" in said
    assert f"To go on: getmore run {file}" in said


def _read(terminal: int) -> bytes:
    """Return what was drawn, or nothing at the end."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
