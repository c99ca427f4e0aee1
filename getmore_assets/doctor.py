"""Checks whether this machine can run the pipeline: versions, devices, stores, models, the hub.

Belongs here: the checks, and advice for each failure. Does not: checks of a task's data (`preflight.py`) or of
Dagster's store (`cli/doctor.py`). Nothing is changed; files that test a disk are deleted again.
"""

import importlib.util
import platform
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import polars as pl
import psutil
from packaging.requirements import Requirement
from packaging.version import Version

from getmore_assets import damage, models, preflight, tracking
from getmore_assets.config import WITHOUT_WEIGHTS, Task
from getmore_assets.encoders import fits
from getmore_assets.errors import REPAIR, BadInput, redacted
from getmore_assets.lake import Lake
from getmore_assets.tracking_place import AS_ENVIRONMENT_SAYS, OF_A_MIRROR, Tracking

OK, WARNING, BAD = "ok", "warning", "bad"
_NAMED = ("torch", "dagster", "mlflow", "polars", "deltalake", "transformers")
_INSTALL = "pip install -e '.[minilm]' -c constraints.txt"
_LITTLE_DISK_GB, _NO_DISK_GB = 5, 0.5
_LITTLE_MEMORY_GB = 2
_PATIENCE_S = 5
_GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        about: What was checked.
        state: ok, warning (something is missing or slow, but the pipeline may run) or bad.
        found: What was found.
        fix: What to do if the state is not ok.
    """

    about: str
    state: str
    found: str
    fix: str = ""


def examine(
    task: Task | None, lake: Lake, more: Callable[[Lake], Iterable[Finding]], deep: bool = False
) -> list[Finding]:
    """Run all checks.

    Args:
        task: The task whose models are checked; None for no task.
        lake: The lake to check.
        more: A check of Dagster, which this module does not import.
        deep: Whether to read every row and hash every file of the lake.

    Returns:
        The findings, without secrets in URLs.
    """
    checks: dict[str, Callable[[], Iterable[Finding]]] = {
        "versions": _versions,
        "constraints": _constraints,
        "devices": _devices,
        "lake": lambda: _lake(lake),
        "MLflow": lambda: _mlflow(lake),
        "Dagster": lambda: more(lake),
        "models": lambda: _models(task),
        "damage": lambda: _damage(task, lake, deep),
    }
    findings = [finding for about, check in checks.items() for finding in _with_errors(about, check)]
    return [replace(one, found=redacted(one.found), fix=redacted(one.fix)) for one in findings]


def _with_errors(about: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield the findings of a check; an error is also a finding, so that the other checks still run."""
    try:
        yield from check()
    except BadInput as error:
        yield Finding(about, BAD, f"{error.where}: {error.what}", error.fix)
    except Exception as error:
        message = (str(error).strip() or "no message").splitlines()[0]
        yield Finding(about, BAD, f"{type(error).__name__}: {message}", "Correct that first")


def _versions() -> Iterator[Finding]:
    yield Finding("python", OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    requirements = {one.name: one for one in _requirements()}
    others = []
    for name in dict.fromkeys([*_NAMED, *requirements]):
        version, required = _installed(name), requirements.get(name, Requirement(name))
        if version is None:
            yield Finding(name, BAD, "not installed", _INSTALL)
        elif not required.specifier.contains(version, prereleases=True):
            yield Finding(name, BAD, f"{version}, where {required.specifier} is needed", _INSTALL)
        elif name in _NAMED:
            yield Finding(name, OK, version)
        else:
            others.append(name)
    yield Finding("other packages", OK, f"{len(others)}, in versions that are accepted")


def _requirements() -> list[Requirement]:
    """Return this package's requirements, without extras."""
    try:
        requirements = [Requirement(line) for line in metadata.requires("getmore-assets") or []]
    except metadata.PackageNotFoundError:
        return []
    return [one for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _constraints() -> Iterator[Finding]:
    """Compare installed packages with the tested versions, which a checkout lists in constraints.txt."""
    file = Path(__file__).parents[1] / "constraints.txt"
    if not file.is_file():
        yield Finding("constraints", OK, "not checked: this is no checkout, so there is no constraints.txt")
        return
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", file.read_text("utf-8"), re.MULTILINE))
    installed = {name: version for name in pins if (version := _installed(name))}
    # A build of the same version, such as 2.13.0+cpu, counts as that version.
    other = [name for name in installed if Version(installed[name]).public != Version(pins[name]).public]
    if not other:
        yield Finding("constraints", OK, f"{len(installed)} packages in the tested versions")
        return
    some = ", ".join(f"{name} {installed[name]} ({pins[name]} is tested)" for name in other[:5])
    more = f", and {len(other) - 5} more" if len(other) > 5 else ""
    yield Finding("constraints", WARNING, f"{some}{more}", _INSTALL)


def _devices() -> Iterator[Finding]:
    import torch

    from getmore_assets.device import best_device, compute_dtype

    memory = psutil.virtual_memory()
    dtype = str(compute_dtype("auto", torch.device("cpu"))).removeprefix("torch.")
    free, total = memory.available / _GIB, memory.total / _GIB
    cpu = f"{torch.get_num_threads()} threads, {total:.0f} GiB of memory, {free:.1f} free"
    little = free < _LITTLE_MEMORY_GB
    fix = "Free memory, or lower transport.memory_mb, encoder.batch_tokens and the batch sizes" if little else ""
    yield Finding("CPU", WARNING if little else OK, f"{cpu}; products in {dtype}", fix)
    if best_device().type == "cuda":
        for number in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(number)
            dtype = str(compute_dtype("auto", torch.device("cuda"))).removeprefix("torch.")
            name = torch.cuda.get_device_name(number)
            yield Finding("GPU", OK, f"{name}, {total / _GIB:.0f} GiB, {free / _GIB:.1f} free; products in {dtype}")
    elif shutil.which("nvidia-smi") or Path("/proc/driver/nvidia").exists():
        found = f"there is an NVIDIA GPU, but torch {torch.__version__} cannot use it"
        yield Finding("GPU", WARNING, found, "Install torch for CUDA, and a driver that supports it")
    elif torch.backends.mps.is_available():
        yield Finding("GPU", OK, "Apple's (MPS), which is not used: the CPU computes everything")
    else:
        yield Finding("GPU", OK, "none: the CPU computes everything")


def _lake(lake: Lake) -> Iterator[Finding]:
    missing = [path for path in (lake.root, *lake.root.parents) if not path.exists()]
    try:
        preflight.require_writable(lake)
        if lake.mirror:
            yield Finding("lake", OK, f"{lake.address}, which honours conditional writes; its mirror is {lake.root}")
        else:
            yield _round_trip(lake.root, ", which will be created on the first run" if missing else "")
        free = shutil.disk_usage(lake.root).free / 1e9
    finally:
        with suppress(OSError):
            for path in missing:
                path.rmdir()
    state = BAD if free < _NO_DISK_GB else WARNING if free < _LITTLE_DISK_GB else OK
    fix = "" if state == OK else "Free space, or set `lake` to a folder on another disk"
    yield Finding("disk", state, f"{free:,.1f} GB free for the lake", fix)


def _round_trip(root: Path, remark: str) -> Finding:
    """Write a Delta table to a folder, and compare it with what is read back."""
    with tempfile.TemporaryDirectory(prefix=".getmore-doctor-", dir=root) as folder:
        probe, rows = Lake(folder), pl.DataFrame({"id": ["a", "b"]})
        probe.append("probe", rows, [], {})
        table = probe.latest("probe")
        assert table is not None
        read = table.scan().sort("id").collect()
    if not read.equals(rows):
        return Finding("lake", BAD, f"{root}: a Delta table was read back differently", "Put the lake on another disk")
    return Finding("lake", OK, f"{root}{remark}; a Delta table was written and read back")


def _mlflow(lake: Lake) -> Iterator[Finding]:
    """Check the store or server of this environment, and the others that have runs of the lake."""
    yield from _with_errors("MLflow", lambda: [Finding("MLflow", OK, tracking.require_usable(lake))])
    runs = Counter(record.tracked_at for record in damage.last_records(lake))
    elsewhere = (place for place in runs if not place.startswith(OF_A_MIRROR))
    for place in sorted({*elsewhere} - {"", AS_ENVIRONMENT_SAYS.address}):
        found = f"{place}, which has {runs[place]} of this lake's runs"
        try:
            tracking.require_usable(lake, Tracking(place))
            yield Finding("MLflow", OK, found)
        except BadInput as error:
            fix = "If it needs a login, set MLFLOW_TRACKING_URI with the login, or MLFLOW_TRACKING_USERNAME"
            yield Finding("MLflow", WARNING, f"{found}; {error.what}", fix)


def _damage(task: Task | None, lake: Lake, deep: bool) -> Iterator[Finding]:
    """Check the lake of a task for damage: where, since when, and what depends on it."""
    if task is None or not lake.root.is_dir():
        return
    whole, readable = True, True
    for one in damage.find(lake, deep):
        whole, readable = False, readable and one.kind not in (damage.LOG, damage.ROWS)
        since = f", since {one.since}" if one.since else ""
        found = f"{one.where}: {one.what}{since}; affects {one.depends}"
        yield Finding(f"damage: {one.kind}", BAD, found, REPAIR)
    if deep and readable and (wrong := fits.mismatch(task, lake)):
        whole = False
        yield Finding("damage: fit", BAD, f"encoder of {task.name}: {wrong}", REPAIR)
    for record in damage.untracked(lake):
        whole = False
        found = f"run {record.mlflow_run_id} of {record.stage} of {record.task} is no longer in {lake.root}/mlflow.db"
        yield Finding("damage: MLflow", BAD, found, REPAIR)
    if whole:
        scope = "every row and file" if deep else "logs, sizes, records and small files; --deep reads every row"
        yield Finding("damage", OK, f"none found (read: {scope})")


def _models(task: Task | None) -> Iterator[Finding]:
    named = {"encoder.model": task.encoder.model, "base_model.model": task.base_model.model} if task else {}
    if task and task.toxicity:
        named["toxicity.classifier"] = task.toxicity.classifier
    yield _minilm(models.MINILM in named.values())
    hub, reached = _hub()
    yield hub
    for field, name in named.items():
        if name in (models.MINILM, "small", *WITHOUT_WEIGHTS):
            continue
        if name == models.SMOLLM2 or models.is_folder(name):
            yield from _with_errors(field, lambda f=field, n=name: [Finding(f, OK, str(models.find_model(n, f)))])  # type: ignore[misc]
        elif models.is_cached(name):
            yield Finding(field, OK, f"{name}, in the hub's cache")
        elif reached:
            yield Finding(field, OK, f"{name}, which the first run downloads")
        else:
            fix = f"On a machine with a network: hf download {name}; then copy the folder or the cache to this machine"
            yield Finding(field, BAD, f"{name} is not in the hub's cache, and the hub cannot be reached", fix)


def _minilm(is_needed: bool) -> Finding:
    try:
        return Finding("MiniLM", OK, f"{models.find_model(models.MINILM, 'encoder.model')}, weights verified")
    except BadInput as error:
        return Finding("MiniLM", BAD if is_needed else WARNING, error.what, error.fix)


def _hub() -> tuple[Finding, bool]:
    """Return the finding about the hub of models and data sets, and whether the hub can be reached."""
    from huggingface_hub import constants

    data = "" if importlib.util.find_spec("datasets") else "; its data sets need pip install 'getmore-assets[datasets]'"
    if constants.HF_HUB_OFFLINE:
        return Finding("hub", OK, f"offline by HF_HUB_OFFLINE: only its cache is used{data}"), False
    address = redacted(constants.ENDPOINT)  # a login would appear in errors of urlopen
    if not address.startswith(("http://", "https://")):
        return Finding("hub", BAD, f"{address} is not a web address", "Correct HF_ENDPOINT, or unset it"), False
    try:
        with urlopen(address, timeout=_PATIENCE_S):  # noqa: S310 - http or https, see above
            pass
    except HTTPError:
        pass  # the hub answers
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        fix = "Use models and data on this machine; set HF_HUB_OFFLINE=1 to skip this check"
        return Finding("hub", WARNING, f"{address} cannot be reached ({why}){data}", fix), False
    return Finding("hub", OK, f"{address} answers{data}"), True
