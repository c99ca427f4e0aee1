"""True transport distance after selection: GOT-D in rounds against GOT-D at once, at five budgets.

    python benchmarks/rounds.py TASK.yaml [--rounds 8] [--lambda 0.9] [--out FILE.json]

Run `getmore select TASK.yaml` first; the benchmark reads the tables and writes nothing to the lake. Both select with
the same solver at the same ε. The distance is OT(λ D_U + (1 - λ) D_S, D_R), solved again to the task's tolerance.
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
from getmore_assets.task_parsing import load_task

BUDGETS = (500, 1000, 2000, 5000, 10_000)


def context_of(task_file: str, work: Path) -> SelectionContext:
    """Return the context of the task's last selection."""
    task = load_task(task_file)
    record = Records(Lake(task.lake), task.name).get("selected_subset")
    if record is None:
        raise SystemExit(f"run `getmore select {task_file}` first")
    tables = Tables(**{name: record.input_table(name) for name in Tables.__dataclass_fields__})
    facts = record.facts
    return SelectionContext(task, Lake(task.lake), tables, facts["encoder"], facts["epsilon"], None, work)


def main() -> None:
    """Measure at every budget, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--lambda", dest="share", type=float, default=0.9)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        context = context_of(args.task, Path(work))
        plan, n = rounds.plan_of(context), context.count
        tolerance, price = context.task.transport.tolerance, np.ones(n)
        before = plan.solve(np.array([], np.int64), 0.0, None, tolerance).dual
        rows = []
        for budget in BUDGETS:
            figures: dict[str, float] = {"rows": budget}
            selectors = {
                "one shot": lambda budget=budget: rounds.pick(plan, price, budget, 1, args.share).order,
                "rounds": lambda budget=budget: rounds.pick(plan, price, budget, args.rounds, args.share).order,
                "knn": lambda budget=budget: neighbours.round_robin(plan.x, plan.y, price, budget, plan.memory_mb),
                "random": lambda budget=budget: np.random.default_rng(0).permutation(n)[:budget],
            }
            for name, select in selectors.items():
                began = time.monotonic()
                picks = select()
                figures[f"{name} s"] = time.monotonic() - began
                figures[name] = plan.solve(picks, args.share, None, tolerance).dual
            rows.append(figures)
    title = f"OT after selection; pool alone {before:.4f}"
    table = Table("rows", *selectors, "seconds: one shot", "rounds", title=title)
    for row in rows:
        seconds = (f"{row['one shot s']:.1f}", f"{row['rounds s']:.1f}")
        table.add_row(f"{row['rows']:,}", *(f"{row[name]:.4f}" for name in selectors), *seconds)
    Console(width=120).print(table)
    print(
        f"N {n:,}, M {len(plan.y):,}, d {plan.y.shape[1]}, {args.rounds} rounds, λ {args.share}, ε {plan.epsilon:.4f}"
    )
    if args.out:
        about = {"n": n, "m": len(plan.y), "lambda": args.share, "rounds": args.rounds, "pool_alone": before}
        args.out.write_text(json.dumps({**about, "budgets": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
