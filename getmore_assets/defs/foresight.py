"""Which stations a run would make, and which it would find made.

Belongs here: asking each station for its fingerprint without making it. Does not: what making it takes (`planning/`).
"""

from dataclasses import dataclass
from typing import Any

import dagster as dg

from getmore_assets.config import BROUGHT, LEXICAL, Task
from getmore_assets.corpus import pool
from getmore_assets.defs.base_model import base_model
from getmore_assets.defs.domain_triage import domain_triage
from getmore_assets.defs.embeddings import embeddings
from getmore_assets.defs.finetuned_model import finetuned_model
from getmore_assets.defs.leakage import leakage
from getmore_assets.defs.ot_potentials import ot_potentials
from getmore_assets.defs.raw_corpus import raw_corpus
from getmore_assets.defs.scorecard import scorecard
from getmore_assets.defs.selected_subset import selected_subset
from getmore_assets.defs.target_data import target_data
from getmore_assets.defs.warmed_model import warmed_model
from getmore_assets.lake import Lake
from getmore_assets.models import is_here
from getmore_assets.records import STATIONS, Record, Records, making

_ASSETS: tuple[dg.AssetsDefinition, ...] = (
    raw_corpus,
    target_data,
    leakage,
    domain_triage,
    embeddings,
    ot_potentials,
    base_model,
    selected_subset,
    warmed_model,
    finetuned_model,
    scorecard,
)


@dataclass(frozen=True)
class Foreseen:
    """What a run would do with a station: `record` is what would be reused, None where it would be made, and why."""

    record: Record | None
    why: str


class _Asked:
    """Stands in for the line, to be told what a station would be made from."""

    def materialise(self, _context: Any, **how: Any) -> dict[str, Any]:
        return how


def absent(task: Task) -> dict[str, str]:
    """The models of a task that are neither here nor in the hub's cache, by field; nothing is downloaded."""
    asked = {"encoder.model": task.encoder.model, "base_model.model": task.base_model.model}
    if task.toxicity:
        asked["toxicity.classifier"] = task.toxicity.classifier
    return {field: name for field, name in asked.items() if name not in (LEXICAL, BROUGHT) and not is_here(name)}


def foresee(task: Task, target: tuple[str, str] | None = None) -> dict[str, Foreseen]:
    """Every station in the order of the line.

    Args:
        task: Whose.
        target: The data version that target_data would have, and that of what is evaluated on, where they are known.
    """
    lake, found = Lake(task.lake), dict[str, Foreseen]()
    if not lake.root.is_dir():  # nothing is left there either
        return {name: Foreseen(None, "nothing has been made yet") for name in STATIONS}
    records, without = Records(lake, task.name), absent(task)
    for asset in sorted(_ASSETS, key=lambda one: STATIONS.index(one.key.path[-1])):
        found[asset.key.path[-1]] = _look(asset, task, records, found, target, without)
    return found


def _look(
    asset: dg.AssetsDefinition,
    task: Task,
    records: Records,
    found: dict[str, Foreseen],
    target: tuple[str, str] | None,
    without: dict[str, str],
) -> Foreseen:
    station = asset.key.path[-1]
    how = asset.op.compute_fn.decorated_fn(None, _Asked())  # type: ignore[union-attr]
    read = how["inputs"](task) if callable(how["inputs"]) else how["inputs"]
    used = {name: _version(name, how.get("reads", {}).get(name), task, found[name], target) for name in read}
    unknown = [name for name, version in used.items() if version is None]
    if unknown:
        return Foreseen(None, f"{unknown[0]} is made anew")
    if without and station in ("domain_triage", "embeddings", "base_model", "finetuned_model", "scorecard"):
        return Foreseen(None, f"{next(iter(without))} is not here, so it cannot have been made of it")
    last, code = records.get(station), asset.code_versions_by_key[asset.key] or ""
    wanted = making(station, code, how["settings"](task), {name: str(version) for name, version in used.items()})
    if last is not None and last.fingerprint == wanted and last.kept is None:
        return Foreseen(last, "its record has the same fingerprint")
    earlier = records.made_before(station, wanted)
    if earlier is not None:
        return Foreseen(earlier, "an earlier record has the same fingerprint")
    if last is None:
        return Foreseen(None, "not made yet" if not records.known(station) else "what its record names is gone")
    same = last.fingerprint == making(station, code, how["settings"](task), last.inputs)
    return Foreseen(None, "what it reads has changed" if same else "its settings have changed")


def _version(
    station: str, fact: str | None, task: Task, foreseen: Foreseen, target: tuple[str, str] | None
) -> str | None:
    """The version of an input that would be read; None where only making it tells."""
    if foreseen.record is not None:
        return str(foreseen.record.facts[fact]) if fact else foreseen.record.data_version
    if (station, fact) == ("raw_corpus", "pool"):
        return pool.pool_key(task)
    if station == "target_data" and target is not None:
        return target[1] if fact == "evaluated_version" else target[0]
    return None
