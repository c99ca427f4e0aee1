"""Contrast: which way it ranks, between what is sought and what is fled."""

from dataclasses import fields

import numpy as np
import polars as pl
import pytest

from getmore_assets.config import Budget, Selector, Task
from getmore_assets.corpus.candidates import Candidates
from getmore_assets.encoders import store
from getmore_assets.lake import Lake, TableRef
from getmore_assets.selection import selectors
from getmore_assets.selection.context import SelectionContext, Tables
from tests.transport.problems import solved

EACH, M = 40, 10
KINDS = ("sought", "fled", "neither")


def around(axis, n, seed):
    """Unit vectors about one axis of eight."""
    x = np.eye(8)[axis] + np.random.default_rng(seed).normal(size=(n, 8)) * 0.1
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def context(tmp_path):
    """Forty candidates each that are like the target, like the negative target, and like neither."""
    x = np.concatenate([around(axis, EACH, axis) for axis in range(3)])
    sought, fled = around(0, M, 3), around(1, M, 4)
    ids = {kind: [f"{kind} {at:03}" for at in range(n)] for kind, n in (("x", 3 * EACH), ("y", M), ("z", M))}
    lake = Lake(tmp_path)
    store.add(lake, "e", [id_ for some in ids.values() for id_ in some], np.concatenate([x, sought, fled]), {})
    target = [
        {"split": split, "row": at, "id": id_, "text": id_, "domain": "d"}
        for split, side in (("train", "y"), ("negative", "z"))
        for at, id_ in enumerate(ids[side])
    ]
    lake.replace("target_data", pl.DataFrame(target), {"target": "t"}, {})
    solution = solved(x, sought, tolerance=1e-4)
    potentials = [
        {"side": side, "id": id_, "weight": 1 / len(f), "potential": float(value)}
        for side, names, f in (("candidate", ids["x"], solution.f), ("target", ids["y"], solution.g))
        for id_, value in zip(names, f, strict=True)
    ]
    lake.replace("ot_potentials", pl.DataFrame(potentials), {"target": "t"}, {})
    task = Task(name="t", candidates=[{"path": "p.parquet"}], target={"train": "t.jsonl", "negative": "n.jsonl"})
    made = {name: lake.latest(name) or TableRef("none", 0) for name in (field.name for field in fields(Tables))}
    context = SelectionContext(task, lake, Tables(**made), "e", 0.1, None, tmp_path)
    rows = pl.DataFrame({"id": ids["x"], "source": "s", "domain": "d", "n_tokens": 1, "out": False})
    vars(context)["found"] = Candidates(rows.lazy())
    return context


def ranked(context, **chosen):
    return selectors.rank(context, Selector(**chosen), Budget(rows=EACH)).rows(context.eligible)


def in_thirds(rows):
    """How many of each kind stand in the first, second and last third of a ranking: sought, fled, neither."""
    kinds = rows["id"].str.slice(2).cast(pl.Int64).to_numpy() // EACH
    return [np.bincount(kinds[start : start + EACH], minlength=len(KINDS)).tolist() for start in (0, EACH, 2 * EACH)]


def test_what_is_like_the_negative_target_goes_last_and_what_is_like_the_target_first(context):
    assert in_thirds(ranked(context, selector="contrast")) == [[EACH, 0, 0], [0, 0, EACH], [0, EACH, 0]]


def test_who_only_flees_takes_anything_else_first(context):
    *first, last = in_thirds(ranked(context, selector="contrast", push=1))
    assert last == [0, EACH, 0]
    assert np.sum(first, axis=0).tolist() == [EACH, 0, EACH]


def test_without_a_push_it_is_got_d(context):
    got_d = ranked(context, selector="got-d")
    assert ranked(context, selector="contrast", push=0).select("id", "score").equals(got_d.select("id", "score"))
    assert in_thirds(got_d)[0] == [EACH, 0, 0]
