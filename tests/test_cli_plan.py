"""`getmore plan`, where all is made: what is measured is shown by `benchmarks/plan.py`, which takes a minute."""

import json

from getmore_assets.records import STATIONS
from tests.conftest import getmore


def test_what_is_made_is_reused_and_takes_nothing(ran_copy):
    ran = ran_copy
    before = sorted(map(str, ran.lake.root.rglob("*")))
    done = getmore("plan", str(ran.file), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert [one["station"] for one in found["stations"]] == list(STATIONS)
    assert all(one["reused"] and one["rows"] == ran.records.get(one["station"]).rows for one in found["stations"])
    assert [(one["field"], one["rows"]) for one in found["sources"]][:2] == [
        ("candidates.0", 1200),
        ("target.train", 120),
    ]
    assert (found["seconds"], found["disk_mb"], found["gpu_hours"]) == (0, 0, 0)
    said = getmore("plan", str(ran.file)).stdout
    assert said.count("cached") == len(STATIONS)
    assert "its record has the same fingerprint" in said
    assert f"candidates.0: {ran.fields['candidates'][0]['path']} (parquet): 1 file, 1,200 rows" in said
    assert sorted(map(str, ran.lake.root.rglob("*"))) == before


def test_sources_that_the_line_would_refuse_are_refused(ran):
    done = getmore("plan", str(ran.file), "candidates.0.path=nowhere.parquet")
    assert done.returncode == 2
    assert "no such file" in done.stderr
