"""Overlap of two selections after a change of pool or target: with the old lexical fit kept, and with a new fit.

    python benchmarks/increments.py ../shared [--rows 3000] [--seeds 2] [--json benchmarks/results/increments.json]
    python benchmarks/increments.py ../shared --halves

The texts are real: passages of 13 domains, ChemProt as the target. After each change the rows are selected twice: with
the fit on the rows before the change (the increment), and with a fit on the rows after the change (the batch). The
table shows the overlap of the two selections (Jaccard), and the share of appended rows in each. `floor` is the overlap
of two batches whose fits differ only by the random projection, which is the most that an increment can reach.

`--halves` fits on one half of a pool and selects from both halves: the half outside the fit should get half the picks.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import polars as pl

from getmore_assets.encoders import refit
from getmore_assets.encoders.lexical import LexicalEncoder
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import solve

_DIMENSIONS = 256
_BUDGET = 0.1  # share of the rows after the change
_EPSILON = 0.05
_HALVES = ((2000, 256), (2000, 64), (4000, 256), (8000, 256), (12000, 256), (12000, 128), (12000, 64))


@dataclass(frozen=True)
class Change:
    """Texts of pool and target, before and after a change."""

    name: str
    before: list[str]
    after: list[str]
    target_before: list[str]
    target_after: list[str]


def changes(pool: pl.DataFrame, target: list[str], seed: int) -> Iterator[Change]:
    """Yield changes of the pool and of the target. Appended rows are a fifth of all, unless the name says otherwise."""
    rows = pool.sample(fraction=1, shuffle=True, seed=seed)
    texts, cut, half = rows["text"].to_list(), rows.height * 4 // 5, rows.height // 2
    now, later = target[: len(target) // 2], target[len(target) // 2 :]
    yield Change("appended: a fifth, of the same kinds", texts[:cut], texts, now, now)
    bound = rows.height - int(refit.MOST_NEW_SHARE * rows.height)
    yield Change(f"appended: {refit.MOST_NEW_SHARE:.0%}, of the same kinds", texts[:bound], texts, now, now)
    yield Change("appended: half, of the same kinds", texts[:half], texts, now, now)
    for domain in ("biomedical", "computer science", "reviews"):
        mine = rows.filter(pl.col("domain") == domain)["text"].to_list()[: rows.height // 5]
        others = rows.filter(pl.col("domain") != domain)["text"].to_list()
        yield Change(f"appended: a domain that was not there, {domain}", others, others + mine, now, now)
    yield Change("removed: a fifth", texts, texts[:cut], now, now)
    apart = rows.filter(pl.col("domain") != "biomedical")["text"].to_list()
    yield Change("removed: the domain biomedical", texts, apart, now, now)
    yield Change("replaced: half", texts[:half] + texts[half : half + half // 2], texts[half:], now, now)
    yield Change("target: other rows of the same kind", texts, texts, now, later)
    yield Change(
        "target: another kind (news)",
        texts,
        texts,
        now,
        rows.filter(pl.col("domain") == "news")["text"].to_list()[:200],
    )


def solved(encoder: LexicalEncoder, pool: list[str], target: list[str], start: np.ndarray | None = None) -> tuple:
    """Return the scores (`[n]`, best lowest) of a solve, and its g (`[m]`)."""
    problem = build_problem(encoder.encode(pool), encoder.encode(target))
    solution = solve(CpuPass(problem), _EPSILON * problem.mean_cost, start=start)
    return solution.f, solution.g


def picks(scores: np.ndarray) -> set[int]:
    """Return the row numbers of the selected rows."""
    return set(np.argsort(scores, kind="stable")[: round(_BUDGET * len(scores))].tolist())


def jaccard(a: set[int], b: set[int]) -> float:
    """Return the overlap of two selections."""
    return len(a & b) / len(a | b)


def encoder_of(texts: list[str], seed: int = 0) -> LexicalEncoder:
    """Return a fit on texts. The seed decides the order of the rows, and so the random projection."""
    order = np.random.default_rng(seed).permutation(len(texts)) if seed else np.arange(len(texts))
    return LexicalEncoder.fitted([texts[int(row)] for row in order], _DIMENSIONS)


def measure(change: Change) -> dict[str, float]:
    """Return the overlap of increment and batch, and the share of appended rows in both."""
    old_fit, new_fit = encoder_of(change.before), encoder_of(change.after)
    _, g = solved(old_fit, change.before, change.target_before)
    same_target = change.target_before == change.target_after
    scores, _ = solved(old_fit, change.after, change.target_after, g if same_target else None)
    batch_scores, _ = solved(new_fit, change.after, change.target_after)
    other_scores, _ = solved(encoder_of(change.after, seed=7), change.after, change.target_after)
    before = set(change.before)
    appended = {row for row, text in enumerate(change.after) if text not in before}
    increment, batch = picks(scores), picks(batch_scores)
    return {
        "jaccard": jaccard(increment, batch),
        "floor": jaccard(picks(other_scores), batch),
        "appended": len(appended) / len(change.after),
        "appended_of_picks": len(appended & increment) / len(increment),
        "appended_of_batch": len(appended & batch) / len(increment),
    }


def halves(shared: Path) -> None:
    """Print the share of the picks outside the fit, by rows per dimension."""
    pool, target = texts_of(shared)
    texts = pool.sample(2 * max(rows for rows, _ in _HALVES), seed=3)["text"].to_list()
    print(f"{'rows in the fit':>16} {'dimensions':>11} {'rows a dimension':>17} {'of picks outside':>17}")
    for rows, dimensions in _HALVES:
        encoder = LexicalEncoder.fitted(texts[:rows], dimensions)
        selected = picks(solved(encoder, texts[: 2 * rows], target)[0])
        outside = sum(row >= rows for row in selected) / len(selected)
        print(f"{rows:>16,} {dimensions:>11} {rows / dimensions:>17.0f} {outside:>17.3f}", flush=True)


def texts_of(shared: Path) -> tuple[pl.DataFrame, list[str]]:
    """Return the pool, and 600 texts of the target."""
    pool = pl.read_parquet(shared / "data/candidates.parquet").unique("text", maintain_order=True)
    lines = (shared / "data/chemprot.train.jsonl").read_text("utf-8").splitlines()
    return pool, list(dict.fromkeys(json.loads(line)["text"] for line in lines))[:600]


def main(shared: Path, rows: int, seeds: int, into: str | None) -> None:
    """Measure every change on samples of the pool, print a table, and write the figures."""
    pool, target = texts_of(shared)
    results: dict[str, list[dict[str, float]]] = {}
    for seed in range(seeds):
        for change in changes(pool.sample(rows, seed=seed), target, seed):
            results.setdefault(change.name, []).append(measure(change))
            print(change.name, results[change.name][-1], flush=True)
    means = {name: {key: mean(one[key] for one in all_) for key in all_[0]} for name, all_ in results.items()}
    print(f"{'change':<56} {'Jaccard':>8} {'floor':>6} {'appended':>9} {'of picks':>9} {'of batch':>9}")
    for name, one in means.items():
        print(
            f"{name:<56} {one['jaccard']:>8.3f} {one['floor']:>6.3f} "
            + " ".join(f"{one[key]:>9.3f}" for key in list(one)[2:])
        )
    if into:
        figures = {"rows": rows, "seeds": seeds, "means": means, "all": results}
        Path(into).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json")
    parser.add_argument("--halves", action="store_true")
    args = parser.parse_args()
    if args.halves:
        halves(args.shared)
    else:
        main(args.shared, args.rows, args.seeds, args.json)
