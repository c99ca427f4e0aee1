"""A scorecard that is there, as tables: what `getmore compare` and the job `compare` show.

Belongs here: which tables, in which order, from a record. Does not: the tables (`tables.py`), or making a scorecard.
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
    """A scorecard in words and tables: its headline, its verdict on each comparison, and the tables by title."""

    headline: str
    verdict: list[str]
    tables: list[Table]
    report: str


def read(made: Record) -> Comparison:
    """The scorecard that a record names."""
    rows = made.table_ref().of_target(made.task).collect()
    facts = ScorecardFacts.of(made)
    order = {(one["selector"], one["seed"]): at for at, one in enumerate(facts.scored)}
    places = [order[pair] for pair in rows.select("selector", "seed").rows()]
    scores = rows.with_columns(pl.Series("at", places)).sort("at").drop("at")
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
    found = [table for table in shown if table is not None]
    return Comparison(headline, facts.verdict, found, made.folders["report"])
