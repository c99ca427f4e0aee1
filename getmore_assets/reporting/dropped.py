"""Sentences on dropped rows, for the terminal and the report.

Belongs here: rows that were read and not used, or are used twice, from the stages' records. Does not: dropping rows.
"""

import re
from collections import Counter

from getmore_assets.corpus.pool import PoolFacts
from getmore_assets.corpus.reading import counts_in, remarks
from getmore_assets.corpus.target import TargetFacts
from getmore_assets.facts import EmbeddingFacts, SelectionFacts
from getmore_assets.records import Record

_MANY = 0.05  # share of a split; above it, the sentence says how to keep the rows
_EQUAL = "is evaluated on elsewhere"
_OVERLAP = re.compile(r"overlaps (\S+):")


def dropped(records: dict[str, Record]) -> list[str]:
    """Return one sentence for each kind of row that was read and not used, or is used in two places.

    Args:
        records: Records of a task's stages, by name; stages may be missing.
    """
    sentences = []
    if target := records.get("target_data"):
        sentences += _of_target(TargetFacts.of(target))
    if "raw_corpus" in records and target:
        partial = [counts for counts in counts_in(records) if counts.skipped or counts.other_branches or counts.beside]
        sentences += [f"{counts.field}: {remark}" for counts in partial for remark in remarks(counts)]
    if pool := records.get("raw_corpus"):
        sentences += _of_pool(PoolFacts.of(pool))
    if (leaks := records.get("leakage")) and leaks.rows:
        rows = f"{leaks.rows:,} row{'s' * (leaks.rows != 1)}"
        sentences.append(f"corpus: {rows} overlapping validation or test: not selected")
    if without := (EmbeddingFacts.of(records["embeddings"]).without_vector if "embeddings" in records else 0):
        texts = f"{without:,} {'text' if without == 1 else 'texts'}"
        sentences.append(f"corpus and target: {texts} without a token that the encoder knows, so without a vector")
    if twice := (SelectionFacts.of(records["selected_subset"]).also_in_train if "selected_subset" in records else 0):
        rows = "row is a row" if twice == 1 else "rows are rows"
        sentences.append(f"selection: {twice:,} selected {rows} of target train")
    return sentences


def _of_target(facts: TargetFacts) -> list[str]:
    sentences, many = [], False
    for split, rows in facts.left.items():
        if not rows:
            continue
        kept = facts.rows[split]
        counts = Counter(_why(row["reason"]) for row in rows)
        why = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
        sentences.append(f"target.{split}: {len(rows):,} of {kept + len(rows):,} rows dropped: {why}")
        many = many or (len(rows) > _MANY * (kept + len(rows)) and _EQUAL not in counts)
    if many:
        sentences[-1] += ". `leakage: allow` keeps them, but then scores count text that was trained on"
    return sentences


def _why(reason: str) -> str:
    overlap = _OVERLAP.match(reason)
    return f"overlap {overlap[1]}" if overlap else "are equal to rows that are evaluated on"


def _of_pool(facts: PoolFacts) -> list[str]:
    counts = [
        (facts.exact_duplicates, "row{} with the text of another: one row per text is kept"),
        (facts.near_duplicates, "row{} nearly the same as another: not selected (`corpus.near_duplicates`)"),
    ]
    return [f"corpus: {count:,} {what.format('s' * (count != 1))}" for count, what in counts if count]
