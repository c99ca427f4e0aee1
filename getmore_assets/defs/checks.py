"""What every asset check is made with, the list of all of them, and the job that runs all of them alone.

Belongs here: how a check of one target is declared, and running checks without their stations. Does not: what a station
is checked for, which stands in the station's file.
"""

import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from getmore_assets.defs import remembered
from getmore_assets.defs.line import Line, targets

Evaluate = Callable[[Any, Line], dg.AssetCheckResult]


@dataclass(frozen=True)
class Check:
    """An asset check of one target: `evaluate(context, line)`, where `context.partition_key` says which."""

    name: str
    station: str
    blocking: bool
    description: str
    evaluate: Evaluate


#: Every check, in the order in which the stations' files are loaded.
CHECKS: list[Check] = []

#: The metadata of a check that could not be evaluated: the exception.
RAISED = "raised"


def partition_check(
    asset: dg.AssetsDefinition,
    *,
    description: str,
    name: str | None = None,
    blocking: bool = False,
    additional_deps: tuple[str, ...] = (),
    looks_outside: bool = False,
) -> Callable[[Evaluate], dg.AssetChecksDefinition]:
    """`dg.asset_check` of one target.

    Args:
        asset: The station.
        description: What must hold.
        name: The function's where it is not given.
        blocking: Whether what follows waits for it. A check that does not block gives advice: severity WARN.
        additional_deps: Other stations it reads.
        looks_outside: Whether it depends on more than the records of its station and of those before, such as a source
            or earlier materializations. Another check's last result stands as long as these records do.
    """

    def decorate(check: Evaluate) -> dg.AssetChecksDefinition:
        @functools.wraps(check)
        def evaluate(context: Any, line: Line) -> dg.AssetCheckResult:
            found = check(context, line)
            return dg.AssetCheckResult(passed=found.passed, severity=severity, metadata=found.metadata)

        @functools.wraps(check)
        def in_a_run(context: Any, line: Line) -> dg.AssetCheckResult:
            if looks_outside:
                return evaluate(context, line)
            task = line.task(context.partition_key)
            key = remembered.key_of(check, task, station)
            found = remembered.last_result(task, called, key)
            if found is None:
                found = evaluate(context, line)
                remembered.remember(task, called, key, found)
            return dg.AssetCheckResult(passed=found.passed, severity=severity, metadata=found.metadata)

        called, station = name or check.__name__, asset.key.path[-1]
        severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
        CHECKS.append(Check(called, station, blocking, description, evaluate))
        with warnings.catch_warnings():  # checks of one partition are new in Dagster 1.13, and say so at each import
            warnings.filterwarnings("ignore", "Specifying a partitions_def")
            decorated = dg.asset_check(
                asset=asset,
                name=called,
                description=description,
                blocking=blocking,
                additional_deps=list(additional_deps),
                partitions_def=targets,
            )
            return decorated(in_a_run)

    return decorate


@dg.op(
    out={}, description="Every check of every station that has been made, on what lies in the lake; nothing is made."
)
def every_check(context: dg.OpExecutionContext, line: Line) -> Iterator[Any]:
    """Run the checks alone: Dagster 1.13 cannot run a job of nothing but checks for one partition.

    A check whose station has not been made is left out. The step fails where one that blocks did not hold, and where
    one could not be evaluated, as it does beside its station.
    """
    failed = []
    for one in CHECKS:
        if not line.has_made(context.partition_key, one.station):
            context.log.info(f"{one.name}: skipped, {one.station} has not been made")
            continue
        try:
            found = one.evaluate(context, line)
        except Exception as error:  # the other checks are run all the same
            found = dg.AssetCheckResult(passed=False, metadata={RAISED: f"{type(error).__name__}: {error}"})
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(one.station),
            check_name=one.name,
            passed=found.passed,
            metadata=found.metadata,
            severity=found.severity,
            blocking=one.blocking,
            partition=context.partition_key,
        )
        if not found.passed and (one.blocking or RAISED in found.metadata):
            failed.append(one.name)
    if failed:
        raise dg.Failure(f"checks failed: {', '.join(failed)}", allow_retries=False)


@dg.job(name="check", partitions_def=targets, executor_def=dg.in_process_executor, description="Every check, alone.")
def check_job() -> None:
    """Every check of one target."""
    every_check()
