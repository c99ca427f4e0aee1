"""`getmore export`, as a user runs it."""

import json

import polars as pl

from tests.conftest import getmore


def test_the_command_exports_and_says_where(ran, tmp_path):
    asked = ("--format", "jsonl", "--format", "llama-factory", "--format", "warmed_model", "--to", "out dir", "--json")
    done = getmore("export", str(ran.file), "seeds=5", *asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    names = ["selected.jsonl", "dataset_info.json", "warmed_model"]
    assert printed == {"task": "tiny", "exported": {name: f"out dir/{name}" for name in names}}
    assert "dataset_info.json: out dir/dataset_info.json" in done.stderr
    assert pl.read_ndjson(tmp_path / "out dir" / "selected.jsonl").height == 100
    assert (tmp_path / "out dir" / "warmed_model" / "README.md").is_file()


def test_the_command_refuses_with_exit_code_2(ran, tmp_path):
    (tmp_path / "candidates.parquet").write_text("mine")
    done = getmore("export", str(ran.file), "--all", "--format", "parquet", "--to", str(tmp_path), "--json")
    assert done.returncode == 2
    assert "candidates.parquet: exists, and no export wrote it" in json.loads(done.stdout)["error"]
    assert (tmp_path / "candidates.parquet").read_text() == "mine"
    done = getmore("export", str(ran.file), "--format", "parquet")
    assert done.returncode == 2
    assert "--to" in done.stderr
