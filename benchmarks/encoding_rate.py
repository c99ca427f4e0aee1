"""Rate of encoding texts of 256 tokens on this machine's device, and the share of the device's peak.

python benchmarks/encoding_rate.py ../shared [--texts 1000000] [--batch-tokens 65536] [--json FILE] [--quick]

The models are MiniLM, and a model of DistilBERT's shape with random weights (the rate does not depend on weights). The
texts are real passages, joined until each has 256 tokens. Then MiniLM encodes `--texts` of them in pieces of 8,192, the
solve runs against ChemProt train, and the twentieth with the lowest potentials is selected. The peak is the best of
five products of 4,096 x 4,096 matrices in the encoder's precision.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel
from transport import machine

from getmore_assets.config import Encoder
from getmore_assets.encoders.transformer import TransformerEncoder
from getmore_assets.models import find_model
from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.rows import NpyFile
from getmore_assets.transport.solver import solve

TOKENS, PIECE, MEMORY_MB, RELATIVE = 256, 8192, 1024, 0.05


def passages(shared: Path) -> Iterator[str]:
    """Yield texts of at least 256 tokens, without end. A text has 256 words, and a word is at least one token."""
    pool = pl.read_parquet(shared / "data/candidates.parquet", columns=["text"])["text"]
    words: list[str] = []
    for text in cycle(pool.sample(fraction=1, shuffle=True, seed=0).to_list()):
        words += text.split()
        if len(words) >= TOKENS:
            yield " ".join(words)
            words = []


def distilbert(tokenizer_of: Path, folder: Path) -> Path:
    """Write and return a model folder of DistilBERT's shape."""
    torch.manual_seed(0)
    DistilBertModel(DistilBertConfig()).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer_of).save_pretrained(folder)
    return folder


def flop(model: Any) -> float:
    """Return the multiplications and additions for one text: the layers' products, and the two of attention."""
    layers = sum(p.numel() for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name)
    config = model.config
    return 2.0 * layers * TOKENS + 4.0 * config.num_hidden_layers * config.hidden_size * TOKENS**2


def peak(device: torch.device, dtype: torch.dtype) -> float:
    """Return the FLOP per second of large matrix products."""
    a, b = (torch.randn(4096, 4096, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        float((a @ b)[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - began)
    return float(2 * 4096**3 / best)


def rate(encoder: TransformerEncoder, texts: list[str]) -> float:
    """Return texts per second."""
    encoder.encode(texts[:64])
    began = time.perf_counter()
    encoder.encode(texts)
    return len(texts) / (time.perf_counter() - began)


def to_selection(encoder: TransformerEncoder, shared: Path, count: int, folder: Path) -> dict[str, float]:
    """Return the seconds from texts to a selection."""
    target = pl.read_ndjson(shared / "data/chemprot.train.jsonl")["text"].unique(maintain_order=True)
    target = target.head(2 * count).to_list()
    source, began = passages(shared), time.perf_counter()
    y = encoder.encode(target)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (count, y.shape[1]))
    for start in range(0, count, PIECE):
        x[start : start + PIECE] = encoder.encode(list(islice(source, min(PIECE, count - start))))
    x.flush()
    encoded = time.perf_counter()
    problem = build_problem(NpyFile(folder / "x.npy"), y)
    solution = solve(best_pass(problem, MEMORY_MB), RELATIVE * problem.mean_cost, tolerance=1e-3)
    picks = np.argsort(solution.f, kind="stable")[: count // 20]
    ended = time.perf_counter()
    return {
        "texts": count,
        "targets": len(target),
        "picks": len(picks),
        "encode_seconds": encoded - began,
        "solve_seconds": ended - encoded,
        "texts_an_hour": 3600 * count / (ended - began),
    }


def main() -> None:
    """Measure both models, then encoding and selecting with MiniLM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--texts", type=int, help="1,000,000 on a GPU, 2,048 without")
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="64 texts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        minilm = find_model("minilm", "encoder.model")
        models, rows = {"MiniLM": minilm, "DistilBERT's shape": distilbert(minilm, folder / "distilbert")}, []
        for name, path in models.items():
            encoder = TransformerEncoder(path, Encoder(model=str(path), batch_tokens=args.batch_tokens))
            has_gpu = encoder.device.type == "cuda"
            count = 64 if args.quick else 65_536 if has_gpu else 256
            per_second = rate(encoder, list(islice(passages(args.shared), count)))
            work, most = flop(encoder._model), peak(encoder.device, encoder.dtype)
            speed = {"texts_a_second": per_second, "texts_an_hour": 3600 * per_second, "gflop_a_text": work / 1e9}
            share = {"tflops": per_second * work / 1e12, "peak_tflops": most / 1e12, "share": per_second * work / most}
            about = {"device": str(encoder.device), "dtype": str(encoder.dtype).removeprefix("torch.")}
            rows.append({"model": name, "texts": count, **about, **speed, **share})
        encoder = TransformerEncoder(minilm, Encoder(model="minilm", batch_tokens=args.batch_tokens))
        count = 64 if args.quick else args.texts or (1_000_000 if has_gpu else 2048)
        selected = to_selection(encoder, args.shared, count, folder)
    table = Table("model", "device", "texts/h", "GFLOP/text", "TFLOP/s", "of peak")
    for row in rows:
        where = f"{row['device']}, {row['dtype']}"
        figures = (f"{row['texts_an_hour']:,.0f}", f"{row['gflop_a_text']:.1f}", f"{row['tflops']:.2f}")
        table.add_row(row["model"], where, *figures, f"{row['share']:.0%}")
    Console(width=120).print(table)
    print(json.dumps(selected, indent=1))
    if args.json:
        about = {name: value for name, value in machine().items() if name != "peers"}
        args.json.write_text(json.dumps({**about, "rate": rows, "to_selection": selected}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
