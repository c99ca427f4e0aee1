"""A recorded scorecard as tables, for `getmore compare` and the job `compare`.

Belongs here: reading the record, and the order of the tables. Does not: the tables (`tables.py`).
"""

from dataclasses import dataclass

import polars as pl

from getmore_assets.records import Record
from getmore_assets.reporting import statistics, tables, verdict
from getmore_assets.reporting.gates import Gate, failed
from getmore_assets.reporting.tables import Table
from getmore_assets.training_facts import ScorecardFacts


@dataclass(frozen=True)
class Comparison:
    """A scorecard: headline, a sentence on each comparison, tables, and the path of the report."""

    headline: str
    verdict: list[str]
    tables: list[Table]
    report: str


def read(record: Record) -> Comparison:
    """Return the scorecard of a record."""
    rows = record.table_ref().of_target(record.task).collect()
    facts = ScorecardFacts.of(record)
    order = {(row["selector"], row["seed"]): at for at, row in enumerate(facts.scored)}
    positions = [order[pair] for pair in rows.select("selector", "seed").rows()]
    scores = rows.with_columns(pl.Series("at", positions)).sort("at").drop("at")
    chosen = str(facts.scored[0]["selector"])
    gains = verdict.gains(scores, chosen)
    shown = [
        tables.scorecard(scores, facts.distances),
        tables.gains(gains, statistics.main_metric(scores), chosen),
        tables.costs(scores),
        tables.forgetting(scores),
    ]
    cannot_tell = failed([Gate(**vars(gate)) for gate in facts.gates])
    headline = verdict.headline(gains, chosen, cannot_tell)[1]
    return Comparison(headline, facts.verdict, [t for t in shown if t is not None], record.folders["report"])
