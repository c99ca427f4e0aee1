"""One self-contained HTML page per task.

Belongs here: filling the page. Does not: statistics or figures. Everything that came out of a corpus is escaped.
"""

import base64
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader

from getmore_assets.records import Record, write_atomically
from getmore_assets.reporting import statistics

_EXAMPLES = 8
_EXAMPLE_CHARS = 600


def write(
    path: Path,
    *,
    task: str,
    selector: str,
    scores: pl.DataFrame,
    subset: pl.DataFrame,
    candidates: int,
    hash_: str,
    records: list[Record],
    figures: list[Path],
) -> Path:
    """Write the report.

    Args:
        path: Where.
        task: Its name.
        selector: The chosen one.
        scores: The scorecard: one row per selector and seed.
        subset: The selected subset: rank, score, domain, text.
        candidates: How many there were to choose from.
        hash_: Names the selection.
        records: Of the stations, in order.
        figures: PNG files.
    """
    environment = Environment(loader=PackageLoader("getmore_assets.reporting", "."), autoescape=True)
    summary, metrics = statistics.summary(scores), statistics.metrics_in(scores)
    page = environment.get_template("report.html").render(
        task=task,
        selector=selector,
        selected=subset.height,
        candidates=candidates,
        hash=hash_,
        metrics=metrics,
        verdict=statistics.verdict(scores, selector),
        seeds=scores["seed"].n_unique(),
        rows=[_row(name, found, scores, name == selector) for name, found in summary.items()],
        figures=[{"name": p.stem, "data": base64.b64encode(p.read_bytes()).decode()} for p in figures],
        examples=_examples(subset),
        records=[_made(r) for r in records],
    )
    write_atomically(path, page)
    return path


def _row(name: str, found: dict[str, statistics.Interval], scores: pl.DataFrame, chosen: bool) -> dict[str, Any]:
    mine = scores.filter(pl.col("selector") == name)
    costs = [f"{mine[c].to_numpy().mean():.1f}" for c in ("selection_seconds", "warmup_seconds", "finetune_seconds")]
    return {
        "selector": "no warm-up" if name == "none" else name,
        "chosen": chosen,
        "metrics": [str(i) for i in found.values()],
        "costs": [f"{mine['warmup_tokens'].to_numpy().max():,}", *costs],
    }


def _examples(subset: pl.DataFrame) -> list[dict[str, Any]]:
    shown = subset.sort("rank").with_columns(pl.col("text").str.slice(0, _EXAMPLE_CHARS))
    return [
        {"title": "First picks", "rows": shown.head(_EXAMPLES).to_dicts()},
        {"title": "Last picks", "rows": shown.tail(_EXAMPLES).to_dicts()},
    ]


def _made(record: Record) -> dict[str, Any]:
    table = [f"{record.table.path} @ v{record.table.version}"] if record.table else []
    return {**record.__dict__, "place": "\n".join([*table, *record.folders.values()])}
