"""The sentence about label efficiency."""

import polars as pl
import pytest

from getmore_assets.reporting.curves import points_by
from getmore_assets.reporting.label_efficiency import label_efficiency


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


def sentence(runs, metric, name):
    return label_efficiency(points_by(runs, "labels", metric), runs, metric, name)


@pytest.mark.parametrize(
    ("chosen", "said", "paired"),
    [
        ([0.5, 0.6, 0.85, 0.9], "needs about 700 labels, 65% less", "with 1,000 it is {} by 0.15 ± 0.12"),
        ([0.75, 0.8, 0.85, 0.9], "needs 200 labels or fewer, at least 90% less", "with 200 it is {} by 0.05 ± 0.12"),
        ([0.2, 0.3, 0.4, 0.6], "label efficiency: none", "with 2,000 it is {} by -0.1 ± 0.12"),
        ([0.5, 0.6, 0.65, 0.71], "the means got-d needs about 1,833 labels, 8% less", "2,000 it is {} by 0.01 ± 0.12"),
    ],
)
def test_the_needed_labels_are_read_off_the_curve(chosen, said, paired):
    rising = {"got-d": chosen, "none": [0.3, 0.4, 0.5, 0.7]}
    found = sentence(by_labels(rising), "micro_f1", "got-d")
    assert said in found
    assert paired.format("higher") in found
    assert "warm-up and fine-tuning take 6 s then, fine-tuning with all alone 1 s" in found
    falling = {name: [1 - mean for mean in means] for name, means in rising.items()}
    found = sentence(by_labels(falling), "perplexity", "got-d")
    assert said in found
    assert paired.format("lower") in found


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [([0.5, 0.6, 0.85, 0.9], True), ([0.5, 0.6, 0.65, 0.71], False), ([0.2, 0.3, 0.4, 0.6], False)],
)
def test_the_needed_labels_are_shown_only_where_the_warm_up_helps_with_as_many(chosen, shown):
    runs = by_labels({"got-d": chosen, "none": [0.3, 0.4, 0.5, 0.7]})
    found = sentence(runs, "micro_f1", "got-d")
    assert ("not shown" not in found and "label efficiency: none" not in found) == shown
    of_one_seed = sentence(runs.filter(pl.col("seed") == 0), "micro_f1", "got-d")
    assert "not shown" in of_one_seed or "label efficiency: none" in of_one_seed
