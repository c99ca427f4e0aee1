"""Language models: loading one, recognising a missing head, building a small one from scratch.

Belongs here: models with a language-modelling head and their tokenizers. Does not: classifiers (`classifier.py`).
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import ByteLevel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    default_data_collator,
)
from transformers.utils import logging

from getmore_assets.config import Small

MASKED_SHARE = 0.15
END = "<|endoftext|>"
ADAPTER = "adapter"  # name of the folder of low-rank adapters


def kind_of(objective: str) -> Any:
    """Return the class that loads a model with the head of an objective."""
    return AutoModelForCausalLM if objective == "causal" else AutoModelForMaskedLM


def load(folder: Path, objective: str) -> tuple[Any, Any, list[str]]:
    """Return a model, its tokenizer, and the names of parameters that the checkpoint lacks.

    Args:
        folder: A Hugging Face folder with safetensors.
        objective: causal or masked.
    """
    torch.manual_seed(0)  # a missing head always gets the same random weights
    model, info = kind_of(objective).from_pretrained(
        folder, use_safetensors=True, trust_remote_code=False, output_loading_info=True, dtype=torch.float32
    )
    return model, load_tokenizer(folder), sorted(info["missing_keys"])


def with_random_weights(folder: Path, objective: str, seed: int) -> tuple[Any, Any]:
    """Return a model with random weights and the configuration in a folder, and the folder's tokenizer."""
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    model = kind_of(objective).from_config(config, trust_remote_code=False).float()
    model.name_or_path = str(folder)
    return model, load_tokenizer(folder)


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a Hugging Face folder."""
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Transformers' reports of missing weights and its progress bars within the context."""
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def collator(tokenizer: Any, objective: str) -> Any:
    """Return the collator from blocks to batches, which masks tokens at random for the masked objective."""
    if objective == "causal":
        return default_data_collator
    return DataCollatorForLanguageModeling(tokenizer, mlm=True, mlm_probability=MASKED_SHARE)


@contextmanager
def only_at(model: Any, wanted: torch.Tensor) -> Iterator[None]:
    """Let a masked model compute logits only at some positions within the context; `told_at` reads them.

    A step needs the logits of one position in seven; computing all of them dominates time and memory of a small model
    with a large vocabulary.

    Args:
        model: A model with a masked-language-modelling head.
        wanted: The positions: `[rows, length]`, bool.
    """
    head = model.get_output_embeddings()
    if head is None:
        yield
        return
    hook = head.register_forward_pre_hook(lambda _, given: (given[0][wanted],))
    try:
        yield
    finally:
        hook.remove()


def told_at(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the logits at some positions: `[wanted.sum(), vocabulary]`.

    If the model's head is not a layer, `only_at` has no effect, and this function filters the logits of all positions.
    """
    return logits if logits.dim() == 2 else logits[wanted]


def new_small(shape: Small, objective: str, texts: list[str], positions: int) -> tuple[Any, Any]:
    """Return a small model with random weights, and a byte-level BPE tokenizer trained on the texts."""
    bpe = ByteLevelBPETokenizer()
    masked = objective == "masked"
    special = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"] if masked else [END]
    bpe.train_from_iterator(texts, vocab_size=shape.vocabulary, special_tokens=special, show_progress=False)
    bpe._tokenizer.post_processor = ByteLevel(trim_offsets=False)
    names = (
        {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
        if masked
        else {"eos_token": END, "bos_token": END, "pad_token": END}
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, model_max_length=positions, **names)
    torch.manual_seed(0)
    if masked:
        bert = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * shape.width,
            max_position_embeddings=positions,
            pad_token_id=tokenizer.pad_token_id,
        )
        return BertForMaskedLM(bert), tokenizer
    gpt = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        n_positions=positions,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    return GPT2LMHeadModel(gpt), tokenizer


def save(model: Any, tokenizer: Any, folder: Path, work: Path | None = None) -> None:
    """Save model and tokenizer as a Hugging Face folder (safetensors), atomically.

    Args:
        model: A model without adapters.
        tokenizer: The model's tokenizer.
        folder: The folder to write.
        work: The work folder of the model's training; adapters saved there are moved to a subfolder of `folder`.
    """
    partial = folder.with_name(folder.name + ".partial")
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    if work and (work / ADAPTER).is_dir():
        shutil.copytree(work / ADAPTER, partial / ADAPTER, dirs_exist_ok=True)
    if folder.is_dir():
        shutil.rmtree(partial)
        return  # another run wrote it meanwhile: the same name is the same content
    partial.replace(folder)
