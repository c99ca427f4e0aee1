"""What the stations that train will take, and the selectors that ask a model.

Belongs here: the arithmetic from seconds a step, a block and a row to whole trainings. Does not: the stations before
(`gathering.py`).
"""

import math
from typing import Any

from getmore_assets.config import AUTO, Head, Selector, Small, Training
from getmore_assets.planning import work
from getmore_assets.planning.estimates import Told
from getmore_assets.planning.gathering import Gathering
from getmore_assets.planning.sampling import SMALL

_WARM_PASSES = 3  # that a round of GOT-D takes from the last g, about
_PROBED = 3 * 500  # texts that the probe for λ looks at, before and after
_RACED, _HEATS = 1000, 2  # texts of validation that a race looks at, and seeds
_AMONG = 10  # times the budget: the candidates whose loss rounds measure
_CHECKPOINTS, _STEPS_APART = 4, 20  # in a training without evaluation: at most, at least


class Trainings:
    """The models of a task.

    Args:
        gathered: The stations before.
    """

    def __init__(self, gathered: Gathering) -> None:
        self.gathered, self.task, self.counts = gathered, gathered.task, gathered.counts
        self.rates: dict[str, Any] = gathered.found.rates["training"]
        tokens = self.counts.picks * self.rates["tokens_a_pick"]
        if self.task.selection.budget.tokens is not None:
            tokens = self.task.selection.budget.tokens * self.rates["tokens_a_word"]
        self._blocks = max(1, round(tokens / self.task.warmup.max_length))

    def told(self, station: str) -> Told:
        """The figures of one station that trains."""
        found: Told = getattr(self, f"_{station}")()
        return found

    def _fit(self, items: float, recipe: Training, rate: dict[str, float], watched: float = 0.0) -> float:
        """Seconds of a training on so many blocks or rows; `watched` is what looking at validation takes an epoch."""
        steps = recipe.steps(math.ceil(items))
        saves = math.ceil(recipe.epochs) if watched else 1 + min(_CHECKPOINTS, steps // _STEPS_APART)
        return steps * rate["step"] + saves * rate["beside"] + math.ceil(recipe.epochs) * watched

    def _base_model(self) -> Told:
        made, chosen = self.gathered.small("base_model"), self.task.base_model
        told = Told(made.rows, None, made.seconds, self._peak("base_model"), self._disk("base_model"))
        if not made.facts["steps"]:
            told.how = "the station itself: it has its head, so nothing is trained"
            return told
        shape: Small | Head = chosen.head
        length, vocabulary = self.task.warmup.max_length, 0.0
        if chosen.model == "small":
            shape, length = chosen.small, max(length, self.task.finetune.max_length)
            vocabulary = self.rates["vocabulary_seconds"] * (1 - min(1.0, made.rows / shape.rows))
        recipe, rate = Training(epochs=shape.epochs, batch_size=shape.batch_size), self.rates["base"]
        told.rows, told.tokens = shape.rows, round(self.rates["base_items"] * length)
        told.seconds = made.seconds - made.facts["train_seconds"] + vocabulary
        told.seconds += self._fit(self.rates["base_items"], recipe, rate)
        told.how = f"{recipe.steps(math.ceil(self.rates['base_items'])):,} steps of {rate['step']:.3f} s"
        return told

    def _warm(self, share: float = 1.0) -> float:
        blocks = max(1, round(share * self._blocks))
        return self._fit(blocks, self.task.warmup, self.rates["warmup"])

    def _warmed_model(self) -> Told:
        made, task = self.gathered.small("warmed_model"), self.task
        seconds = made.seconds - made.facts["train_seconds"] + self._warm()
        steps, rate = task.warmup.steps(self._blocks), self.rates["warmup"]["step"]
        tokens = self._blocks * task.warmup.max_length
        how = f"{steps:,} steps of {rate:.3f} s; tokens a row as in the large miniature's picks"
        return Told(self.counts.picks, tokens, seconds, self._peak("warmed_model"), self._disk("warmed_model"), how)

    def _tune(self, labels: int | None = None) -> float:
        """Seconds of a fine-tuning, with every look at validation, test and general text."""
        rates, recipe, counts = self.rates, self.task.finetune, self.counts
        general = counts.general * rates["general_blocks_a_row"]
        classifies = bool(self.gathered.found.look.labels) and recipe.epochs > 0
        looks = (1 if classifies else 2) * rates["test_blocks"] + general
        seconds = looks * rates["a_block"] + self._zero_shot()
        if not recipe.epochs:
            return float(seconds)
        items = rates["train_items"] * self._labelled(labels)
        seconds += self._fit(items, recipe, rates["finetune"], rates["validation_items"] * rates["a_validated"])
        return float(seconds + rates.get("predicted", 0) * rates["a_validated"])

    def _zero_shot(self) -> float:
        asked = self.task.zero_shot
        rows = min(asked.rows, self.counts.splits["test"]) * len(asked.labels) if asked else 0
        return float(rows * self.rates["a_block"] * self.rates["test_blocks"] / max(1, self.counts.splits["test"]))

    def _labelled(self, labels: int | None) -> float:
        """The share of target train that is fine-tuned on."""
        there = self.counts.splits["train"]
        return min(labels or self.task.finetune.rows or there, there) / there

    def _finetuned_model(self) -> Told:
        made, task, rates = self.gathered.small("finetuned_model"), self.task, self.rates
        seconds = made.seconds - made.facts["finetune_seconds"] + self._tune()
        rows = round(self.counts.splits["train"] * self._labelled(None))
        told = Told(rows, None, seconds, self._peak("finetuned_model"), self._disk("finetuned_model"))
        if task.finetune.epochs:
            steps = task.finetune.steps(math.ceil(rates["train_items"] * self._labelled(None)))
            told.how = f"{steps:,} steps of {rates['finetune']['step']:.3f} s, no epoch spared by early stopping; "
        told.how += f"evaluation at {1000 * rates['a_block']:.0f} ms a block"
        return told

    def _scorecard(self) -> Told:
        made, task = self.gathered.small("scorecard"), self.task
        own = made.facts["scored"][0]["selector"]  # its model was made before
        inside = [row for row in made.facts["scored"] if row["selector"] != own]
        seconds = made.seconds - sum(row["warmup_seconds"] + row["finetune_seconds"] for row in inside)
        runs, tokens = work.comparison(task), 0
        for one in runs:
            tokens += one.warmups * round(one.share * self._blocks) * task.warmup.max_length
            seconds += one.times * (self.rates.get("load", 0.0) + self._tune(one.labels))
            seconds += one.warmups * self._warm(one.share)
        seconds += sum(self.rank_seconds(one) * (task.seeds if one.draws else 1) for one in task.rivals)
        seconds += (1 + len(task.rivals)) * self.gathered.solve_seconds()
        count = sum(one.times for one in runs)
        named = ", ".join(f"{one.selector} {one.times}" for one in runs)
        how = f"{count} runs of warm-up and fine-tuning beside the line's own ({named}), their rankings and distances"
        return Told(count, tokens, seconds, self._peak("scorecard"), self._disk("scorecard"), how)

    def rank_seconds(self, chosen: Selector) -> float:
        """What a selector takes beyond the reading of what it chooses from, about."""
        rates, n, found = self.gathered.found.rates["selectors"], self.counts.candidates, 0.0
        load, evaluated = self.rates.get("load", 0.0), self.rates["general_blocks_a_row"] * self.rates["a_block"]
        tune = self._fit(self.rates.get("train_items", 0), self.task.warmup, self.rates["warmup"])
        if chosen.selector in rates:
            found += n * rates[chosen.selector]
        if chosen.selector in ("perplexity", "moore-lewis"):
            found += n * self.rates["a_loss"]
        if chosen.selector == "moore-lewis":
            found += n * self.rates["a_loss"] + tune
        if chosen.selector == "contrast":
            found += self.gathered.solve_seconds()
        if chosen.selector == "got-d-rounds":
            a_pass = self.gathered.found.large["ot_potentials"].facts["planned_seconds"] / self._passes()
            a_pass *= n / self.gathered.found.large["ot_potentials"].facts["candidates"]
            found += chosen.rounds.rounds * _WARM_PASSES * a_pass
            if chosen.rounds.lambda_ == AUTO:
                found += load + self._warm(0.9) + 2 * _PROBED * evaluated
            if chosen.rounds.loss:
                found += 2 * min(n, _AMONG * self.counts.picks) * self.rates["a_loss"] + tune
        if chosen.selector == "race":
            validated = min(_RACED, self.counts.splits["validation"]) * evaluated
            heat = load + self._warm(chosen.share) + validated
            found += sum(self.rank_seconds(one) + _HEATS * heat for one in chosen.entrants)
        return found

    def _passes(self) -> float:
        """Passes that a solve is expected to take, as `transport/plan.py` has it."""
        return 1 / math.sqrt(self.gathered.found.large["ot_potentials"].facts["epsilon_relative"])

    def _peak(self, station: str) -> float:
        return self.gathered.peak(station, SMALL)

    def _disk(self, station: str) -> float:
        return self.gathered.disk(station, SMALL)
