"""The selection: selectors with their settings, and the budget.

Belongs here: fields with their defaults and limits. Does not: the list of selectors (`selectors/`).
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from getmore_assets.config.sources import AnySource, Rows, Section
from getmore_assets.selectors import KINDS
from getmore_assets.selectors.kind import Kind

AUTO: Literal["auto"] = "auto"
NONE: Literal["none"] = "none"
TARGET: Literal["target"] = "target"
BAG_OF_WORDS: Literal["bag-of-words"] = "bag-of-words"
RANDOM_INIT: Literal["random-init"] = "random-init"
#: Reference arms, which show whether a task can tell selections apart.
REFERENCES = (TARGET, BAG_OF_WORDS, RANDOM_INIT)
#: Names in `compare` that do not select.
UNSELECTED = (NONE, *REFERENCES)
#: With weights chosen on the tuning target of benchmarks/proof.py, the selector that was best on the other targets.
DEFAULT, _LAMBDA, LOSS = "got-d-rounds", 0.9, 2.0
if TYPE_CHECKING:
    Name = str
else:
    Name = Literal[*UNSELECTED, *sorted(KINDS)]


class Budget(Section):
    """The size of the selection: exactly one of rows, tokens (words and punctuation marks) and fraction of the pool."""

    rows: int | None = Field(None, ge=1)
    tokens: int | None = Field(None, ge=1)
    fraction: float | None = Field(None, gt=0, le=1)

    @model_validator(mode="after")
    def _exactly_one(self) -> "Budget":
        if sum(value is not None for value in (self.rows, self.tokens, self.fraction)) != 1:
            raise ValueError("give exactly one of rows, tokens and fraction")
        return self


class Rounds(Section):
    """GOT-D in rounds: the rows picked so far count in the pool's weights when further rows are picked."""

    rounds: int = Field(8, ge=1, description="number of rounds, each with a solve; 1 is the paper")
    lambda_: float | Literal["auto"] = Field(
        _LAMBDA,
        alias="lambda",
        description="how far the warm-up moves the model from the pool to the picks, 0 to 1; auto: estimated with a "
        "small warm-up of the base model",
    )
    damping: float | None = Field(
        None,
        gt=0,
        le=1,
        description="cosine from which a row counts as a copy of a pick; copies wait for the next round",
    )
    loss: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        AUTO,
        description="weight of the cross-entropy difference (`moore-lewis`); auto: 2 if the task sets `base_model` "
        "to other than its default, otherwise 0, so that no model is trained only to select",
    )

    @property
    def loss_weight(self) -> float:
        """The weight of the loss; a task replaces `auto` by a number."""
        return 0.0 if self.loss == AUTO else float(self.loss)

    @model_validator(mode="after")
    def _lambda_is_a_share(self) -> "Rounds":
        if self.lambda_ != AUTO and not 0 <= float(self.lambda_) <= 1:
            raise ValueError("lambda is between 0 and 1, or auto")
        return self


class Quotas(Section):
    """Parts of the target, each with a share of the budget."""

    by: Literal["domain", "label"] = Field(
        "domain", description="the column of target.train that names a row's part; a domain is the file's name"
    )
    shares: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="share of the budget for each part; without it, equal shares"
    )

    @model_validator(mode="after")
    def _shares_something(self) -> "Quotas":
        if self.shares and not sum(self.shares.values()):
            raise ValueError("all shares are 0")
        return self


class Imported(Rows):
    """The selection of another tool: rows, ids, or row numbers in pool files, best first."""

    path: str = Field(min_length=1, description="a file of rows, as in any source, or an index array (.npy)")
    id: str | None = Field(None, description="the column with content ids, in place of texts")
    index: str | None = Field(None, description="the column with row numbers (from 0) in a pool file")
    pool: AnySource | None = Field(
        None, description="the pool file of the row numbers; without it, the only candidate source"
    )
    file_name: str | None = Field(None, description="the column with the name (in `pools`) of each row's pool file")
    pools: dict[str, AnySource] = Field({}, description="pool files by name, for row numbers in several files")
    score: str | None = Field(None, description="the column to order by, highest first; without it, the file's order")

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> "Imported":
        if sum((self.id is not None, self.index is not None, self.is_array)) > 1:
            raise ValueError("rows are named once: by `id`, by `index`, or by a path to an index array (.npy)")
        if (self.pool or self.pools) and not self.counts:
            raise ValueError("`pool` and `pools` are for row numbers: name the column of row numbers as `index`")
        if (self.file_name is not None) != bool(self.pools):
            raise ValueError("`file_name` (a column) and `pools` (a file for each name in it) go together: give both")
        if self.pool and self.pools:
            raise ValueError(
                "row numbers are of one `pool` or, by `file_name`, of several `pools`: give one of the two"
            )
        if self.is_array and (self.score or self.file_name):
            raise ValueError("an index array (.npy) has no columns: take `score` and `file_name` out")
        return self

    @property
    def is_array(self) -> bool:
        """Whether the file is an index array, which holds only row numbers."""
        return self.path.endswith(".npy")

    @property
    def counts(self) -> bool:
        """Whether rows are named by row numbers in pool files."""
        return self.index is not None or self.is_array


class Selector(Section):
    """A selector with its settings.

    In `compare`, `none` is no warm-up, `target` a warm-up on the target's own text, `bag-of-words` a classifier without
    a model, and `random-init` the base model with random weights.
    """

    selector: Name = DEFAULT
    name: str | None = Field(None, min_length=1, description="name in the scorecard; without it, the selector's name")
    seed: int = Field(0, description="for selectors that sample")
    rounds: Rounds = Rounds()
    push: float = Field(0.5, ge=0, le=1, description="for contrast: weight of target.negative; at 0 only train counts")
    quotas: Quotas | None = None
    imported: Imported | None = None
    entrants: list["AnySelector"] = Field([], description="for race: the selectors that take part")
    share: float = Field(0.25, gt=0, le=1, description="for race: the share of the budget for each trial")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Selector":
        kind = self.kind
        has = () if kind is None else kind.settings
        if "imported" in has and self.imported is None:
            raise ValueError(f"selector `{self.selector}` needs `imported: {{path: ...}}`")
        if "entrants" in has and len(self.entrants) < 2:
            raise ValueError(f"selector `{self.selector}` needs at least two `entrants`")
        if any(one.kind is None or "entrants" in one.kind.settings for one in self.entrants):
            raise ValueError("an entrant of a race selects rows and is not itself a race")
        if self.quotas and "quotas" not in has:
            raise ValueError(f"`{self.selector}` does not read the target, so it cannot have `quotas` for parts of it")
        for name in SETTINGS - {*has} if kind else ():
            if getattr(self, name) != Selector.model_fields[name].get_default(call_default_factory=True):
                own = (
                    f"its settings are {', '.join(f'`{setting}`' for setting in has)}" if has else "it has no settings"
                )
                raise ValueError(f"`{self.selector}` has no `{name}`: {own}")
        if len({one.called for one in self.entrants}) < len(self.entrants):
            raise ValueError("two entrants have the same name: give each a `name`")
        return self

    def with_loss(self, weight: float) -> Self:
        """Return the selector with a weight in place of an automatic weight of the loss."""
        entrants = [one.with_loss(weight) for one in self.entrants]
        changed: dict[str, object] = {"entrants": entrants} if entrants else {}
        if self.rounds.loss == AUTO and self.kind and "rounds" in self.kind.settings:
            changed["rounds"] = self.rounds.model_copy(update={"loss": weight})
        return self.model_copy(update=changed)

    @property
    def decides_nothing(self) -> set[str]:
        """Fields outside the cache key: the settings of other selectors."""
        return SETTINGS.difference(() if self.kind is None else self.kind.settings)

    @property
    def called(self) -> str:
        """The selector's name in the scorecard."""
        return self.name or self.selector

    @property
    def kind(self) -> Kind | None:
        """The selector's declaration; None for a name that does not select."""
        return KINDS.get(self.selector)

    @property
    def draws(self) -> bool:
        """Whether the selection depends on the seed."""
        return self.kind is not None and "seed" in self.kind.settings

    @property
    def plans(self) -> bool:
        """Whether the first picks depend on the budget, so that a smaller selection is not a prefix of a larger one."""
        return self.quotas is not None or (self.kind is not None and self.kind.plans)

    @property
    def reads(self) -> frozenset[str]:
        """The selector's inputs among vectors and potentials; computing them is part of the selector's cost."""
        own = frozenset() if self.kind is None else self.kind.reads
        return own.union(*(one.reads for one in self.entrants))

    @property
    def imports(self) -> list[Imported]:
        """The imported selections: the selector's own, and those of the contestants of a race."""
        own = [self.imported] if self.imported else []
        return [*own, *(chosen for one in self.entrants for chosen in one.imports)]

    @property
    def needs_base_model(self) -> bool:
        """Whether the selector needs the base model."""
        own = self.kind is not None and self.kind.needs_base_model(self)
        return own or any(one.needs_base_model for one in self.entrants)


#: The fields that apply to some selectors only.
SETTINGS = {*Selector.model_fields} - {"selector", "name"}


def _selector_from_name(value: Any) -> Any:
    return {"selector": value} if isinstance(value, str) else value


AnySelector = Annotated[Selector, BeforeValidator(_selector_from_name)]


class Selection(Selector):
    """The chosen selector, and the budget."""

    budget: Budget = Budget(fraction=0.05)

    @model_validator(mode="after")
    def _selects(self) -> "Selection":
        if self.selector in UNSELECTED:
            raise ValueError(f"`{self.selector}` does not select: it is for `compare`")
        return self

    def only_selector(self) -> Selector:
        """Return the selector without the budget, like the selectors in `compare`."""
        return Selector.model_validate(self.model_dump(exclude={"budget"}))
