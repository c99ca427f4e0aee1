"""Compare every arm on every target, and check predictions that were written before the runs.

    python benchmarks/proof.py --size cores --shared ../shared --json benchmarks/results/proof.json

A target is NAME.train.jsonl, NAME.dev.jsonl and NAME.test.jsonl in a folder (`--data`; by default `../shared/data`).
Rows of the pool whose `source` is NAME are left out for this target. ChemProt is for tuning only: the weights of `ours`
were chosen on its validation split, and the verdict is about the other targets. Sizes differ in models, arms and seeds
(`SIZES` in `proof_protocol.py`); with `--scale 0.01` any size is a trial of a few minutes.

The script calls `getmore run` with one task per part and target, so it measures what users run. The result of each
training run is a file in the lake, so the script can be killed and resumed. With `--runs FILE`, results are read from
that file and added to it, so that a protocol of many hours can be divided among machines without a common lake: a
result is used only if the model, rows, target, recipe and the paths of `--home` and `--shared` are the same. Seeds are
run one after the other, the deciding arms first; the JSON file and the page are written after each pass.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from general import write_general
from proof_protocol import CONTROL, SIZES, Part, task_of
from proof_report import collect, page

from getmore_assets.facts import SelectionFacts
from getmore_assets.lake import Lake
from getmore_assets.records import Records

_TUNING = "chemprot"
_SPLITS = ("train", "dev", "test")
# `getmore run`, which ends if this process is killed.
_RUN = """
import os, sys
from getmore_assets.parents import end_with
end_with(os.getppid())
from getmore_assets.cli import main
main(["run", sys.argv[1]])
"""
_CONTROL_ROWS = 20_000  # rows of the control: more than a budget, because some are not candidates of the target


def targets_in(data: Path) -> list[str]:
    """Return the names of the targets that have all three files, the target for tuning last."""
    names = sorted({path.name.split(".")[0] for split in _SPLITS for path in data.glob(f"*.{split}.jsonl")})
    whole = []
    for name in names:
        missing = [file for split in _SPLITS if not (data / (file := f"{name}.{split}.jsonl")).is_file()]
        if missing:
            print(f"{name}: left out, because {data} has no {' and no '.join(missing)}", flush=True)
        else:
            whole.append(name)
    return sorted(whole, key=lambda name: name == _TUNING)


def pool_without(shared: Path, source: str, folder: Path) -> Path:
    """Return the pool without the rows of a source, as a file in `folder`; the pool itself if it has no such rows."""
    pool, path = shared / "data" / "candidates.parquet", folder / f"pool-without-{source}.parquet"
    if path.is_file():
        return path
    rows = pl.read_parquet(pool)
    left = rows.filter(pl.col("source") != source)
    if left.height == rows.height:
        return pool
    partial = path.with_suffix(".partial")
    left.write_parquet(partial)
    partial.rename(path)
    return path


def cut(data: Path, part: Part, name: str, folder: Path, scale: float) -> None:
    """Write the splits of a target for a part to `folder`, long splits as a sample; existing files are kept."""
    for split in _SPLITS:
        path = folder / part.file_of(name, split)
        if not path.is_file():
            rows = pl.read_ndjson(data / f"{name}.{split}.jsonl", infer_schema_length=None)
            kept = max(60, round(scale * part.most_rows(split)))
            if rows.height > kept:
                print(f"{name}: {kept:,} of {rows.height:,} rows of {split}, drawn at random", flush=True)
                rows = rows.with_row_index("at").sample(kept, seed=0).sort("at").drop("at")
            rows.select("text", *(["label"] if "label" in rows.columns else [])).write_ndjson(path)


def cut_general(part: Part, home: Path) -> None:
    """Write the general text of a part, a sample of `general.parquet`; an existing file is kept."""
    path = home / part.general_file
    if not path.is_file():
        pl.read_parquet(home / "general.parquet").sample(part.evaluated["general"], seed=0).write_parquet(path)


def write_control(home: Path, part: Part, names: list[str], target: str) -> Path | None:
    """Write the ids that `ours` ranks first for another target on which nothing was tuned.

    Returns:
        The file; None if there is no other target, or it has no selection yet.
    """
    others = [name for name in names if part.takes(name) and name not in (target, _TUNING)]
    other = f"{part.name}-{next((name for name in others if name > target), others[0])}" if others else ""
    selected = Records(Lake(home / "lake"), other).last("selected_subset") if other else None
    path = home / f"control-{part.name}-{target}.parquet"
    if selected is None:
        print(f"{part.name}-{target}: no control, because no other target has a selection", flush=True)
        return None
    ranked = SelectionFacts.of(selected).fates(other).filter(pl.col("rank") <= _CONTROL_ROWS).sort("rank")
    ranked.select("id").collect().write_parquet(path)
    return path


def take_runs(file: Path, lake: Path) -> None:
    """Add the results of runs in a file to the lake."""
    results = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    for place, result in results.items():
        path = lake / "runs" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            path.write_text(json.dumps(result), "utf-8")


def add_runs(file: Path, lake: Path) -> None:
    """Add the results of the lake's runs to a file."""
    results = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    runs = lake / "runs"
    results |= {str(path.relative_to(runs)): json.loads(path.read_text("utf-8")) for path in runs.glob("*/*.json")}
    file.write_text(json.dumps(dict(sorted(results.items())), indent=0) + "\n", "utf-8")


def run(task: dict[str, Any], home: Path) -> int:
    """Run a task, with its output in a log beside it; return the exit code."""
    file, log = home / f"{task['name']}.yaml", home / f"{task['name']}.log"
    file.write_text(yaml.safe_dump(task, sort_keys=False), "utf-8")
    command = [sys.executable, "-c", _RUN, str(file)]
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    with log.open("a") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment, check=False).returncode
    print(f"{task['name']}, {task['seeds']} seeds, {len(task['compare'])} arms: exit code {code} ({log})", flush=True)
    return code


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="cores")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--data", type=Path, help="the folder of the targets; data/ of --shared without it")
    parser.add_argument("--home", type=Path, default=Path(".getmore/proof"))
    parser.add_argument("--parts", default="", help="only these, separated by commas")
    parser.add_argument("--targets", default="", help="only these, separated by commas")
    parser.add_argument("--seeds", type=int, help="at most so many")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the budget and of the target's rows")
    parser.add_argument("--jobs", type=int, default=1, help="tasks at once, one process each")
    parser.add_argument("--json", type=Path, help="write the figures here, and the page beside it as .md")
    parser.add_argument("--runs", type=Path, help="take the results of runs from this file, and add new ones to it")
    parser.add_argument("--report-only", action="store_true", help="run nothing; write what there is")
    return parser.parse_args()


def chosen(size: str, only: str, data: Path, targets: str) -> tuple[list[Part], list[str]]:
    """Return the parts and targets of a run; print which parts are left out, because they take none of the targets."""
    names = [name for name in targets_in(data) if not targets or name in targets.split(",")]
    if not names:
        sys.exit(f"{data} has no such target: NAME.train.jsonl, NAME.dev.jsonl and NAME.test.jsonl")
    parts = []
    for part in SIZES[size]:
        if only and part.name not in only.split(","):
            continue
        if any(map(part.takes, names)):
            parts.append(part)
        else:
            print(f"{part.name}: left out, because its targets are {' and '.join(part.targets)}", flush=True)
    return parts, names


def main() -> int:
    """Run the passes, and write the JSON file and the page after each pass."""
    args = arguments()
    shared, home = args.shared.absolute(), args.home.absolute()
    data = (args.data or shared / "data").absolute()
    home.mkdir(parents=True, exist_ok=True)
    (home / "targets").mkdir(exist_ok=True)
    general = home / "general.parquet"
    if not general.is_file():
        write_general(shared, general)
    parts, names = chosen(args.size, args.parts, data, args.targets)

    for part in parts:
        cut_general(part, home)
        for name in names:
            if part.takes(name):
                cut(data, part, name, home / "targets", args.scale)

    def task(part: Part, target: str, arms: tuple[str, ...], seeds: int) -> dict[str, Any]:
        control = write_control(home, part, names, target) if CONTROL in arms else None
        fields = task_of(part, target, arms, seeds, shared=shared, home=home, scale=args.scale, control=control)
        fields["candidates"][0]["path"] = str(pool_without(shared, target, home))
        return fields

    def write() -> None:
        if args.runs:
            add_runs(args.runs, home / "lake")
        figures = collect(home / "lake", parts, names, _TUNING)
        if args.json:
            args.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
            args.json.with_suffix(".md").write_text(page(figures), "utf-8")
        else:
            print(page(figures))

    failed = 0
    if args.runs:
        take_runs(args.runs, home / "lake")
    if not args.report_only:
        for each in passes(parts, args.seeds):
            tasks = [
                task(part, target, *each[part.name])
                for part in parts
                for target in names
                if part.name in each and part.takes(target)
            ]
            with ThreadPoolExecutor(args.jobs) as workers:
                failed += sum(code != 0 for code in workers.map(lambda one: run(one, home), tasks))
            write()
    write()
    return 1 if failed else 0


def passes(parts: list[Part], most: int | None) -> list[dict[str, tuple[tuple[str, ...], int]]]:
    """Return the passes in order, each as arms and a number of seeds by part.

    First the deciding arms with one more seed per pass. Then one more arm per pass, with all seeds, the control first:
    so a later page never has fewer seeds than an earlier one.
    """
    seeds = {part.name: min(most or part.seeds, part.seeds) for part in parts}
    others = {part.name: [arm for arm in part.arms if arm not in part.deciding] for part in parts}
    each = [
        {part.name: (part.deciding, count) for part in parts if count <= seeds[part.name]}
        for count in range(1, 1 + max(seeds.values()))
    ]
    for count in range(1, 1 + max(map(len, others.values()))):
        more = [part for part in parts if count <= len(others[part.name])]
        each.append({part.name: ((*part.deciding, *others[part.name][:count]), seeds[part.name]) for part in more})
    return each


if __name__ == "__main__":
    sys.exit(main())
