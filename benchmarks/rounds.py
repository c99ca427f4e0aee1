"""True transport distance after selection: GOT-D in rounds against one shot, at five budgets.

    python benchmarks/rounds.py TASK.yaml [--rounds 8] [--lambda 0.9] [--out FILE.json]

The task must have been selected (`getmore select TASK.yaml`); its tables are read and nothing is written to its lake.
Both pick by the same solver at the same ε; what is compared is OT(λ D_U + (1 - λ) D_S, D_R), solved anew to the task's
tolerance.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.selection import neighbours, rounds
from getmore_assets.selection.context import SelectionContext, Tables
from getmore_assets.selection.selectors import plan_of
from getmore_assets.task_files import load_task

BUDGETS = (500, 1000, 2000, 5000, 10_000)


def ground_of(task_file: str, work: Path) -> SelectionContext:
    """What the task's last selection was made from."""
    task = load_task(task_file)
    made = Records(Lake(task.lake), task.name).get("selected_subset")
    if made is None:
        raise SystemExit(f"run `getmore select {task_file}` first")
    tables = Tables(**{name: made.input_table(name) for name in Tables.__dataclass_fields__})
    return SelectionContext(task, Lake(task.lake), tables, made.facts["encoder"], made.facts["epsilon"], None, work)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--lambda", dest="share", type=float, default=0.9)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        context = ground_of(asked.task, Path(work))
        plan, n = plan_of(context), context.eligible.height
        tolerance, price = context.task.transport.tolerance, np.ones(n)
        before = plan.solve(np.array([], np.int64), 0.0, None, tolerance).dual
        rows = []
        for budget in BUDGETS:
            found: dict[str, float] = {"rows": budget}
            chosen = {
                "one shot": lambda budget=budget: rounds.pick(plan, price, budget, 1, asked.share).order,
                "rounds": lambda budget=budget: rounds.pick(plan, price, budget, asked.rounds, asked.share).order,
                "knn": lambda budget=budget: neighbours.round_robin(plan.x, plan.y, price, budget, plan.memory_mb),
                "random": lambda budget=budget: np.random.default_rng(0).permutation(n)[:budget],
            }
            for name, choose in chosen.items():
                began = time.monotonic()
                picks = choose()
                found[f"{name} s"] = time.monotonic() - began
                found[name] = plan.solve(picks, asked.share, None, tolerance).dual
            rows.append(found)
    table = Table("rows", *chosen, "seconds: one shot", "rounds", title=f"OT after selection; pool alone {before:.4f}")
    for row in rows:
        table.add_row(
            f"{row['rows']:,}", *(f"{row[n]:.4f}" for n in chosen), f"{row['one shot s']:.1f}", f"{row['rounds s']:.1f}"
        )
    Console(width=120).print(table)
    print(
        f"N {n:,}, M {len(plan.y):,}, d {plan.y.shape[1]}, {asked.rounds} rounds, λ {asked.share}, ε {plan.epsilon:.4f}"
    )
    if asked.out:
        facts = {"n": n, "m": len(plan.y), "lambda": asked.share, "rounds": asked.rounds, "pool_alone": before}
        asked.out.write_text(json.dumps({**facts, "budgets": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
