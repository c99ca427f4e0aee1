import json

import numpy as np
import polars as pl
import pytest

from getmore_assets.corpus.candidates import Candidates
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.transport.rows import NpyFile
from getmore_assets.workers.solve import _pose
from tests.conftest import getmore, task_fields, write_task


def test_a_vector_that_cannot_be_used_is_named_by_its_id(tmp_path):
    x = np.ones((5, 3), np.float32)
    x[3] = np.nan
    np.save(tmp_path / "x.npy", x)
    rows = pl.DataFrame({"id": ["d", "e", "a", "b", "c"], "domain": "d", "out": False})
    found, targets = Candidates(rows.lazy()), pl.Series(["y", "z"])
    with pytest.raises(BadInput, match="candidate d") as refused:
        _pose(NpyFile(tmp_path / "x.npy"), np.ones((2, 3), np.float32), np.ones(2), found, targets)
    assert refused.value.what == "holds NaN or infinity"


def test_other_solvers_and_limits_through_the_command(sources, tmp_path):
    file = write_task(tmp_path / "task.yaml", task_fields(sources, tmp_path / "lake"))
    records = Records(Lake(tmp_path / "lake"), "tiny")

    def picked(*overrides):
        done = getmore("select", str(file), *overrides, "--json")
        assert done.returncode == 0, done.stderr[-2000:]
        return set(pl.read_parquet(json.loads(done.stdout.splitlines()[-1])["selected"])["id"])

    usual = picked()
    facts = records.get("ot_potentials").facts
    assert facts["planned_seconds"] > 0
    assert facts["planned_memory_mb"] < 1024
    published = ("transport.solver=published", "transport.epsilon_is=absolute", "transport.epsilon=0.1")
    paper = picked(*published, "transport.tolerance=0.1", "transport.max_passes=2000")
    assert len(usual & paper) > 60
    exact = picked("transport.solver=exact")
    assert len(usual & exact) > 60
    facts = records.get("ot_potentials").facts
    assert facts["marginal_error"] < 1e-6
    assert facts["decision"] == "solved"
    done = getmore("select", str(file), "transport.solver=exact", "transport.memory_mb=4")
    assert done.returncode == 2
    assert "Set it to" in done.stderr
    relaxed = picked("transport.target_relaxation=0.1")
    assert 20 < len(usual & relaxed) < 100
    done = getmore("select", str(file), "transport.memory_mb=1", "transport.epsilon=0.06")
    assert done.returncode == 2
    assert "Set transport.memory_mb to" in done.stderr
    done = getmore("select", str(file), "transport.solver=published", "transport.target_relaxation=0.1")
    assert done.returncode == 2
    assert "target_relaxation" in done.stderr
