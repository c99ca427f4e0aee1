import polars as pl

from getmore_assets.reporting import curves, statistics
from getmore_assets.task_files import load_task
from tests.conftest import task_fields, write_task


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
