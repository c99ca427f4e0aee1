"""Encoding 4,096 passages with MiniLM beside `SentenceTransformer.encode`: rate, memory, and the resulting selection.

python benchmarks/encoding.py ../shared [--rounds 3] [--also NAME ...] [--json FILE] [--quick]

Each run is a process of its own, which encodes 64 rows before the timed run; the encoders take turns, and the table
shows medians. Overlap: GOT-D selects a tenth of the passages for ChemProt's first 1,000 training rows; the share that
is also selected with SentenceTransformer's vectors. Cosine: between each passage's vector and SentenceTransformer's.
`--also` runs the same batches on other engines than torch (`compiled` needs a C++ compiler, the others
`pip install openvino nncf`).
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import psutil

_PASSAGES, _TARGETS, _LONGEST = 4096, 1000, 256
CONTESTANTS = ["sentence-transformers", "float32", "auto", "static"]
ALSO = ["compiled", "openvino", "openvino-int8"]


def texts(shared: Path, count: int) -> tuple[list[str], list[str]]:
    """Return passages and target rows."""
    pool = pl.read_parquet(shared / "data/candidates.parquet", columns=["text"])["text"]
    target = pl.read_ndjson(shared / "data/chemprot.train.jsonl")["text"].head(min(count, _TARGETS))
    return pool.sample(count, shuffle=True, seed=0).to_list(), target.to_list()


def encode(name: str, passages: list[str], targets: list[str], out: Path) -> dict[str, float]:
    """Encode in this process, write the vectors to `out`, and return seconds and peak memory."""
    from getmore_assets.config import Encoder
    from getmore_assets.models import find_model

    folder = find_model("minilm", "encoder.model")
    began = time.monotonic()
    if name == "sentence-transformers":
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), device="cpu")
        model.max_seq_length = _LONGEST

        def run(rows: list[str]) -> np.ndarray:
            vectors: np.ndarray = model.encode(rows, normalize_embeddings=True)
            return vectors

    elif name == "static":
        from getmore_assets.encoders.static import StaticEncoder

        chosen = Encoder(model="minilm", max_length=_LONGEST, static=True)
        run = StaticEncoder.load_or_distil(out.with_suffix(".safetensors"), folder, chosen).encode
    else:
        from getmore_assets.encoders.transformer import TransformerEncoder

        dtype = "auto" if name in ("auto", "compiled") else "float32"
        encoder = TransformerEncoder(folder, Encoder(model="minilm", max_length=_LONGEST, dtype=dtype))
        if name in ALSO:
            encoder._model = other_engine(name, encoder, passages[:64])
        run = encoder.encode
    run(passages[:64])
    ready = time.monotonic()
    vectors = run(passages)
    seconds = time.monotonic() - ready
    peak = psutil.Process().memory_info()
    np.savez(out, x=vectors, y=run(targets))
    high = getattr(peak, "peak_wset", None) or _high_water()
    return {"seconds": seconds, "load_seconds": ready - began, "peak_mib": high / 2**20}


def other_engine(name: str, encoder: Any, calibration: list[str]) -> Callable[..., Any]:
    """Return the encoder's model on another engine."""
    import torch

    if name == "compiled":
        compiled: Callable[..., Any] = torch.compile(encoder._model, dynamic=True)
        return compiled
    import openvino as ov

    def inputs(rows: list[str]) -> dict[str, torch.Tensor]:
        options = {"truncation": True, "max_length": _LONGEST, "padding": True, "return_tensors": "pt"}
        return {key: value for key, value in encoder._tokenizer(rows, **options).items() if key != "token_type_ids"}

    encoder._model.config.return_dict = False
    model = ov.convert_model(encoder._model, example_input=inputs(calibration[:4]))
    if name == "openvino-int8":
        import nncf

        rows = nncf.Dataset([inputs([row]) for row in calibration])
        model = nncf.quantize(model, rows, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(calibration))
    compiled_model = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16", "NUM_STREAMS": "1"})

    def run(**batch: torch.Tensor) -> SimpleNamespace:
        output = compiled_model({key: value.numpy() for key, value in batch.items() if key != "token_type_ids"})
        return SimpleNamespace(last_hidden_state=torch.from_numpy(output[0].copy()))

    return run


def _high_water() -> float:
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def selected(x: np.ndarray, y: np.ndarray) -> set[int]:
    """Return the tenth of the rows with the lowest potentials."""
    from getmore_assets.transport.passes.cpu import CpuPass
    from getmore_assets.transport.problem import build_problem
    from getmore_assets.transport.solver import solve

    problem = build_problem(x, y)
    solution = solve(CpuPass(problem), 0.05 * problem.mean_cost, tolerance=1e-3)
    return set(np.argsort(solution.f, kind="stable")[: len(x) // 10].tolist())


def main() -> None:
    """Run the encoders in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--also", nargs="*", choices=ALSO, default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="256 passages, one round")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    passages, targets = texts(args.shared, 256 if args.quick else _PASSAGES)
    if args.one:
        print(json.dumps(encode(args.one[0], passages, targets, Path(args.one[1]))))
        return
    contestants = [*CONTESTANTS, *args.also]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(1 if args.quick else args.rounds):
            for name in contestants:
                command = [sys.executable, __file__, str(args.shared), "--one", name, f"{folder}/{name}.npz"]
                command += ["--quick"] if args.quick else []
                done = subprocess.run(command, check=False, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{name}: {done.stderr}")
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
        vectors = {name: dict(np.load(f"{folder}/{name}.npz")) for name in contestants}
    peer = vectors[CONTESTANTS[0]]
    of_peer = selected(peer["x"], peer["y"])
    base = statistics.median(run["seconds"] for run in runs[CONTESTANTS[0]])
    rows = []
    for name in contestants:
        x, y = vectors[name]["x"], vectors[name]["y"]
        cosine = (x * peer["x"]).sum(1) if x.shape == peer["x"].shape else np.array([np.nan])
        seconds = statistics.median(run["seconds"] for run in runs[name])
        rows.append(
            {
                "encoder": name,
                "seconds": seconds,
                "rows_a_second": len(x) / seconds,
                "times": base / seconds,
                "peak_mib": statistics.median(run["peak_mib"] for run in runs[name]),
                "cosine_least": float(cosine.min()),
                "cosine_mean": float(cosine.mean()),
                "overlap": len(selected(x, y) & of_peer) / len(of_peer),
                "runs": runs[name],
            }
        )
    print(f"{'encoder':24}{'s':>8}{'rows/s':>9}{'times':>7}{'MiB':>7}{'cos min':>9}{'mean':>9}{'overlap':>9}")
    for row in rows:
        print(
            f"{row['encoder']:24}{row['seconds']:8.2f}{row['rows_a_second']:9.0f}{row['times']:7.2f}{row['peak_mib']:7.0f}"
            f"{row['cosine_least']:9.5f}{row['cosine_mean']:9.5f}{row['overlap']:9.3f}"
        )
    if args.json:
        names = ["torch", "transformers", "sentence-transformers", *(["openvino", "nncf"] if args.also else [])]
        versions = {name: version(name) for name in names}
        about = {"passages": len(passages), "longest": _LONGEST, "cpu": platform.processor(), "versions": versions}
        args.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
