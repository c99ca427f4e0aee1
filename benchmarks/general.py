"""Write the general text on which `proof.py` measures forgetting: the pool's rows that its base model never saw.

python benchmarks/general.py ../shared .getmore/general.parquet
"""

import sys
from pathlib import Path

import polars as pl


def write_general(shared: Path, path: Path) -> int:
    """Write the rows, and return their number."""
    held_out = pl.read_csv(shared / "models/pool-gpt2/held_out_ids.csv")
    rows = pl.read_parquet(shared / "data/candidates.parquet").join(held_out, on="id", how="semi")
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(path)
    return rows.height


if __name__ == "__main__":
    print(write_general(Path(sys.argv[1]), Path(sys.argv[2])), "rows")
