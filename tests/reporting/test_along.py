"""What curves say: label efficiency, and whether nearer is better."""

import polars as pl
import pytest

from getmore_assets.reporting import along, statistics


def by_labels(means):
    """Three seeds each, with seconds; those of got-d are spread about the mean."""
    spread = {"got-d": (-0.05, 0.0, 0.05), "none": (0.0, 0.0, 0.0)}
    return pl.DataFrame(
        [
            {"selector": name, "seed": seed, "labels": count, "perplexity": mean + off, "micro_f1": mean + off}
            | {"selection_seconds": 2.0 * warms, "warmup_seconds": 3.0 * warms, "finetune_seconds": 1.0}
            for name, warms in (("got-d", True), ("none", False))
            for count, mean in zip((200, 500, 1000, 2000), means[name], strict=True)
            for seed, off in enumerate(spread[name])
        ]
    )


def points(labels, means):
    return [(float(at), statistics.Interval(mean, 0.1, 3)) for at, mean in zip(labels, means, strict=True)]


@pytest.mark.parametrize(
    ("chosen", "said", "paired"),
    [
        ([0.5, 0.6, 0.85, 0.9], "needs about 700 labels, 65% less", "with 1,000 it is {} by 0.15 ± 0.12"),
        ([0.75, 0.8, 0.85, 0.9], "needs 200 labels or fewer, at least 90% less", "with 200 it is {} by 0.05 ± 0.12"),
        ([0.2, 0.3, 0.4, 0.6], "label efficiency: none", "with 2,000 it is {} by -0.1 ± 0.12"),
        ([0.5, 0.6, 0.65, 0.71], "the means got-d needs about 1,833 labels, 8% less", "2,000 it is {} by 0.01 ± 0.12"),
    ],
)
def test_labels_saved_are_read_off_the_curve(chosen, said, paired):
    rising = {"got-d": chosen, "none": [0.3, 0.4, 0.5, 0.7]}
    found = along.labels_saved(by_labels(rising), "micro_f1", "got-d")
    assert said in found
    assert paired.format("higher") in found
    assert "warm-up and fine-tuning take 6 s then, fine-tuning with all alone 1 s" in found
    falling = {name: [1 - mean for mean in means] for name, means in rising.items()}
    found = along.labels_saved(by_labels(falling), "perplexity", "got-d")
    assert said in found
    assert paired.format("lower") in found


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [([0.5, 0.6, 0.85, 0.9], True), ([0.5, 0.6, 0.65, 0.71], False), ([0.2, 0.3, 0.4, 0.6], False)],
)
def test_labels_saved_are_shown_only_where_the_warm_up_helps_with_as_many(chosen, shown):
    runs = by_labels({"got-d": chosen, "none": [0.3, 0.4, 0.5, 0.7]})
    found = along.labels_saved(runs, "micro_f1", "got-d")
    assert ("not shown" not in found and "label efficiency: none" not in found) == shown
    of_one_seed = along.labels_saved(runs.filter(pl.col("seed") == 0), "micro_f1", "got-d")
    assert "not shown" in of_one_seed or "label efficiency: none" in of_one_seed


def test_a_curve_is_in_order_with_its_intervals():
    frame = pl.DataFrame(
        {"selector": ["a", "a", "b", "a", "a"], "seed": [0, 1, 0, 0, 1], "share": [1.0, 1.0, 1.0, 0.5, 0.5]}
    ).with_columns(perplexity=pl.Series([10.0, 12.0, 9.0, 20.0, 22.0]))
    found = along.curve(frame, "share", "perplexity")
    assert [(at, one.mean, one.n) for at, one in found["a"]] == [(0.5, 21.0, 2), (1.0, 11.0, 2)]
    assert [at for at, _ in found["b"]] == [1.0]


@pytest.mark.parametrize(
    ("means", "said"), [([60.0, 64.0, 63.0, 80.0], "nearer is better here"), ([9.0, 8.0, 7.0], "not")]
)
def test_whether_nearer_is_better_is_said(means, said):
    assert said in along.nearer_is_better(points(range(len(means)), means), "perplexity")
    turned = points(range(len(means)), [1 / mean for mean in means])
    assert said in along.nearer_is_better(turned, "micro_f1")
