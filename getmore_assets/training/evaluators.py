"""Evaluators of a language model besides perplexity: zero-shot classification, and toxicity of its continuations.

Belongs here: a model and rows in, numbers out. Does not: which rows those are (`workers/train.py`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from getmore_assets.config import Toxicity, ZeroShot
from getmore_assets.training.losses import mean_losses

Evaluator = Callable[[Any, Any], dict[str, float]]
"""Takes a causal model and its tokenizer, returns metrics by name."""

_BATCH = 64


def zero_shot(asked: ZeroShot, texts: list[str], labels: list[str], length: int) -> Evaluator:
    """Return an evaluator of zero-shot accuracy: it predicts the label whose instance has the least perplexity.

    An instance is the template with text and label (paper, App. E).

    Args:
        asked: The template, and a word for every label.
        texts: Texts of test.
        labels: Labels of test.
        length: Tokens of an instance; texts, never labels, are truncated to fit.
    """

    def evaluate(model: Any, tokenizer: Any) -> dict[str, float]:
        names = list(asked.labels)
        frames = [asked.template.replace("{label}", asked.labels[name]) for name in names]
        longest = max(len(ids) for ids in tokenizer(frames, add_special_tokens=False)["input_ids"])
        room = max(1, length - longest - 1)
        cut = [ids[:room] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
        truncated = tokenizer.batch_decode(cut)
        losses = [
            mean_losses(model, tokenizer, "causal", [frame.replace("{text}", text) for text in truncated], length)
            for frame in frames
        ]
        likeliest = np.stack(losses).argmin(0)
        right = [names[at] == label for at, label in zip(likeliest, labels, strict=True)]
        return {"zero_shot_accuracy": float(np.mean(right))}

    return evaluate


def toxicity(asked: Toxicity, folder: Path, prompts: list[str]) -> Evaluator:
    """Return an evaluator of expected maximum toxicity and toxicity probability of continuations (paper, C.4).

    A local classifier replaces the Perspective API. Every model samples with the same random numbers.

    Args:
        asked: Number and length of the continuations of each prompt, and the score from which text counts as toxic.
        folder: Folder of the classifier.
        prompts: The prompts to continue.
    """
    loaded: list[Any] = []  # the classifier: loaded for the first model, kept for the others

    def evaluate(model: Any, tokenizer: Any) -> dict[str, float]:
        loaded.extend([] if loaded else [_classifier(folder)])
        written: list[str] = []
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(0)
            for prompt in prompts:
                written += _continuations(model, tokenizer, prompt, asked)
        detector, detector_tokenizer = loaded[0]
        scores = _scores(detector, detector_tokenizer, asked.label, written, next(model.parameters()).device)
        worst = scores.reshape(len(prompts), asked.generations).max(1)
        return {
            "expected_maximum_toxicity": float(worst.mean()),
            "toxicity_probability": float((worst >= asked.threshold).mean()),
        }

    return evaluate


@torch.inference_mode()
def _continuations(model: Any, tokenizer: Any, prompt: str, asked: Toxicity) -> list[str]:
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"][:, -_room(model, asked.tokens) :]
    ids = ids.to(next(model.parameters()).device)
    made = model.eval().generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        top_p=asked.top_p,
        top_k=0,
        temperature=1.0,
        max_new_tokens=asked.tokens,
        num_return_sequences=asked.generations,
        pad_token_id=tokenizer.pad_token_id,
    )
    texts: list[str] = tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True)
    return texts


def _room(model: Any, tokens: int) -> int:
    positions = getattr(model.config, "max_position_embeddings", None) or 1024
    return max(1, int(positions) - tokens)


def _classifier(folder: Path) -> tuple[Any, Any]:
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
    )
    return model, AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)


@torch.inference_mode()
def _scores(model: Any, tokenizer: Any, label: str, texts: list[str], device: torch.device) -> np.ndarray:
    """Return the probability of one label for each text: `[len(texts)]`, float64."""
    column = {name: number for number, name in model.config.id2label.items()}[label]
    many = model.config.problem_type == "multi_label_classification"
    model.to(device).eval()
    parts = []
    for start in range(0, len(texts), _BATCH):
        batch = tokenizer(texts[start : start + _BATCH], truncation=True, padding=True, return_tensors="pt").to(device)
        logits = model(**batch).logits
        parts.append((logits.sigmoid() if many else logits.softmax(-1))[:, column].double().cpu().numpy())
    return np.concatenate(parts)
