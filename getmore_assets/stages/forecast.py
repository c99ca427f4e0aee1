"""Planning a task: what would be made, what was measured of it on small samples, and what the whole will take.

Belongs here: running miniatures of the line and the measuring worker, in a folder that goes at the end. Does not: the
arithmetic (`planning/`), or printing (`cli/plan.py`). The lake is read and nothing is written to it.
"""

import logging
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from getmore_assets.config import BROUGHT, LEXICAL, Task
from getmore_assets.corpus import pool
from getmore_assets.encoders import encoder_fingerprint, fits, refit, store
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from getmore_assets.launch import launch
from getmore_assets.planning import work
from getmore_assets.planning.estimates import Estimate, Measured, Plan, Told
from getmore_assets.planning.gathering import Gathering
from getmore_assets.planning.miniature import write
from getmore_assets.planning.sampling import LARGE, SMALL, Look, look
from getmore_assets.planning.trainings import Trainings
from getmore_assets.planning.work import Counts
from getmore_assets.records import STATIONS, Record, Records, sources_of
from getmore_assets.stages.foresight import Foreseen, absent, foresee
from getmore_assets.stages.table import STAGES
from getmore_assets.workers.embed import may_be_candidates

log = logging.getLogger(__name__)

_TRAINS = ("base_model", "warmed_model", "finetuned_model", "scorecard")
_MIB = 2**20
_LAST_LINES = 5


def plan(task: Task) -> Plan:
    """Plan the whole line of a task.

    Raises:
        BadInput: The sources are refused, as the line would refuse them.
    """
    began, without = time.monotonic(), absent(task)
    foreseen = foresee(task)
    if all(one.record for one in foreseen.values()):
        stations = [_reused(name, one) for name, one in foreseen.items()]
        records = {name: one.record for name, one in foreseen.items() if one.record}
        return Plan(task.name, stations, [], time.monotonic() - began, sources_of(records))
    with TemporaryDirectory(prefix="getmore-plan-") as temporary:
        folder = Path(temporary)
        log.info("counting the rows of all sources")
        seen = look(task, folder)
        foreseen = foresee(task, seen.versions)
        found = _measured(task, seen, folder, without)
        stations = _estimates(task, foreseen, found, without)
        refitted = _refitted(task, foreseen, found)
    fix = "nothing is downloaded to plan; where there is a network: hf download"
    notes = [f"{field} {name} is not here: {fix} {name}" for field, name in without.items()]
    notes.append(
        "seconds are what stations will record; checks between them, and the start of the command, come on top"
    )
    notes.append("duplicates of the pool's sources are counted when the pool is made")
    if any(Lake(task.lake).root.glob(f"runs/{task.name}/*.json")):
        notes.append(
            "runs of a comparison that are there already and still serve are not made again, so it may take less"
        )
    if refitted:
        notes.append(f"the lexical encoder is fitted again, and every row encoded: about {refitted}")
    if task.toxicity:
        notes.append("toxicity is not in the figures: what is written and judged takes its time in every run")
    return Plan(task.name, stations, notes, time.monotonic() - began, seen.sources)


def _measured(task: Task, seen: Look, folder: Path, without: dict[str, str]) -> Measured:
    """Run both miniatures, and the worker that measures models."""
    trains = "base_model.model" not in without and "toxicity.classifier" not in without
    small = _run(task, seen, folder, SMALL, "run" if trains else "select")
    large = _run(task, seen, folder, LARGE, "select")
    log.info("measuring the models")
    base = small.get("base_model")
    (folder / "measure").mkdir()
    spec = {
        "task": task.model_dump(mode="json", exclude_unset=True),
        "work": str(folder / "measure"),
        "encoder": "encoder.model" not in without,
        "training": trains,
        "pool": str(folder / f"pool-{LARGE}.parquet"),
        "picks": large["selected_subset"].folders["parquet"],
        "base": base.folders["model"] if base and task.base_model.model != "small" else None,
        "head": base.facts["head_trained"] if base else [],
        "classes": seen.labels,
        **{split: str(folder / f"{split}-{LARGE}.parquet") for split in ("train", "validation", "test")},
    }
    rates = launch("measure", spec, folder / "measure")
    made = {SMALL: small, LARGE: large}
    disk = {(size, name): _disk(record) for size, left in made.items() for name, record in left.items()}
    return Measured(seen, small, large, disk, rates)


def _run(task: Task, seen: Look, folder: Path, size: str, verb: str) -> dict[str, Record]:
    """Run a miniature by the command, as a run of the task would be: in a process of its own."""
    log.info("a miniature of %d rows: %s", seen.samples[size], verb)
    file = write(task, seen, folder, size)
    away = ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")  # nothing of it is to be seen there
    environment = {name: value for name, value in os.environ.items() if name not in away} | {"HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "getmore_assets.cli", verb, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        said = " ".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise BadInput(f"task {task.name}", f"a miniature of it failed ({said})", "Mend that: the run would fail too")
    records = Records(Lake(folder / f"lake-{size}"), f"plan-{size}")
    return {name: record for name in STATIONS if (record := records.get(name))}


def _disk(record: Record) -> float:
    """MiB of what a station left."""
    places = [Path(place) for place in [*record.folders.values(), *record.figures.values()]]
    places += [Path(record.table.path)] if record.table else []
    files = [file for place in places for file in (place.rglob("*") if place.is_dir() else [place])]
    return sum(file.stat().st_size for file in files if file.is_file()) / _MIB


def _counts(task: Task, foreseen: dict[str, Foreseen], found: Measured) -> Counts:
    """What goes through the line: counted where it can be, else at the rates of the large miniature."""
    seen, large = found.look, found.large
    share = seen.rows / seen.samples[LARGE]
    there = foreseen["raw_corpus"].record
    made = large["raw_corpus"]
    passages = there.rows if there else round(made.rows * share)
    candidates = round(large["ot_potentials"].facts["candidates"] * passages / made.rows)
    selected = pl.read_parquet(large["selected_subset"].folders["parquet"])
    words = made.table_ref().scan().select(pl.col("n_tokens").mean()).collect().item()
    picks = work.picks(task.selection.budget, candidates, float(selected["n_tokens"].mean()))  # type: ignore[arg-type]
    counts = Counts(
        rows=seen.rows,
        passages=passages,
        words=round(words * passages),
        candidates=candidates,
        sampled=min(candidates, round(sum(one["sampled"] for one in large["domain_triage"].facts["domains"]) * share)),
        splits=seen.splits,
        general=work.general_rows(task, seen.splits, passages),
        picks=picks,
        picked_words=round(picks * float(selected["n_tokens"].mean())),  # type: ignore[arg-type]
        missing=0,
        first=0,
    )
    kept = 0 if _refitted(task, foreseen, found) else _encoded(task)
    missing = max(0, counts.candidates + counts.points - kept)
    first = 0 if foreseen["domain_triage"].record else min(missing, counts.sampled + counts.points)
    return replace(counts, missing=missing, first=first)


def _refitted(task: Task, foreseen: dict[str, Foreseen], found: Measured) -> str:
    """Return why the lexical encoder will be fitted again; empty where it will not."""
    if task.encoder.model != LEXICAL:
        return ""
    lake = Lake(task.lake)
    table, fit = lake.latest(pool.TABLE), store.fitted_file(lake, encoder_fingerprint(task))
    if table is None or not fit.is_file():
        return ""
    share = refit.share_new(fit, may_be_candidates(task, table)) or 0.0
    if not foreseen["raw_corpus"].record:
        there: int = pool.scan_pool(table, pool.pool_key(task)).select(pl.len()).collect().item()
        now = round(found.large["raw_corpus"].rows * found.look.rows / found.look.samples[LARGE])
        share = (share * there + max(0, now - there)) / max(now, there, 1)
    bound = refit.limit(fit)
    return refit.reason(share, bound) if share > bound else ""


def _encoded(task: Task) -> int:
    """Vectors that the encoder has made already, of whichever texts."""
    if task.encoder.model == BROUGHT or absent(task):
        return 0
    lake = Lake(task.lake)
    return store.encoded_ids(lake.latest(store.TABLE), fits.key_of(task, lake)).height


def _estimates(task: Task, foreseen: dict[str, Foreseen], found: Measured, without: dict[str, str]) -> list[Estimate]:
    reads_pool = foreseen["raw_corpus"].record is None
    gathered = Gathering(task, _counts(task, foreseen, found), found, reads_pool)
    trained = Trainings(gathered) if "training" in found.rates else None
    stations = []
    for name, one in foreseen.items():
        if one.record:
            stations.append(_reused(name, one))
            continue
        told = _told(task, name, gathered, trained, without)
        on_gpu = STAGES[name].on_gpu and found.rates["device"] == "cuda"
        hours = None if told.seconds is None else told.seconds / 3600 if on_gpu else 0.0
        stations.append(Estimate(name, False, one.why, told, hours))
    return stations


def _told(task: Task, name: str, gathered: Gathering, trained: Trainings | None, without: dict[str, str]) -> Told:
    missing = next(iter(without.values()), "")
    if name in _TRAINS:
        return trained.told(name) if trained else Told(how=f"{missing} is not here")
    told = gathered.told(name)
    if name == "selected_subset":
        more = trained.rank_seconds(task.selection) if trained else None
        known = more is not None or not task.selection.asks_a_model
        told.seconds = (told.seconds or 0) + (more or 0) if known else None
    if "encoder.model" in without and name in ("domain_triage", "embeddings"):
        told.seconds = told.peak_rss_mb = None
        told.how = f"{missing} is not here"
    return told


def _reused(name: str, one: Foreseen) -> Estimate:
    record: Any = one.record
    told = Told(record.rows, record.facts.get("tokens"), 0.0, 0.0, 0.0, f"made {record.made_at}")
    return Estimate(name, True, one.why, told, 0.0)
