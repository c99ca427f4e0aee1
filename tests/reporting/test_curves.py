"""The points of curves, and whether nearer is better."""

import polars as pl
import pytest

from getmore_assets.reporting import curves, statistics
from getmore_assets.task_parsing import load_task
from tests.conftest import task_fields, write_task


def points(labels, means):
    return [(float(at), statistics.Interval(mean, 0.1, 3)) for at, mean in zip(labels, means, strict=True)]


def test_a_seed_counts_once_where_a_curve_goes_on_to_all_labels(sources, tmp_path):
    asked = {"labels": [20, 100, 5000]}
    fields = task_fields(sources, tmp_path / "lake", compare=["none"], curves=asked, finetune={"rows": 20})
    task = load_task(write_task(tmp_path / "t.yaml", fields))

    seconds = dict.fromkeys(statistics.COSTS.values(), 1.0)

    def results(**more):
        return [
            {"selector": name, "seed": seed, "perplexity": 10.0 * (name == "none") + seed, **seconds, **more}
            for name in ("got-d", "none")
            for seed in (0, 1)
        ]

    measured = pl.DataFrame([row for count in asked["labels"] for row in results(labels=count, share=1.0)])
    (found,) = curves.curves(task, pl.DataFrame(results()), measured, rows=100)
    assert found.name == "labels"
    for points in found.points.values():
        assert [at for at, _ in points] == [20, 100]
        assert [one.n for _, one in points] == [2, 2]


def test_a_curve_is_in_order_with_its_intervals():
    frame = pl.DataFrame(
        {"selector": ["a", "a", "b", "a", "a"], "seed": [0, 1, 0, 0, 1], "share": [1.0, 1.0, 1.0, 0.5, 0.5]}
    ).with_columns(perplexity=pl.Series([10.0, 12.0, 9.0, 20.0, 22.0]))
    found = curves.points_by(frame, "share", "perplexity")
    assert [(at, one.mean, one.n) for at, one in found["a"]] == [(0.5, 21.0, 2), (1.0, 11.0, 2)]
    assert [at for at, _ in found["b"]] == [1.0]


@pytest.mark.parametrize(
    ("means", "said"), [([60.0, 64.0, 63.0, 80.0], "nearer is better here"), ([9.0, 8.0, 7.0], "not")]
)
def test_whether_nearer_is_better_is_said(means, said):
    assert said in curves.nearer_is_better(points(range(len(means)), means), "perplexity")
    turned = points(range(len(means)), [1 / mean for mean in means])
    assert said in curves.nearer_is_better(turned, "micro_f1")
