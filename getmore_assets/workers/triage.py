"""Measure every domain of the pool against the target, on a sample of each.

Belongs here: which rows are sampled and encoded, which domains are kept. Does not: the solves (`transport/triage.py`).
"""

import time

import polars as pl

import getmore_assets.transport.passes.cpu  # noqa: F401  # torch is imported before the fork: the next worker has it, too
from getmore_assets.corpus import candidates, pool
from getmore_assets.corpus.target import points_of
from getmore_assets.encoders import store
from getmore_assets.errors import BadInput
from getmore_assets.facts import MeasuredDomain, TriageFacts
from getmore_assets.lake import Lake
from getmore_assets.transport.triage import distances
from getmore_assets.workers import TRIAGE, run
from getmore_assets.workers.contracts import TriageSpec
from getmore_assets.workers.embed import fill, may_be_candidates


def triage(spec: TriageSpec) -> TriageFacts:
    """Write each domain's distance, nearest first, and whether it is kept."""
    task, lake, raw_corpus, target = spec.task, Lake(spec.lake), spec.raw_corpus, spec.target_data
    # Ids are hashes, so the smallest of a domain are a random sample of it.
    found = candidates.find(task, raw_corpus, target, spec.leakage)
    sample = pl.DataFrame(schema={"domain": pl.String, "id": pl.String})
    for piece in found.pieces("domain"):
        both = pl.concat([sample, piece.select("domain", "id")])
        sample = both.group_by("domain", maintain_order=True).head(task.triage.sample)
    texts = pool.with_ids(may_be_candidates(task, raw_corpus), sample["id"]).select("id", "text")
    started = time.monotonic()
    filled = fill(spec, texts)
    encoded = time.monotonic()
    without = store.without_vector(filled.table, filled.encoder)
    points = points_of(target, task.name, without=without)
    sample = sample.join(without, on="id", how="anti").sort("domain", "id")
    if not sample.height:
        what = "no row has a token that the encoder knows, so none has a vector"
        raise BadInput("candidates", what, "Give texts in words, or another `encoder.model`")
    ids = pl.concat([sample["id"], points["id"]]).unique()
    place = pl.DataFrame({"id": ids, "at": pl.int_range(len(ids), eager=True)})
    vectors = store.load(filled.table, filled.encoder, ids)
    at = sample.join(place, on="id", maintain_order="left").group_by("domain", maintain_order=True).agg("at")
    samples = {str(domain): vectors[rows] for domain, rows in at.rows()}
    y = vectors[points.join(place, on="id", maintain_order="left")["at"].to_numpy()]
    measured = distances(samples, y, points["weight"].to_numpy(), task.triage.epsilon, task.transport.memory_mb)
    counts = dict(found.domains.rows())
    rows = pl.DataFrame(
        [{"nearness": i + 1, "rows": counts[one.domain], **one.__dict__} for i, one in enumerate(measured)]
    ).with_columns(kept=pl.col("nearness") <= (task.triage.keep or len(measured)))
    written = lake.replace(TRIAGE, rows, {"target": task.name}, spec.commit)
    return TriageFacts(
        version=written.version,
        encoder=filled.encoder,
        domains=[MeasuredDomain(**row) for row in rows.iter_rows(named=True)],
        encoded=filled.encoded,
        reused=filled.reused,
        encode_seconds=encoded - started,
        solve_seconds=time.monotonic() - encoded,
    )


if __name__ == "__main__":
    run(triage)
