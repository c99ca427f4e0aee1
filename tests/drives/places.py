"""Compare selections from local files with selections from an S3 server.

    python -m tests.drives.places --out places.json

The server is moto on loopback, which checks signatures. A table is printed; the exit code is 1 if the rows differ.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from tests.conftest import documents, task_fields, write_sources, write_task
from tests.s3_server import BUCKET, serving

ROWS = ("parquet", "jsonl")


def _getmore(*arguments: str, **environment: str) -> str:
    command = [sys.executable, "-m", "getmore_assets.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
    assert not any(secret in done.stdout + done.stderr for secret in environment.values() if len(secret) == 40)
    return done.stdout


def _run_task(home: Path, where: str, files: Path, to: str, **environment: str) -> dict[str, Any]:
    """Run a task on the sources at `where`, export the selection, and run the task again."""
    fields = task_fields(files, home / "lake")
    fields["candidates"][0]["path"] = f"{where}/pool.parquet"
    fields["target"] = {split: f"{where}/{split}.jsonl" for split in ("train", "validation", "test")}
    task, began = str(write_task(home / "tiny.yaml", fields)), time.monotonic()
    printed = json.loads(_getmore("run", task, "--json", **environment).splitlines()[-1])
    seconds = round(time.monotonic() - began, 1)
    again = json.loads(_getmore("run", task, "--json", **environment).splitlines()[-1])
    _getmore("export", task, *(f"--format={name}" for name in ROWS), "--to", to, **environment)
    return {"seconds": seconds, "printed": printed, "again": again}


def main() -> int:
    """Run the task from files and from the server, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving() as s3:
        home = Path(folder)
        for name in ("files", "here", "there"):
            (home / name).mkdir()
        files = home / "files"
        write_sources(documents.__wrapped__(), files)
        for file in files.iterdir():
            s3.put(f"data/{file.name}", file.read_bytes())
        here = _run_task(home / "here", str(files), files, str(home / "out"))
        url, environment = f"s3://{BUCKET}", {**s3.environment, "GETMORE_CACHE": str(home / "cache")}
        there = _run_task(home / "there", f"{url}/data", files, f"{url}/out", **environment)
        exported = {"here": pl.read_ndjson(home / "out" / "selected.jsonl")}
        exported["there"] = pl.read_ndjson(s3.get("out/selected.jsonl"))
        secret = s3.environment["AWS_SECRET_ACCESS_KEY"].encode()
        kept = [str(path) for path in home.rglob("*") if path.is_file() and secret in path.read_bytes()]
    same = ["id", "text", "score", "rank", "domain"]
    results = {
        "rows": exported["here"].height,
        "the same rows, scores and ranks": exported["here"].select(same).equals(exported["there"].select(same)),
        "seconds from files": here["seconds"],
        "seconds from the server": there["seconds"],
        "run again from the server": sorted({one["status"] for one in there["again"]["stages"]}),
        "files that hold the secret key": kept,
    }
    table = Table("what", "found", title="places")
    for name, value in results.items():
        table.add_row(name, str(value)[:300])
    Console(width=140, markup=False).print(table)
    if args.out:
        args.out.write_text(json.dumps(results, indent=1, default=str), "utf-8")
    held = results["the same rows, scores and ranks"] and not kept
    return int(not held or results["run again from the server"] != ["cached"])


if __name__ == "__main__":
    sys.exit(main())
