"""Build the source archive and the wheel, install the wheel, and run the demo in an empty folder.

`python -m tests.drives.wheel [--out FILE.json]`; about six minutes. The new environment has only the wheel; its
dependencies are imported from the present environment, so that nothing is downloaded. It needs hatchling.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Any

from hatchling import build

from tests.drives.command import REPO

LEFT = {"demo.yaml", ".getmore"}
MUST_HOLD = ("getmore_assets/demo.yaml", "getmore_assets/py.typed", "getmore_assets/exports/card.md")


def built(folder: Path) -> Path:
    """Build a wheel from a source archive, as an installer does; return its path."""
    here = Path.cwd()
    try:
        os.chdir(REPO)
        archive = folder / build.build_sdist(str(folder))
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "source", filter="data")
        (source,) = (folder / "source").iterdir()
        os.chdir(source)
        return folder / build.build_wheel(str(folder))
    finally:
        os.chdir(here)


def installed(wheel: Path, folder: Path) -> Path:
    """Install the wheel in a new environment; return the folder of its programs."""
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)], check=True)
    (own,) = folder.glob("lib/python*/site-packages")
    others = [place for place in sys.path if place.endswith("site-packages")]
    lines = "".join(f"{place}\n" for place in others)
    (own / "dependencies.pth").write_text(lines)  # these folders' own .pth files are not read
    return programs


def say(programs: Path, folder: Path, *arguments: str) -> str:
    """Run a program of the new environment in a folder, without this environment's variables; return its output."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    command = [str(programs / arguments[0]), *arguments[1:]]
    environment = {**kept, "PATH": f"{programs}{os.pathsep}{os.defpath}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{arguments}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def drive(folder: Path) -> dict[str, Any]:
    """Build, install and run; return the results."""
    (folder / "empty").mkdir()
    wheel = built(folder)
    names = set(zipfile.ZipFile(wheel).namelist())
    missing = [name for name in MUST_HOLD if name not in names]
    programs = installed(wheel, folder / "environment")
    where = say(programs, folder, "python", "-c", "import getmore_assets; print(getmore_assets.__file__)").strip()
    version = say(programs, folder, "getmore", "--version").strip()
    printed = json.loads(say(programs, folder / "empty", "getmore", "demo", "--json").splitlines()[-1])
    made = {stage["name"]: stage["status"] for stage in printed["stages"]}
    holds = {
        "the wheel holds its data": not missing,
        "the checkout is not what was imported": Path(where).is_relative_to(folder / "environment"),
        "every stage was made": len(made) == 11 and set(made.values()) == {"materialized"},
        "the report is in the folder": Path(folder / "empty" / printed["report"]).is_file(),
        "nothing else is left in the folder": {one.name for one in (folder / "empty").iterdir()} == LEFT,
    }
    return {"version": version, "wheel_bytes": wheel.stat().st_size, "missing": missing, "holds": holds, **printed}


def main() -> int:
    """Run the drive, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory(prefix="getmore-wheel-") as folder:
        found = json.loads(json.dumps(drive(Path(folder))).replace(folder, "…"))
    for what, holds in found["holds"].items():
        print("holds" if holds else "DOES NOT HOLD", what)
    print(found["version"], f"{found['wheel_bytes']:,} bytes;", *found["verdict"])
    if out:
        out.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if all(found["holds"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
