"""Models and their training recipes.

Belongs here: fields with their defaults and limits. Does not: training.
"""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from getmore_assets.config.sources import AnySource, Section

#: auto is bfloat16 if the device computes bfloat16 products, else float32.
DType = Literal["auto", "float32", "bfloat16"]
#: With Transformers' names; auto is Transformers' default: sdpa if the architecture has it, else eager.
Attention = Literal["auto", "eager", "sdpa", "flash_attention_2"]


class Small(Section):
    """The architecture and training of the model that `base_model.model: small` trains on the pool."""

    layers: int = Field(3, ge=1)
    width: int = Field(192, ge=16)
    heads: int = Field(4, ge=1)
    vocabulary: int = Field(4096, ge=300)
    rows: int = Field(8000, ge=10, description="number of the pool's rows to train on")
    epochs: float = Field(1.0, gt=0)
    learning_rate: float = Field(2e-3, gt=0)
    batch_size: int = Field(16, ge=1)


class Head(Section):
    """The training of a language-modelling head that the checkpoint lacks, with the body frozen."""

    rows: int = Field(4000, ge=1)
    epochs: float = Field(1.0, gt=0)
    learning_rate: float = Field(5e-3, gt=0)
    batch_size: int = Field(32, ge=1)


class BaseModelChoice(Section):
    """The base model: the model before the warm-up."""

    model: str = Field("small", description="small | minilm | smollm2 | a hub id | a folder")
    objective: Literal["causal", "masked"] = "causal"
    small: Small = Small()
    head: Head = Head()


class Lora(Section):
    """Low-rank adapters, trained instead of the weights and then merged into the weights; fields have PEFT's names."""

    rank: int = Field(8, ge=1)
    alpha: float = Field(16, gt=0, description="the adapters' output is scaled by alpha / rank")
    dropout: float = Field(0.05, ge=0, lt=1)
    target_modules: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = Field(
        "all-linear", description="layers with adapters: all linear layers but the head, or those with these names"
    )


#: Fields of recipes that earlier versions did not have.
_ADDED = (
    "gradient_accumulation_steps",
    "lora",
    "packing",
    "weights",
    "target_share",
    "replay",
    "then_target",
    "other_learning_rates",
)


class Training(Section):
    """A training recipe; fields have the names of Transformers' Trainer."""

    epochs: float = Field(1.0, gt=0)
    learning_rate: float = Field(1e-4, gt=0)
    batch_size: int = Field(32, ge=1)
    max_length: int = Field(128, ge=8, description="tokens")
    weight_decay: float = Field(0.01, ge=0)
    warmup_ratio: float = Field(0.0, ge=0, le=1, description="share of the steps in which the learning rate rises")
    dtype: DType = Field("auto", description="type of matrix products in training; evaluation stays float32")
    weights: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="type of the model's weights in training; bfloat16: each trained weight has a float32 master, and "
        "frozen weights (of a model with `lora`) are rounded",
    )
    attention: Attention = Field(
        "auto",
        description="the implementation of attention in training; auto: sdpa if the model has it | "
        "flash_attention_2: needs a GPU and the package flash-attn, and computes in bfloat16",
    )
    gradient_accumulation_steps: int = Field(1, ge=1, description="batches per step")
    gradient_checkpointing: bool = Field(False, description="less memory, more time: activations are computed twice")
    lora: Lora | None = None
    packing: Literal["joined", "isolated"] = Field(
        "joined",
        description="texts of a block: a token sees the texts before its own (joined), or only its own text (isolated, "
        "for causal models only)",
    )

    @model_validator(mode="after")
    def _is_of_one_dtype(self) -> "Training":
        for field, value in (("attention", "flash_attention_2"), ("weights", "bfloat16")):
            if getattr(self, field) == value and self.dtype == "float32":
                raise ValueError(f"{field} is {value}, which has no products in float32: set dtype to auto or bfloat16")
        return self

    @property
    def decides_nothing(self) -> set[str]:
        """Fields outside the cache key: those that do not change the model, and newer fields at their defaults.

        A newer field at its default must not change the cache keys of lakes of earlier versions.
        """
        fields = type(self).model_fields
        added = [name for name in _ADDED if name in fields]
        same = {"attention", "gradient_checkpointing"}  # they compute the same products, in another order or twice
        return {*same, *(name for name in added if getattr(self, name) == fields[name].default)}

    def steps(self, items: int) -> int:
        """Return the number of steps of a training on `items` blocks or rows."""
        batches = math.ceil(items / self.batch_size)
        return max(1, math.ceil(math.ceil(batches / self.gradient_accumulation_steps) * self.epochs))


class WarmUp(Training):
    """The recipe of the warm-up, and texts to train on besides the selected rows, for the same number of tokens."""

    target_share: float = Field(
        0.0, ge=0, lt=1, description="share of the tokens that is target train's own text, each row at most three times"
    )
    replay: float = Field(
        0.0, ge=0, lt=1, description="share of the tokens that is random rows of the pool, against forgetting"
    )
    then_target: bool = Field(
        False, description="after the warm-up, train once on target train's own text (TAPT), also without a warm-up"
    )

    @model_validator(mode="after")
    def _leaves_tokens_to_the_selection(self) -> "WarmUp":
        if self.target_share + self.replay >= 1:
            raise ValueError("target_share and replay leave no tokens to the selection: together they must be below 1")
        return self

    @property
    def reads_more(self) -> bool:
        """Whether the warm-up also trains on other texts than the selected rows."""
        return bool(self.target_share or self.replay or self.then_target)


class FineTuning(Training):
    """The recipe of fine-tuning on the target's train split."""

    rows: int | None = Field(None, ge=1, description="rows of train to sample, by content hash; without it, all rows")
    epochs: float = Field(3.0, ge=0, description="0 leaves the warmed model as it is")
    learning_rate: float = Field(2e-4, gt=0)
    other_learning_rates: list[float] = Field(
        default=[], description="further rates to try: each run keeps the model that is best on validation"
    )
    pooling: Literal["mean", "last", "cls"] = Field(
        "mean", description="for classifiers: the mean of the last hidden states, or the last or first token's state"
    )
    warmup_ratio: float = Field(0.1, ge=0, le=1, description="share of the steps in which the learning rate rises")
    patience: int | None = Field(1, ge=1, description="stop after this many epochs without improvement on validation")

    @model_validator(mode="after")
    def _has_other_rates(self) -> "FineTuning":
        if any(rate <= 0 for rate in self.other_learning_rates) or len(set(self.rates)) < len(self.rates):
            raise ValueError("other_learning_rates are above 0, and differ from each other and from learning_rate")
        return self

    @property
    def rates(self) -> list[float]:
        """All learning rates to try."""
        return [self.learning_rate, *self.other_learning_rates]


class ZeroShot(Section):
    """Zero-shot classification by a causal model: the label whose text has the lowest perplexity is predicted."""

    template: str = Field("{text}\n{label}", description="the text of a label, with {text} and {label}")
    labels: dict[str, str] = Field(min_length=2, description="a word for every label of the target")
    rows: int = Field(1000, ge=1, description="at most this many rows of test, sampled by content hash")

    @model_validator(mode="after")
    def _has_both_fields(self) -> "ZeroShot":
        if "{text}" not in self.template or "{label}" not in self.template:
            raise ValueError("the template must hold {text} and {label}")
        return self


class Toxicity(Section):
    """The toxicity of a causal model's continuations, by a local classifier."""

    prompts: AnySource
    classifier: str = Field(min_length=1, description="a hub id or a folder of a sequence classifier")
    label: str = Field("toxic", description="the classifier's label whose probability is the score")
    generations: int = Field(25, ge=1, description="continuations of each prompt")
    tokens: int = Field(20, ge=1, description="longest continuation")
    top_p: float = Field(0.9, gt=0, le=1)
    threshold: float = Field(0.5, gt=0, lt=1, description="score from which a continuation counts as toxic")


class Curves(Section):
    """Further comparisons with fewer labels, with smaller budgets, and on slices of the pool."""

    labels: list[int] = Field(default=[], description="rows of target train to fine-tune on, with and without warm-up")
    budgets: list[float] = Field(default=[], description="shares of the budget to warm up on, for every selector")
    quantiles: int = Field(
        0, ge=0, description="slices of the pool, nearest to farthest, to warm up on: shows whether nearer is better"
    )

    @model_validator(mode="after")
    def _are_in_range(self) -> "Curves":
        if any(rows < 1 for rows in self.labels) or any(not 0 < share < 1 for share in self.budgets):
            raise ValueError("labels are 1 or more, budgets between 0 and 1")
        return self
