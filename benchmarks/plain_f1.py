"""The recipe of `chemprot-f1` without a warm-up as a plain Transformers loop, to compare with the pipeline's figure.

python benchmarks/plain_f1.py ../shared --schedule linear --seeds 3 --json benchmarks/results/plain-f1.json
"""

import argparse
import json
import time
from pathlib import Path

import polars as pl
import torch
from sklearn.metrics import f1_score
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_scheduler

from getmore_assets.models import find_model

FIRST = 1500  # the second figure is of so many test rows
EPOCHS, RATE, BATCH, LENGTH = 3, 2e-4, 32, 128


def run(data: Path, schedule: str, seed: int, dtype: torch.dtype, rows: int | None) -> dict[str, object]:
    """Train on ChemProt's train split, and return the scores on the test split."""
    torch.manual_seed(seed)
    train, test = (pl.read_ndjson(data / f"chemprot.{split}.jsonl") for split in ("train", "test"))
    train, test = (split.head(rows or split.height) for split in (train, test))
    classes = sorted(train["label"].unique())
    number = {label: i for i, label in enumerate(classes)}
    folder = find_model("minilm", "base_model.model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(classes), use_safetensors=True)
    steps = EPOCHS * -(-train.height // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.01)
    rate = get_scheduler(schedule, optimizer, 0, steps)
    texts, targets = train["text"].to_list(), [number[label] for label in train["label"]]
    options = {"truncation": True, "max_length": LENGTH, "padding": True, "return_tensors": "pt"}
    started, half = time.monotonic(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32)
    model.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(texts)).split(BATCH):
            with half:
                labels = torch.tensor([targets[i] for i in batch])
                loss = model(**tokenizer([texts[i] for i in batch], **options), labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rate.step()
            optimizer.zero_grad()
    model.eval()
    predicted: list[int] = []
    with torch.inference_mode():
        for start in range(0, test.height, 2 * BATCH):
            block = tokenizer(test["text"][start : start + 2 * BATCH].to_list(), **options)
            predicted += model(**block).logits.argmax(-1).tolist()
    right = [number[label] for label in test["label"]]
    return {
        "schedule": schedule,
        "dtype": str(dtype).removeprefix("torch."),
        "seed": seed,
        "micro_f1": f1_score(right, predicted, average="micro"),
        "macro_f1": f1_score(right, predicted, average="macro"),
        f"micro_f1_first_{FIRST}": f1_score(right[:FIRST], predicted[:FIRST], average="micro"),
        "seconds": time.monotonic() - started,
    }


def main() -> None:
    """Run every seed, print a line for each, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--schedule", choices=["linear", "constant"], default="linear")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="the first 320 rows of each split")
    args = parser.parse_args()
    rows = []
    for seed in range(args.seeds):
        limit = 320 if args.quick else None
        rows.append(run(args.shared / "data", args.schedule, seed, getattr(torch, args.dtype), limit))
        print(json.dumps(rows[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
