"""`getmore init` as a user runs it: on a folder of files with odd names, down to a task that the line accepts."""

import json

import pytest
import yaml

from getmore_assets.task_parsing import load_task
from tests.conftest import getmore


@pytest.fixture
def files(documents, tmp_path):
    """CSV and JSONL whose columns are called what they should not be."""
    wanted = documents["domain"].is_in(["asyncio", "email"])
    pool = documents.filter(~wanted).head(500).rename({"text": "wording", "source": "came from", "domain": "shelf"})
    pool.with_columns(shelf=pool["shelf"].str.head(1)).write_csv(tmp_path / "everything.csv")
    target = documents.filter(wanted).select("text", "domain").rename({"text": "gist", "domain": "about"})
    target = target.sample(160, seed=1)
    for split, start, rows in (("train", 0, 80), ("dev", 80, 40), ("test", 120, 40)):
        target.slice(start, rows).write_ndjson(tmp_path / f"mine-{split}.jsonl")
    return tmp_path


def test_a_folder_of_odd_files_becomes_a_task_that_the_line_accepts(files):
    done = getmore("init", ".", "--to", "tasks/mine.yaml", "--json", cwd=files)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["next"] == "getmore run tasks/mine.yaml"
    chosen = {choice["field"]: choice["value"] for choice in printed["choices"]}
    task = load_task(files / "tasks" / "mine.yaml")
    (pool,) = task.candidates
    assert (pool.path, pool.text, pool.source, pool.domain) == ("../everything.csv", "wording", "came from", "shelf")
    assert (task.target.train.path, task.target.text, task.target.label) == ("../mine-train.jsonl", "gist", "about")
    assert (chosen["candidates.0.text"], chosen["target.label"]) == ("wording", "about")
    assert all(field in done.stderr for field in chosen)  # people see the same
    small = ["selection.budget.rows=20", "triage.sample=50", "encoder.dimensions=16"]
    done = getmore("select", "tasks/mine.yaml", *small, "--json", cwd=files)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["stages"][-1] | {"seconds": 0, "peak_rss_mb": 0} == {
        "name": "selected_subset",
        "seconds": 0,
        "peak_rss_mb": 0,
        "status": "materialized",
    }


def test_what_is_decided_is_printed_with_the_next_command(files):
    done = getmore("init", "everything.csv", "--target", "mine-train.jsonl", cwd=files)
    assert done.returncode == 0, done.stderr
    assert "named with --target" in done.stdout
    assert done.stdout.splitlines()[-1] == "written: task.yaml. Look it over, then: getmore run task.yaml"
    assert load_task(files / "task.yaml").target.test.path == "mine-test.jsonl"  # it lies beside


def test_a_file_that_is_there_is_not_overwritten_without_being_asked_to(files):
    (files / "task.yaml").write_text("mine")
    done = getmore("init", ".", cwd=files)
    assert done.returncode == 2
    assert "task.yaml: already exists" in done.stderr
    assert (files / "task.yaml").read_text() == "mine"
    done = getmore("init", ".", "--force", cwd=files)
    assert done.returncode == 0, done.stderr
    assert load_task(files / "task.yaml").name == "mine"


def test_what_cannot_be_read_is_refused_by_name_and_nothing_is_written(files):
    with (files / "everything.csv").open("a") as stream:
        stream.write("one,two,three,four,five\n")
    done = getmore("init", ".", "--json", cwd=files)
    assert done.returncode == 2
    assert "everything.csv:" in done.stderr
    assert "more fields than the header's 3" in json.loads(done.stdout)["error"]
    assert not (files / "task.yaml").exists()


def test_sources_that_were_guessed_alike_stand_in_one_row(documents, tmp_path):
    texts = iter(documents["text"])
    (tmp_path / "months").mkdir()
    for month in range(12):
        rows = [{"text": next(texts), "n": n} for n in range(6)]
        (tmp_path / "months" / f"m{month:02}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = getmore("init", ".", "--target", "months/m0*.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "candidates.0.path" in done.stdout
    assert "candidates.1.path" in done.stdout  # two are few enough to be shown
    done = getmore("init", ".", "--force", "--target", "months/m1*.jsonl", cwd=tmp_path)
    assert "candidates.1 to candidates.9" in done.stdout
    assert "candidates.1.path" not in done.stdout
    assert len(yaml.safe_load((tmp_path / "task.yaml").read_text())["candidates"]) == 10
