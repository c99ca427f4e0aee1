"""`getmore plan`: what is cached, what is counted, and what the rest took last."""

import json

import polars as pl
import pytest

from getmore_assets.records import STAGE_NAMES
from tests.conftest import getmore, write_task


def planned(file, *changes):
    done = getmore("plan", str(file), *changes, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return found, {one["stage"]: one for one in found["stages"]}


def test_what_is_made_is_cached_and_takes_nothing(ran_copy):
    ran = ran_copy
    before = sorted(map(str, ran.lake.root.rglob("*")))
    found, stages = planned(ran.file)
    assert list(stages) == list(STAGE_NAMES)
    assert all(one["cached"] and one["rows"] == ran.records.get(name).rows for name, one in stages.items())
    assert [(one["field"], one["rows"]) for one in found["sources"]][:2] == [
        ("candidates.0", 1200),
        ("target.train", 120),
    ]
    assert found["seconds"] == 0
    said = getmore("plan", str(ran.file)).stdout
    assert said.count("cached") == len(STAGE_NAMES)
    assert "its record has the same cache key" in said
    assert f"candidates.0: {ran.fields['candidates'][0]['path']} (parquet): 1 file, 1,200 rows" in said
    assert sorted(map(str, ran.lake.root.rglob("*"))) == before


def test_a_reason_that_stages_share_is_said_once(ran, tmp_path):
    new = write_task(tmp_path / "new.yaml", {**ran.fields, "lake": str(tmp_path / "lake")})
    said = getmore("plan", str(new)).stdout
    assert said.count("no run in this lake has computed it yet") == 1
    assert "every stage: no results yet; no run in this lake has computed it yet" in said


def test_other_settings_are_new_with_what_the_last_run_took(ran):
    found, stages = planned(ran.file, "warmup.learning_rate=0.004")
    new = [name for name, one in stages.items() if not one["cached"]]
    assert new == ["warmed_model", "finetuned_model", "scorecard"]
    for name in new:
        last = ran.records.get(name)
        assert (stages[name]["seconds"], stages[name]["peak_rss_mb"]) == (last.seconds, last.peak_rss_mb)
        assert stages[name]["how"].endswith(f"at {last.made_at}, with other settings")
    assert stages["warmed_model"]["why"] == "its settings have changed"
    assert found["seconds"] == pytest.approx(sum(stages[name]["seconds"] for name in new))


def test_a_pool_that_grew_scales_what_its_stages_took(ran_copy, tmp_path):
    ran = ran_copy
    source = ran.fields["candidates"][0]
    rows = pl.read_parquet(source["path"])
    more = rows.with_columns(text=pl.col("text") + " And so it is written down once more.")
    pl.concat([rows, more]).write_parquet(tmp_path / "grown.parquet")
    fields = {**ran.fields, "candidates": [{**source, "path": str(tmp_path / "grown.parquet")}]}
    found, stages = planned(write_task(tmp_path / "grown.yaml", fields))
    assert stages["raw_corpus"]["rows"] == 2400
    assert stages["target_data"]["cached"]
    assert stages["leakage"]["seconds"] == pytest.approx(2 * ran.records.get("leakage").seconds)
    assert "with 1,200 rows of the pool's sources instead of 2,400" in stages["leakage"]["how"]
    assert stages["warmed_model"]["seconds"] == ran.records.get("warmed_model").seconds
    assert found["seconds"] > 0


def test_what_no_run_has_computed_is_counted_and_not_guessed(ran, tmp_path):
    found, stages = planned(ran.file, f"lake={tmp_path / 'new'}")
    assert [(one["cached"], one["seconds"]) for one in stages.values()] == [(False, None)] * len(STAGE_NAMES)
    assert (stages["raw_corpus"]["rows"], stages["target_data"]["rows"]) == (1200, 240)
    assert found["seconds"] is None
    assert any("their first run measures them" in note for note in found["notes"])
    assert not (tmp_path / "new").exists()


def test_another_task_of_the_lake_tells_what_its_stages_took(ran, tmp_path):
    _, stages = planned(write_task(tmp_path / "other.yaml", {**ran.fields, "name": "other"}))
    assert stages["raw_corpus"]["cached"] is False
    assert "for task tiny" in stages["ot_potentials"]["how"]


def test_sources_that_the_line_would_refuse_are_refused(ran):
    done = getmore("plan", str(ran.file), "candidates.0.path=nowhere.parquet")
    assert done.returncode == 2
    assert "no such file" in done.stderr
