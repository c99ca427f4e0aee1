"""How near a plan comes: plan a task, run it, and set predicted seconds and peak memory beside what was measured.

    python benchmarks/plan.py TASK.yaml [KEY=VALUE]... [--json results/plan.json]

The task is planned and run in a lake of its own, which must not be there; the command is what a user would type.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from getmore_assets.task_files import load_task

_NEAR = 0.3


def command(*arguments: str) -> tuple[dict, float]:
    """The last line of the command's output, and how long it took."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "getmore_assets.cli", *arguments, "--json"], check=True, stdout=-1)
    return json.loads(done.stdout.decode().splitlines()[-1]), time.monotonic() - began


def main(task: str, overrides: list[str], into: str | None) -> None:
    """Plan, run, compare."""
    lake = Path(load_task(task, overrides).lake)
    if lake.exists():
        sys.exit(f"{lake} is there: name another with lake=...")
    planned, plan_seconds = command("plan", task, *overrides)
    if lake.exists():
        sys.exit(f"the plan has left something in {lake}")
    made, run_seconds = command("run", task, *overrides)
    said = {one["station"]: one for one in planned["stations"]}
    rows = []
    for one in made["stations"]:
        told = said[one["name"]]
        pairs = [(told[name], one[name]) for name in ("seconds", "peak_rss_mb")]
        rows.append({"station": one["name"], "seconds": pairs[0], "peak_rss_mb": pairs[1]})
    seconds, memory = sum(one["seconds"] for one in made["stations"]), max(o["peak_rss_mb"] for o in made["stations"])
    whole = [(planned["seconds"], round(seconds, 1)), (planned["peak_rss_mb"], memory)]
    rows.append({"station": "together", "seconds": whole[0], "peak_rss_mb": whole[1]})
    print(f"{'station':<16} {'s said':>9} {'s met':>9} {'ratio':>6}   {'MiB said':>9} {'MiB met':>9} {'ratio':>6}")
    for row in rows:
        parts = []
        for name in ("seconds", "peak_rss_mb"):
            predicted, met = row[name]
            ratio = predicted / met if predicted is not None and met else float("nan")
            parts.append(f"{predicted if predicted is not None else float('nan'):>9.1f} {met:>9.1f} {ratio:>6.2f}")
        print(f"{row['station']:<16} {parts[0]}   {parts[1]}")
    near = all(abs(said / met - 1) <= _NEAR for said, met in whole)
    print(f"planned in {plan_seconds:.0f} s, run in {run_seconds:.0f} s; together within 30 %: {near}")
    if into:
        result = {"plan_seconds": plan_seconds, "run_seconds": run_seconds, "stations": rows, "plan": planned}
        Path(into).write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    given = sys.argv[1:]
    target = given[given.index("--json") + 1] if "--json" in given else None
    main(given[0], [one for one in given[1:] if "=" in one], target)
