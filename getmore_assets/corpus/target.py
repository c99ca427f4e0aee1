"""`target_data`: the target's splits, and general text, as a Delta table.

Belongs here: reading the splits, holding out missing ones, removing evaluated rows from train, refusing targets that
cannot be trained on. Does not: the pool (`pool.py`).
"""

import logging
from collections.abc import Collection
from typing import Any

import polars as pl
from pydantic import Field

from getmore_assets.config import Quotas, Source, Task
from getmore_assets.corpus import holding_out, pool, pool_rows, readers
from getmore_assets.corpus.fields import SCHEMA
from getmore_assets.corpus.identity import content_id, fingerprint, hash_lines, sampling_numbers
from getmore_assets.corpus.leakage import Guard
from getmore_assets.corpus.passages import clean, cut
from getmore_assets.corpus.reading import Reading, SourceCounts
from getmore_assets.delta_versions import Seen
from getmore_assets.errors import BadInput
from getmore_assets.facts import Facts
from getmore_assets.lake import TableRef

log = logging.getLogger(__name__)

TABLE = "target_data"
GROUPS, ROWS = "groups", "rows"  # how splits are held out: near-duplicates together, or row by row
EVALUATION = ("validation", "test", "general")
COMPARED = ("train", "negative")  # the splits whose rows are points of a transport problem
GENERAL_ROWS = 1000  # the most rows of general text to measure forgetting on
_FEWEST_ROWS = 2


class TargetFacts(Facts):
    """Metadata of the target: numbers of rows by split, labels, and counts of the sources.

    `evaluated_version` changes if and only if the evaluated rows change. `left` lists the rows that were removed from a
    split because they equal or overlap evaluated rows of another split; `read` has the numbers of rows before that.
    `held_out_by` is how the splits in `held_out_from_train` were taken from train.
    """

    rows: dict[str, int] = Field(default_factory=dict)
    evaluated_version: str = ""
    left: dict[str, list[dict[str, str]]] = Field(default_factory=dict)
    labels: list[str] = Field(default_factory=list)
    held_out_from_train: list[str] = Field(default_factory=list)
    held_out_by: str = ROWS
    read: dict[str, int] = Field(default_factory=dict)
    sources: list[SourceCounts] = Field(default_factory=list)


def sources_of(task: Task) -> dict[str, Source | None]:
    """Return the sources of the splits and of general text; None for a split that the task does not give."""
    own = {split: task.target.source(split) for split in ("train", "validation", "test")}
    return {**own, "general": task.general, "negative": task.target.source("negative")}


def recipe(task: Task) -> list[Any]:
    """Return everything that the splits depend on: fields and data of the sources, and settings."""
    sources = sources_of(task)
    fields = {split: readers.same_but_version(source) for split, source in sources.items()}
    cut_at = [task.corpus.passage_chars] if any(source and _is_cut(source) for source in sources.values()) else []
    return [fields, source_version(task), task.leakage, *cut_at]


def source_version(task: Task, seen: Seen | None = None) -> str:
    """Return the data version of the target's sources; `seen` as in `readers.data_version`."""
    return fingerprint([readers.data_version(s, seen) if s else None for s in sources_of(task).values()])


def read_target(task: Task, held_out_by: str = GROUPS) -> tuple[pl.DataFrame, TargetFacts]:
    """Read the target's rows: split, row (position in the split), id, text, label, domain, origin, vector if given.

    Args:
        task: The task.
        held_out_by: How splits that are not given are taken from train: `GROUPS`, or `ROWS` as in earlier versions.

    Raises:
        BadInput: A split is empty, train has one row, train equals validation or test, or one of these has a label that
            train lacks.
    """
    facts = TargetFacts(held_out_by=held_out_by)
    read = {split: _read(task, split, facts) for split in ("train", "validation", "test")}
    _refuse_same(task, read)
    splits = _held_out(read, facts)
    facts.read = {split: rows.height for split, rows in splits.items()}
    if task.general:
        splits["general"] = _all_of(task, task.general, "general", "general text", facts)
    if negative := task.target.source("negative"):
        splits["negative"] = _all_of(task, negative, "target.negative", "the negative target", facts)
    # Test stays whole; rows in test leave validation, and evaluated rows leave train.
    for split, others in (("validation", ["test"]), ("train", ["validation", "test", "general"])):
        evaluated = pl.concat([splits[o].select("id") for o in others if o in splits]).unique()
        left = splits[split].join(evaluated, on="id", how="semi", maintain_order="left")
        facts.left[split] = left.select("id", "origin", reason=pl.lit("is evaluated on elsewhere")).to_dicts()
        splits[split] = splits[split].join(evaluated, on="id", how="anti", maintain_order="left")
        if task.leakage != "allow":
            splits[split] = _without_leaks(task, split, splits, facts)
    for split, rows in splits.items():
        if rows.height < (_FEWEST_ROWS if split == "train" else 1):
            _refuse_short(task, split, rows.height, bool(facts.left.get(split)))
    if task.target.label or task.target.train.label:
        facts.labels = _labels(task, splits)
    numbered = [
        rows.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64), split=pl.lit(split))
        for split, rows in splits.items()
    ]
    frame = pl.concat(numbered, how="diagonal")
    facts.evaluated_version = data_version(frame.filter(pl.col("split").is_in(EVALUATION)))
    facts.rows = {split: rows.height for split, rows in splits.items()}
    columns = ["split", "row", "id", "text", "label", "domain", "origin"]
    return frame.select([*columns, *(["vector"] if "vector" in frame.columns else [])]), facts


def guard_of(rows: pl.DataFrame, splits: tuple[str, ...] = ("validation", "test")) -> Guard:
    """Return the guard of some splits of a target's rows (split, id, text)."""
    return Guard(rows.filter(pl.col("split").is_in(splits)))


def _without_leaks(task: Task, split: str, splits: dict[str, pl.DataFrame], facts: TargetFacts) -> pl.DataFrame:
    """Return a split without the rows that overlap rows of later splits; list or refuse the removed rows."""
    rows, later = splits[split], ("test",) if split == "validation" else ("validation", "test")
    evaluated = pl.concat([splits[name].select("id", "text", split=pl.lit(name)) for name in later])
    leaks = guard_of(evaluated).leaks(rows.unique("id", maintain_order=True))
    leaking = rows.join(leaks, on="id", how="inner", maintain_order="left")
    if leaking.height and task.leakage == "error":
        first = leaking.row(0, named=True)
        what = f"overlaps the target's {first['split']} ({first['kind']}), and so do {leaking.height - 1} more rows"
        raise BadInput(first["origin"], what, "Take them out, or set `leakage: drop`")
    reason = pl.format("overlaps {}: {} of {}", "split", "kind", "of")
    facts.left[split] += leaking.select("id", "origin", reason=reason).to_dicts()
    return rows.join(leaks, on="id", how="anti", maintain_order="left")


def data_version(frame: pl.DataFrame) -> str:
    """Return a hash of the rows' split, id and label, in order."""
    return hash_lines(f"{s}|{i}|{label}" for s, i, label in frame.select("split", "id", "label").iter_rows())


def points_of(table: TableRef, task: str, split: str = "train", without: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the rows of a split as points of a transport problem, by id: id and weight.

    Args:
        table: The table `target_data`.
        task: The name of the task.
        split: The split.
        without: The ids that have no vector, which are left out.

    Raises:
        BadInput: No row of the split has a vector.
    """
    rows = table.of_target(task).filter(pl.col("split") == split)
    if without is None or not without.height:
        return weighed(rows)
    points = weighed(rows.join(without.lazy(), on="id", how="anti"))
    if not points.height and rows.head(1).collect().height:
        what = "no row has a token that the encoder knows, so none has a vector"
        raise BadInput(f"target.{split}", what, "Give texts in words, or another `encoder.model`")
    return points


def weighed(rows: pl.LazyFrame) -> pl.DataFrame:
    """Return rows as points: id and weight, in order of id. A row's weight is its share of the rows."""
    counted = rows.group_by("id").len("weight").sort("id")
    return counted.with_columns(pl.col("weight") / pl.col("weight").sum()).collect()


def shares_of(quotas: Quotas, names: list[str]) -> list[tuple[str, float]]:
    """Return the parts of the target, by name, with their shares of the budget, which sum to 1.

    Raises:
        BadInput: A share is given for a name that is no part.
    """
    shares = quotas.shares or dict.fromkeys(names, 1.0)
    if unknown := sorted(set(shares) - set(names)):
        what = f"no row of target.train has the {quotas.by} `{unknown[0]}`"
        raise BadInput("quotas.shares", what, f"There are: {', '.join(names[:20])}")
    total = sum(shares.values())
    return [(name, shares[name] / total) for name in names if shares.get(name)]


def ids_of(table: TableRef, task: Task, splits: Collection[str] = EVALUATION) -> pl.DataFrame:
    """Return the ids of the rows of some splits: id and split (several splits are joined by +).

    A row has its own id, and the ids of the passages that the pool would cut it into.
    """
    rows = table.of_target(task.name).filter(pl.col("split").is_in(splits))
    ids = [
        (id_, split)
        for split, whole, text in rows.select("split", "id", "text").collect().iter_rows()
        for id_ in [whole, *map(content_id, cut(text, task.corpus.passage_chars))]
    ]
    frame = pl.DataFrame(ids, schema={"id": pl.String, "split": pl.String}, orient="row")
    return frame.group_by("id").agg(pl.col("split").unique().sort().str.join("+"))


def sampled(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return at most `most` rows, sampled by content (`id`), in their order.

    Rows are sampled because the first rows of a sorted file may have one label or one source.
    """
    if rows.height <= most:
        return rows
    return rows.filter(pl.Series(sampling_numbers(rows["id"], "measured")).rank("ordinal") <= most)


def general_texts(table: TableRef, raw_corpus: TableRef, task: Task, most: int = GENERAL_ROWS) -> list[str]:
    """Return general text to measure forgetting on: the task's own, or the held-out rows of the pool."""
    target = table.of_target(task.name)
    own = target.filter(pl.col("split") == "general").sort("row").select("id", "text").collect()
    if own.height:
        return sampled(own, most)["text"].to_list()
    rows = pool.scan_pool(raw_corpus, pool.pool_key(task))
    held_out = rows.filter(pl.col("held_out") & pl.col("duplicate_of").is_null())
    apart = held_out.join(target.select("id"), on="id", how="anti").sort("id").head(most)
    return apart.select("text").collect()["text"].to_list()


def _read(task: Task, split: str, facts: TargetFacts) -> pl.DataFrame | None:
    source = task.target.source(split)
    return None if source is None else _all_of(task, source, f"target.{split}", f"the target's {split} split", facts)


def _all_of(task: Task, source: Source, field_: str, what: str, facts: TargetFacts) -> pl.DataFrame:
    """Return all rows of a source with their ids; `field_` names the source in the task file, `what` in messages."""
    reading = Reading(source)
    rows = pl.concat([pl.DataFrame(schema=SCHEMA), *readers.read(source, reading=reading)], how="diagonal")
    if not rows.height:
        raise BadInput(source.path, f"{what} is empty", "Give a file that has rows")
    if _is_cut(source):
        parts = pool_rows.passages_of(rows, task.corpus.passage_chars)
        reading.cut = parts.filter(pl.col("part") == 1).height
        rows = parts.drop("n_tokens", "part")
    facts.sources.append(reading.counts(field_))
    cleaned = pl.col("text").map_elements(clean, return_dtype=pl.String)
    return rows.with_columns(text=cleaned, id=cleaned.map_elements(content_id, return_dtype=pl.String))


def _is_cut(source: Source) -> bool:
    """Return whether rows are cut into passages: text files are documents, longer than an encoder's input."""
    return readers.format_of(source) == "text" and not source.whole_rows


def _held_out(read: dict[str, pl.DataFrame | None], facts: TargetFacts) -> dict[str, pl.DataFrame]:
    """Return all three splits; a split that is not given is a tenth of train, sampled by content."""
    train = read["train"]
    assert train is not None
    splits = {split: rows for split, rows in read.items() if rows is not None}
    missing = [split for split in ("validation", "test") if split not in splits]
    facts.held_out_from_train = missing
    if not missing:
        return splits
    chosen = (holding_out.by_groups if facts.held_out_by == GROUPS else holding_out.by_rows)(train, missing)
    keep = ~pl.fold(pl.lit(False), lambda a, b: a | b, [pl.lit(mask) for mask in chosen.values()])
    kept = train.filter(keep)
    return {**splits, **{split: train.filter(mask) for split, mask in chosen.items()}, "train": kept}


def _refuse_same(task: Task, splits: dict[str, pl.DataFrame | None]) -> None:
    train = splits["train"]
    for split in ("validation", "test"):
        rows = splits[split]
        if rows is not None and train is not None and set(train["id"]) <= set(rows["id"]):
            source = task.target.source(split)
            where = f"target.{split} ({source.path if source else ''})"
            raise BadInput(where, "holds every row of target.train", "Train on one file and test on another")


def _refuse_short(task: Task, split: str, rows: int, left: bool) -> None:
    source = task.target.source(split) or task.target.train
    why = f"the target's {split} split has {rows} usable row{'s' * (rows != 1)}"
    fix = f"Give at least {_FEWEST_ROWS} rows (thirty or more make a useful target)"
    if left:
        why += " after removing rows that overlap evaluated rows"
        fix = "Give rows that are less alike, or give `validation` and `test`, or set `leakage: allow` to keep them"
    raise BadInput(source.path, why, fix)


def _labels(task: Task, splits: dict[str, pl.DataFrame]) -> list[str]:
    labels: list[str] = sorted(splits["train"]["label"].drop_nulls().unique())
    if len(labels) < 2:
        raise BadInput(task.target.train.path, f"train has {len(labels)} label(s)", "Give at least two, or no `label`")
    for split in ("train", "validation", "test"):
        without = splits[split].filter(pl.col("label").is_null())
        if without.height:
            raise BadInput(
                without["origin"][0], f"no label in {split}", "Set `target.label`, which holds for all splits"
            )
        unseen = splits[split].filter(~pl.col("label").is_in(labels))
        if unseen.height:
            what = f"label `{unseen['label'][0]}` is in {split} but never in train"
            raise BadInput(unseen["origin"][0], what, "Add rows with it to train, or drop it from the split")
    return labels
