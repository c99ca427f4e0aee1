"""Which rows were dropped on the way and why, and which rows were kept though they stand twice, in words.

Belongs here: counting what the records of the stages say, for the terminal and the report. Does not: dropping anything.
"""

import re
from collections import Counter

from getmore_assets.corpus.pool import PoolFacts
from getmore_assets.corpus.reading import counts_in, remarks
from getmore_assets.corpus.target import TargetFacts
from getmore_assets.facts import EmbeddingFacts, SelectionFacts
from getmore_assets.records import Record

_MANY = 0.05  # of a split: from which on it is said how to keep the rows
_EQUAL = "is evaluated on elsewhere"
_OVERLAP = re.compile(r"overlaps (\S+):")


def dropped(made: dict[str, Record]) -> list[str]:
    """Return one sentence for each kind of row that was read and not used, or is used in two places.

    Args:
        made: The records of a task's stages, by name; those that are not there are passed over.
    """
    said = []
    if target := made.get("target_data"):
        said += _of_target(TargetFacts.of(target))
    if "raw_corpus" in made and target:
        partly = [one for one in counts_in(made) if one.skipped or one.other_branches or one.beside]
        said += [f"{one.field}: {remark}" for one in partly for remark in remarks(one)]
    if pool := made.get("raw_corpus"):
        said += _of_pool(PoolFacts.of(pool))
    if (leaks := made.get("leakage")) and leaks.rows:
        said.append(f"corpus: {leaks.rows:,} row{'s' * (leaks.rows != 1)} overlapping validation or test: not selected")
    if without := (EmbeddingFacts.of(made["embeddings"]).without_vector if "embeddings" in made else 0):
        many = "text" if without == 1 else "texts"
        said.append(
            f"corpus and target: {without:,} {many} without a token that the encoder knows, so without a vector"
        )
    if twice := (SelectionFacts.of(made["selected_subset"]).also_in_train if "selected_subset" in made else 0):
        many = "row is a row" if twice == 1 else "rows are rows"
        said.append(f"selection: {twice:,} selected {many} of target train")
    return said


def _of_target(facts: TargetFacts) -> list[str]:
    said, many = [], False
    for split, rows in facts.left.items():
        if not rows:
            continue
        kept = facts.rows[split]
        counts = Counter(_why(row["reason"]) for row in rows)
        why = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
        said.append(f"target.{split}: {len(rows):,} of {kept + len(rows):,} rows dropped: {why}")
        many = many or (len(rows) > _MANY * (kept + len(rows)) and _EQUAL not in counts)
    if many:
        said[-1] += ". `leakage: allow` keeps them, but then scores count text that was trained on"
    return said


def _why(reason: str) -> str:
    overlap = _OVERLAP.match(reason)
    return f"overlap {overlap[1]}" if overlap else "are equal to rows that are evaluated on"


def _of_pool(facts: PoolFacts) -> list[str]:
    counts = [
        (facts.exact_duplicates, "row{} with the text of another: one row each text is kept"),
        (facts.near_duplicates, "row{} nearly the same as another: not selected (`corpus.near_duplicates`)"),
    ]
    return [f"corpus: {count:,} {what.format('s' * (count != 1))}" for count, what in counts if count]
