"""Language models: loading them, finding out that a head is missing, making a small one from scratch.

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
ADAPTER = "adapter"  # the folder of low-rank adapters


def load(folder: Path, objective: str) -> tuple[Any, Any, list[str]]:
    """A model with its tokenizer, and the names of parameters that the checkpoint does not hold.

    Args:
        folder: A Hugging Face folder with safetensors.
        objective: causal or masked.
    """
    kind = AutoModelForCausalLM if objective == "causal" else AutoModelForMaskedLM
    torch.manual_seed(0)  # a missing head is drawn alike every time
    model, info = kind.from_pretrained(
        folder, use_safetensors=True, trust_remote_code=False, output_loading_info=True, dtype=torch.float32
    )
    return model, load_tokenizer(folder), sorted(info["missing_keys"])


def with_random_weights(folder: Path, objective: str, seed: int) -> tuple[Any, Any]:
    """A model of the architecture in a folder that has learned nothing, with the tokenizer that lies there."""
    kind = AutoModelForCausalLM if objective == "causal" else AutoModelForMaskedLM
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    model = kind.from_config(config, trust_remote_code=False).float()
    model.name_or_path = str(folder)
    return model, load_tokenizer(folder)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a Hugging Face folder, alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@contextmanager
def quiet() -> Iterator[None]:
    """Within it, Transformers reports no missing weights and draws no bar."""
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
    """Blocks to batches: masked at random, or as they are."""
    if objective == "causal":
        return default_data_collator
    return DataCollatorForLanguageModeling(tokenizer, mlm=True, mlm_probability=MASKED_SHARE)


@contextmanager
def only_at(model: Any, wanted: torch.Tensor) -> Iterator[None]:
    """Within it, a masked model computes logits of some places alone; `told_at` has them.

    A step asks for one place in seven, and the logits of all of them are most of what a small model with a large
    vocabulary computes and holds.

    Args:
        model: With a masked head.
        wanted: Whose logits: `[rows, length]`, bool.
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
    """The logits of some places: `[wanted.sum(), vocabulary]`. A model whose head is no layer has computed them all."""
    return logits if logits.dim() == 2 else logits[wanted]


def new_small(shape: Small, objective: str, texts: list[str], positions: int) -> tuple[Any, Any]:
    """A small model with random weights, and a byte-level BPE tokenizer trained on the texts."""
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
    """Write a Hugging Face folder (safetensors) that is there whole or not at all.

    Args:
        model: A plain model.
        tokenizer: Its.
        folder: Where.
        work: Of its training: adapters that were kept there go into the folder, in one of their own.
    """
    partial = folder.with_name(folder.name + ".partial")
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    if work and (work / ADAPTER).is_dir():
        shutil.copytree(work / ADAPTER, partial / ADAPTER, dirs_exist_ok=True)
    if folder.is_dir():
        shutil.rmtree(partial)
        return  # made by a run beside this one: the same name is the same content
    partial.replace(folder)
