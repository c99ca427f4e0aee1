"""The data of a report from the lake: ranks, texts, potentials, and vectors of a sample.

Belongs here: reading these data at the recorded versions. Does not: sentences (`report.py`) or figures (`figures.py`).
"""

from dataclasses import dataclass

import polars as pl

from getmore_assets.config import Task
from getmore_assets.corpus import pool
from getmore_assets.encoders import store
from getmore_assets.facts import EmbeddingFacts, SelectionFacts
from getmore_assets.lake import TableRef
from getmore_assets.records import Record
from getmore_assets.reporting import rows
from getmore_assets.reporting.pca_map import PcaMap, project, sample


@dataclass(frozen=True)
class ReportData:
    """The data of a report about a selection.

    Attributes:
        candidates: Every candidate: id, source, domain, n_tokens, decision, rank, score.
        excluded: Every other row of the pool: stage and reason.
        groups: The candidates to show.
        texts: The texts of these candidates, by id.
        near: For the picks among these candidates, the text of the nearest target row, by id.
        potentials: Count and quantiles of the potentials of each side, candidate and target.
        pca_map: The PCA map of a sample; None if the vectors span no plane.
    """

    candidates: pl.DataFrame
    excluded: pl.DataFrame
    groups: list[rows.Group]
    texts: dict[str, str]
    near: dict[str, str]
    potentials: pl.DataFrame
    pca_map: PcaMap | None


def read(task: Task, records: dict[str, Record]) -> ReportData:
    """Read the data of a report.

    Args:
        task: The task.
        records: The records of the stages from `raw_corpus` to `selected_subset`.

    Raises:
        LookupError: A candidate is not in the pool, or has no vector.
    """
    raw_corpus, selected = records["raw_corpus"].table_ref(), records["selected_subset"]
    ledger = SelectionFacts.of(selected).fates(task.name)
    names = pool.scan_pool(raw_corpus, pool.pool_key(task)).select("id", "source", "domain", "n_tokens")
    fates = ledger.filter(pl.col("decision") != "excluded").select("id", "decision", "rank", "score").collect()
    candidates = names.join(fates.lazy(), on="id").collect()
    if candidates.height != fates.height:
        raise LookupError(f"{candidates.height} of {fates.height} candidates of the ledger are in raw_corpus")
    groups = rows.groups(candidates)
    ids = [id_ for group in groups for id_ in group.rows["id"]]
    return ReportData(
        candidates=candidates,
        excluded=ledger.filter(pl.col("decision") == "excluded").select("stage", "reason").collect(),
        groups=groups,
        texts=dict(zip(ids, pool.texts_of(raw_corpus, task, ids), strict=True)),
        near=_near(task, selected.table_ref(), records["target_data"].table_ref(), ids),
        potentials=_potentials(task, records["ot_potentials"].table_ref()),
        pca_map=_pca_map(task, records, candidates),
    )


def _near(task: Task, selected: TableRef, target: TableRef, ids: list[str]) -> dict[str, str]:
    picks = selected.of_target(task.name).filter(pl.col("id").is_in(ids))
    first = picks.select("id", near=pl.col("nearest_target_ids").list.first())
    train = target.of_target(task.name).filter(pl.col("split") == "train")
    train = train.select(near="id", text="text").unique("near")
    return dict(first.join(train, on="near").select("id", "text").collect().iter_rows())


def _potentials(task: Task, potentials: TableRef) -> pl.DataFrame:
    value = pl.col("potential")
    counted = potentials.of_target(task.name).group_by("side")
    within = {"5 %": 0.05, "median": 0.5, "95 %": 0.95}
    return (
        counted.agg(
            pl.len().alias("rows"),
            value.min().alias("lowest"),
            *(value.quantile(share, "linear").alias(name) for name, share in within.items()),
            value.max().alias("highest"),
        )
        .sort("side")
        .collect()
    )


def _pca_map(task: Task, records: dict[str, Record], candidates: pl.DataFrame) -> PcaMap | None:
    target = records["target_data"].table_ref().of_target(task.name).filter(pl.col("split") == "train")
    sampled = sample(candidates, target.select("id").unique().collect()["id"])
    embeddings = records["embeddings"]
    return project(sampled, store.load(embeddings.table_ref(), EmbeddingFacts.of(embeddings).encoder, sampled.ids))
