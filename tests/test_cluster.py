"""Ray itself, one node on loopback; two nodes, of which one is lost, are in tests/drives/ray_cluster.py."""

import copy
import importlib.util

import numpy as np
import polars as pl
import pytest

from getmore_assets import preflight
from getmore_assets.config import Elsewhere, Task
from getmore_assets.encoders import make_encoder, remote
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import load_task
from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.passes.remote import remote_pass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import solve
from tests.conftest import task_fields, write_task
from tests.drives.ray_cluster import nodes
from tests.transport.problems import points

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed")


@pytest.fixture(scope="module")
def place():
    with nodes(1) as cluster:
        yield {"ray": cluster.address, "workers": 2}


@needs_ray
def test_a_solve_is_that_of_one_process(place):
    problem = build_problem(points(20_000, 12, 0), points(40, 12, 1, 0.3))
    alone = solve(best_pass(problem, 100), 0.05 * problem.mean_cost)
    with remote_pass(problem, 100, Elsewhere(**place)) as spread:
        found = solve(spread, 0.05 * problem.mean_cost)
    np.testing.assert_allclose(found.f, alone.f, atol=1e-7)
    np.testing.assert_array_equal(np.argsort(found.f, kind="stable")[:500], np.argsort(alone.f, kind="stable")[:500])
    assert len(found.history) == len(alone.history)


@needs_ray
def test_vectors_are_those_of_one_process_and_another_model_is_refused(
    place, documents, sources, tmp_path, monkeypatch
):
    fields = task_fields(sources, tmp_path / "lake", launch={"embed": place})
    task, texts = Task.model_validate(fields), documents["text"].to_list()[:450]
    encoder = make_encoder(task, tmp_path / "encoder.safetensors", texts)
    shards = [([str(row) for row in range(at, at + 50)], texts[at : at + 50]) for at in range(0, 450, 50)]
    found = dict(remote.encoded(task, tmp_path / "encoder.safetensors", ((tuple(ids), t) for ids, t in shards)))
    assert sorted(found) == sorted(tuple(ids) for ids, _ in shards)
    for ids, part in shards:
        np.testing.assert_array_equal(found[tuple(ids)], encoder.encode(part))
    monkeypatch.setattr(remote, "_weights", lambda task: "what the node does not have")
    with pytest.raises(BadInput, match="another model of this name") as refused:
        list(remote.encoded(task, tmp_path / "encoder.safetensors", shards))
    assert refused.value.where == "encoder.model lexical"


def test_a_task_that_asks_for_ray_is_refused_where_it_is_not_installed(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for stage in ("embed", "solve"):
        task = Task.model_validate(task_fields(sources, tmp_path / "lake", launch={stage: {"ray": "local"}}))
        with pytest.raises(BadInput, match=rf"launch\.{stage}: needs the package ray.*getmore-assets\[ray\]"):
            preflight.check(task)
    assert not (tmp_path / "lake" / "tables").exists()


def test_what_cannot_be_a_place_is_refused_by_its_field(sources, tmp_path):
    fields = task_fields(sources, tmp_path / "lake")
    file = write_task(tmp_path / "task.yaml", fields)
    for override, what in (
        ("launch.embed.ray=somewhere", r"launch\.embed\.ray: "),
        ("launch.solve.workers=0", r"launch\.solve\.workers: "),
        ("launch.encode.ray=auto", r"launch\.encode: unknown key"),
    ):
        with pytest.raises(BadInput, match=what):
            load_task(file, [override])
    frame = pl.DataFrame({"text": ["a"], "vector": [[1.0]]})
    frame.write_parquet(tmp_path / "own.parquet")
    own = {"path": str(tmp_path / "own.parquet"), "vector": "vector"}
    brought = {**fields, "encoder": {"model": "brought"}, "candidates": [own], "target": {"train": own}}
    with pytest.raises(BadInput, match=r"nothing is encoded: take launch\.embed out"):
        load_task(write_task(tmp_path / "own.yaml", brought), ["launch.embed.ray=auto"])


def test_a_refusal_comes_back_whole_from_another_process():
    back = copy.copy(BadInput("here", "this is wrong", "Mend it"))  # by the same way as between processes: __reduce__
    assert (back.where, back.what, back.fix) == ("here", "this is wrong", "Mend it")
    assert str(back) == "here: this is wrong. Mend it"
