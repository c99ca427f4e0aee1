"""The predictions of `proof.py`, written before the runs.

Belongs here: a prediction, and whether results bear it out. Does not: what is run (`proof_protocol.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proof_protocol import CONTROL, CYNICAL, DOMAIN, DSIR, KNN, NONE, OURS, TARGET

from getmore_assets.reporting.curves import QUANTILE


@dataclass(frozen=True)
class Prediction:
    """A prediction written before the runs.

    Attributes:
        said: The prediction, in words.
        holds: Returns whether it holds, from the figures of the held-out targets; None if they are not known yet.
    """

    said: str
    holds: Callable[[list[dict[str, Any]]], bool | None]


def _mean(figures: dict[str, Any], arm: str, metric: str) -> float:
    return float(figures["arms"][arm][metric]["mean"])


def _all(figures: list[dict[str, Any]], arms: tuple[str, ...], test: Callable[[dict[str, Any]], bool]) -> bool | None:
    """Return whether a test holds for every target that has these arms; None if no target has them."""
    complete = [one for one in figures if all(arm in one["arms"] for arm in arms)]
    return all(test(one) for one in complete) if complete else None


BEFORE, AFTER, GENERAL = "zero_shot_nats_per_character", "nats_per_character", "general_nats_per_character"


def _beats(rival: str, metric: str) -> Callable[[dict[str, Any]], bool]:
    return lambda one: one["against"][metric][rival]["judgement"] == "better"


def _falls_with_nearness(one: dict[str, Any]) -> bool:
    nats = [_mean(one, arm, BEFORE) for arm in sorted(one["arms"]) if arm.startswith(QUANTILE)]
    return nats == sorted(nats)


PREDICTIONS = {
    "lm": [
        Prediction(
            "before the target's text, ours beats random rows of the nearest domains on every held-out target (Holm)",
            lambda found: _all(found, (OURS, DOMAIN), _beats(DOMAIN, BEFORE)),
        ),
        Prediction(
            "before the target's text, ours beats DSIR on every held-out target (Holm)",
            lambda found: _all(found, (OURS, DSIR), _beats(DSIR, BEFORE)),
        ),
        Prediction(
            "after all of the target's text, ours is still at least 1 % of nats ahead of random rows of the domains",
            lambda found: _all(
                found,
                (OURS, DOMAIN),
                lambda one: _mean(one, OURS, AFTER) <= 0.99 * _mean(one, DOMAIN, AFTER),
            ),
        ),
        Prediction(
            "what ours chose for another target is worth no more than random rows of the domains, within 1 % of nats",
            lambda found: _all(
                found,
                (CONTROL, DOMAIN),
                lambda one: _mean(one, CONTROL, BEFORE) >= 0.99 * _mean(one, DOMAIN, BEFORE),
            ),
        ),
        Prediction(
            "cynical selection reads the target best of all selectors before the target's text",
            lambda found: _all(
                found,
                (OURS, CYNICAL, KNN),
                lambda one: all(
                    _mean(one, CYNICAL, BEFORE) <= _mean(one, arm, BEFORE) for arm in (OURS, DSIR, KNN, DOMAIN)
                ),
            ),
        ),
        Prediction(
            "general text is forgotten less by ours than by kNN",
            lambda found: _all(found, (OURS, KNN), lambda one: _mean(one, OURS, GENERAL) < _mean(one, KNN, GENERAL)),
        ),
    ],
    "slices": [
        Prediction(
            "before the target's text, a slice of the pool that is nearer reads it better, over all five slices",
            lambda found: _all(found, (f"{QUANTILE}1",), _falls_with_nearness),
        ),
    ],
    "smollm2": [
        Prediction(
            "on a converged base, one's own text gains 8 to 15 % of nats (none to target, before fine-tuning)",
            lambda found: _all(
                found,
                (NONE, TARGET),
                lambda one: 0.85 <= _mean(one, TARGET, BEFORE) / _mean(one, NONE, BEFORE) <= 0.92,
            ),
        ),
    ],
}


def _nats(parts: dict[str, Any], part: str, arm: str, metric: str) -> float | None:
    found = [one for one in parts.get(part, {}).get("targets", []) if arm in one["arms"]]
    return _mean(found[0], arm, metric) if found else None


def _at_most(part: str, arm: str, metric: str, times: float) -> Callable[[dict[str, Any]], bool | None]:
    """Return a test that a part's nats are at most `times` those of `tuned`, from which it differs in one setting."""

    def holds(parts: dict[str, Any]) -> bool | None:
        changed, tuned = (_nats(parts, name, arm, metric) for name in (part, "tuned"))
        return changed <= times * tuned if changed is not None and tuned is not None else None

    return holds


#: Predictions about single settings, written before the runs.
LEVERS = [
    ("half of the stream from the target's own text: at least 10 % fewer nats before fine-tuning",
     _at_most("tuned-half-target", OURS, BEFORE, 0.9)),
    ("and after fine-tuning at most as many nats as picks alone", _at_most("tuned-half-target", OURS, AFTER, 1.0)),
    ("a fifth of the stream from random rows: at least 3 % fewer nats on general text",
     _at_most("tuned-replay", OURS, GENERAL, 0.97)),
    ("for at most 1 % more nats on the target", _at_most("tuned-replay", OURS, AFTER, 1.01)),
]  # fmt: skip
