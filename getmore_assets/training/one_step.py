"""One training step of the smallest model of the same class, with random weights: problems show within seconds.

Belongs here: checking that tokenizer, configuration, weights and recipe of a model fit together. Does not: which models
a task names (`preflight.py`), or training (`fit.py`).
"""

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
)

from getmore_assets.config import Attention, Lora
from getmore_assets.corpus.library_errors import message_of
from getmore_assets.corpus.passages import PAIR
from getmore_assets.errors import BadInput
from getmore_assets.training import adapters, attention, classifier, language_models, reach
from getmore_assets.training.blocks import Blocks
from getmore_assets.training.reach import SAMPLE_TEXTS, SHORT
from getmore_assets.training.smallest import shrunk
from getmore_assets.training.whole_weights import require_whole
from getmore_assets.weights import shapes_in

log = logging.getLogger(__name__)

_MOST_PARAMETERS = 3e8  # the largest model that is built for a step: 1.2 GB
_ANOTHER = "Take another model"


class Candidate:
    """A model that a task names, before its weights are loaded.

    Args:
        field: The field of the task file that names the model.
        folder: The model's folder.

    Raises:
        BadInput: The configuration or tokenizer cannot be loaded, the weights are quantised or incomplete, or the
            tokenizer has tokens without a row in the embedding.
    """

    def __init__(self, field: str, folder: Path) -> None:
        self.field, self.folder, self.where = field, folder, f"{field} {folder}"
        code = "Take a model whose architecture Transformers has: code that comes with a model is never run"
        self.config = self._do(
            "its config.json cannot be used", code, lambda: AutoConfig.from_pretrained(folder, trust_remote_code=False)
        )
        if kind := getattr(self.config, "quantization_config", None):
            method = kind.get("quant_method", "") if isinstance(kind, dict) else kind
            what = f"its weights are quantised ({method}); quantised models cannot be trained or used as encoders here"
            raise BadInput(self.where, what, "Take the model in float32, float16 or bfloat16")
        again = "Save the tokenizer beside the model with save_pretrained"
        self.tokenizer = self._do(
            "its tokenizer cannot be loaded", again, lambda: language_models.load_tokenizer(folder)
        )
        self._require_tokens()
        self._require_rows()

    def _do(self, what: str, fix: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:  # files of a model can raise any error in the library
            raise BadInput(self.where, f"{what} ({message_of(error)})", fix) from error

    def _require_tokens(self) -> None:
        """Refuse a tokenizer that finds no known token in any sample text."""
        unknown = {self.tokenizer.unk_token_id}
        ids = self._do(
            "its tokenizer reads no text", _ANOTHER, lambda: self.tokenizer(SAMPLE_TEXTS, add_special_tokens=False)
        )
        if all(set(row) <= unknown for row in ids["input_ids"]):
            what = "its tokenizer has no token for any of seven texts in six scripts"
            raise BadInput(self.where, what, "Save the tokenizer that the model was trained with in the model's folder")

    def _require_rows(self) -> None:
        """Refuse tokens without a row in the embedding, and an embedding without exactly vocab_size rows."""
        rows = getattr(self.config.get_text_config(), "vocab_size", None)
        if rows is None:
            return
        last = max(*self.tokenizer.get_vocab().values(), len(self.tokenizer) - 1)
        if last >= rows:
            token = self.tokenizer.convert_ids_to_tokens(last)
            what = f"its tokenizer has token {last} (`{token}`), where config.json says vocab_size {rows}"
            fix = "Save the tokenizer that the model was trained with, or the model after resize_token_embeddings"
            raise BadInput(self.where, what, fix)
        shapes = shapes_in(self.folder, self.where)
        for name, shape in shapes.items():
            if name.endswith(self._embedding()) and len(shape) == 2 and shape[0] != rows:
                what = f"`{name}` has {shape[0]} rows, where config.json says vocab_size {rows}"
                raise BadInput(self.where, what, "Save the model again with save_pretrained, which writes both")

    def _embedding(self) -> str:
        """Return the end of the name of the embedding's weights in a checkpoint."""
        with suppress(Exception), torch.device("meta"):
            model = AutoModel.from_config(shrunk(self.config, 2), trust_remote_code=False)
            held = model.get_input_embeddings()
            return next(f"{name}.weight" for name, module in model.named_modules() if module is held)
        return "\0"  # matches no name: the model has no embedding, or cannot be built from a configuration alone

    def language_model(
        self,
        objective: str,
        named: str,
        lengths: dict[str, int],
        loras: dict[str, Lora],
        isolated: Sequence[str] = (),
    ) -> None:
        """Take one step of language modelling.

        Args:
            objective: causal or masked.
            named: The field of the task file that sets the objective.
            lengths: Tokens of a block, by field.
            loras: The adapters to add, by field.
            isolated: The fields that ask for isolated texts within a block.

        Raises:
            BadInput: The tokenizer has no separator or mask token, the architecture does not support the objective, a
                length exceeds the model's positions, or the step fails.
        """
        self._require_special(objective, named)
        kind = AutoModelForCausalLM if objective == "causal" else AutoModelForMaskedLM
        model = self._smallest(kind, f"{named} ({objective})", self._step_of(objective))
        if model is None:
            return
        require_whole(kind, self.folder, self.where)
        reach.require_direction(model, self.tokenizer, objective, named)
        for field in isolated:
            reach.require_isolation(model, self.tokenizer, field)
        reach.require_positions(model.base_model, self.tokenizer, self.folder, lengths)
        for field, asked in loras.items():
            try:
                adapters.put_on(copy.deepcopy(model), asked)
            except BadInput as error:
                raise BadInput(f"{field}.target_modules", error.what, error.fix) from error

    def attends(self, asked: dict[str, Attention]) -> None:
        """Refuse an implementation of attention that the model's architecture does not have.

        Args:
            asked: Implementations, by field of the task file.

        Raises:
            BadInput: The architecture does not have it.
        """
        with torch.device("meta"):
            model = AutoModel.from_config(shrunk(self.config, 2), trust_remote_code=False)
        for field, one in asked.items():
            with attention.switched(model, one, field):
                pass

    def classifier(self, pairs: bool, pooling: str) -> None:
        """Take one step of classification, on a body of the same class.

        Raises:
            BadInput: The tokenizer has no padding token, or the step fails.
        """
        texts = [f"{text}{PAIR}{text}" for text in SAMPLE_TEXTS[:2]] if pairs else SAMPLE_TEXTS[:2]
        batch = self._labelled(texts, pairs=pairs)

        def step(body: Any) -> None:
            network = classifier.build(body, self.tokenizer, ["a", "b"], pooling, 0)
            network(**batch()).loss.backward()

        self._smallest(AutoModel, "target.label", step)

    def judge(self) -> None:
        """Take one classification step with the architecture's own head, which the model of an evaluator has.

        Raises:
            BadInput: The tokenizer has no padding token, the architecture has no classifier, or the step fails.
        """
        batch = self._labelled(SAMPLE_TEXTS[:2], pairs=False)

        def step(model: Any) -> None:
            model.config.pad_token_id = self.tokenizer.pad_token_id
            model(**batch()).loss.backward()

        self._smallest(AutoModelForSequenceClassification, self.field, step)

    def _labelled(self, texts: list[str], *, pairs: bool) -> Callable[[], dict[str, torch.Tensor]]:
        self._require_pad("a batch of rows for a classifier is padded to one length")

        def batch() -> dict[str, torch.Tensor]:
            rows = classifier.Labelled(texts, ["a", "b"], ["a", "b"], self.tokenizer, SHORT, pairs=pairs)
            padded: dict[str, torch.Tensor] = classifier.collator(self.tokenizer)([rows[0], rows[1]])
            return padded

        return batch

    def encoder(self, length: int) -> None:
        """Encode two texts of different lengths.

        Args:
            length: Tokens to which texts are truncated.

        Raises:
            BadInput: The tokenizer has no padding token, the length exceeds the model's positions, or encoding fails.
        """
        self._require_pad("texts that are encoded together are padded to one length")

        def step(model: Any) -> None:
            tokens = self.tokenizer(SAMPLE_TEXTS[:2], truncation=True, max_length=SHORT)["input_ids"]
            padded = self.tokenizer.pad({"input_ids": tokens}, return_tensors="pt")
            if not hasattr(model(**padded), "last_hidden_state"):
                raise ValueError("the model gives no hidden states")

        model = self._smallest(AutoModel, self.field, step)
        require_whole(AutoModel, self.folder, self.where)
        longest = getattr(self.config, "max_position_embeddings", None) or length  # as `TransformerEncoder` truncates
        if model is not None:
            reach.require_positions(model, self.tokenizer, self.folder, {"encoder.max_length": min(length, longest)})

    def _step_of(self, objective: str) -> Callable[[Any], None]:
        def step(model: Any) -> None:
            blocks = Blocks(SAMPLE_TEXTS, self.tokenizer, SHORT)
            collate = language_models.collator(self.tokenizer, objective)
            batch = collate([blocks[0], blocks[0]])
            batch["labels"] = batch["input_ids"].clone()  # a batch of a masked model may have no masked token
            model(**batch).loss.backward()

        return step

    def _require_special(self, objective: str, named: str) -> None:
        tokenizer = self.tokenizer
        if tokenizer.eos_token_id is None and tokenizer.sep_token_id is None:
            what = "its tokenizer has neither an eos_token nor a sep_token, and one of them must separate texts"
            raise BadInput(self.where, what, "Set `eos_token` in its tokenizer_config.json")
        if objective == "masked" and tokenizer.mask_token_id is None:
            what = "its tokenizer has no mask_token, which the masked objective needs"
            raise BadInput(self.where, what, f"Set {named} to causal, or take another model")
        if objective == "masked":
            self._require_pad("a masked model's batches are made with it")

    def _require_pad(self, why: str) -> None:
        if self.tokenizer.pad_token_id is None:
            what = f"its tokenizer has neither a pad_token nor an eos_token, and {why}"
            raise BadInput(self.where, what, "Set `pad_token` in its tokenizer_config.json")

    def _smallest(self, kind: Any, field: str, step: Callable[[Any], None]) -> Any:
        """Return the first model of `_smaller` whose step works; None if none does and the whole model is too large."""
        if type(self.config) not in kind._model_mapping:
            head = kind.__name__.removeprefix("AutoModel") or "body"
            what = f"{self.config.model_type} models have no {head} in Transformers"
            raise BadInput(f"{field}, {self.where}", what, _ANOTHER)
        whole = self._size(kind)
        error: Exception | None = None
        for config in self._smaller(kind):
            try:
                torch.manual_seed(0)
                model = kind.from_config(config, trust_remote_code=False, dtype=torch.float32)
                step(model.train())
                return model.eval()
            except Exception as met:  # a model class can raise any error
                error = met
        if error is None or whole > _MOST_PARAMETERS:
            log.warning("%s: no small model of its class could be built, so no step was tried (%s)", self.where, error)
            return None
        what = f"one step of a model of its class with random weights fails ({message_of(error)})"
        raise BadInput(self.where, what, "Correct its config.json, or take another model") from error

    def _smaller(self, kind: Any) -> Iterator[Any]:
        """Yield configurations to try, as far as they are small: narrow, of full width with one layer, unchanged."""
        yield shrunk(self.config, 2)
        yield from (
            one for one in (shrunk(self.config, None), self.config) if self._size(kind, one) <= _MOST_PARAMETERS
        )

    def _size(self, kind: Any, config: Any = None) -> int:
        """Return the number of parameters of a model of a configuration, without allocating it."""

        def build() -> int:
            with torch.device("meta"):
                model = kind.from_config(config or self.config, trust_remote_code=False)
            return sum(parameter.numel() for parameter in model.parameters())

        return int(self._do("no model can be built from its config.json", "Correct it, or take another model", build))
