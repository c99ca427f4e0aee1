"""Near-duplicates by one program, timed for `near_duplicates.py`, with the Python in which the program is installed.

python benchmarks/near_duplicates_peers.py SPEC.json RESULT.json
"""

import json
import re
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace

import numpy as np

HASHES, BANDS, TRIPLE = 64, 16, 3
#: Takes texts and a threshold, imports the program, and returns the timed function, which returns the copies: `[rows]`.
Program = Callable[[list[str], float], Callable[[], np.ndarray]]


def triples(text: str) -> list[str]:
    """Return all runs of three words of letters and digits, in lower case, by which the programs compare texts."""
    words = re.findall(r"\w+", text.lower())
    return [" ".join(words[at : at + TRIPLE]) for at in range(max(1, len(words) - TRIPLE + 1))]


def ours(texts: list[str], threshold: float) -> Callable[[], np.ndarray]:
    """Return the function for this project, with the pool's batches."""
    import polars as pl

    from getmore_assets.corpus.duplicates import NearDuplicates
    from getmore_assets.corpus.readers import BATCH_ROWS
    from getmore_assets.corpus.shingles import Shingles

    def run() -> np.ndarray:
        marks: list[str | None] = []
        near = NearDuplicates(threshold)
        for start in range(0, len(texts), BATCH_ROWS):
            batch = pl.Series(texts[start : start + BATCH_ROWS], dtype=pl.String)
            ids = [f"{number:032x}" for number in range(start, start + len(batch))]
            marks += near.mark(ids, Shingles.of(batch))
        return np.array([mark is not None for mark in marks])

    return run


def datasketch(texts: list[str], threshold: float) -> Callable[[], np.ndarray]:
    """Return the function for datasketch: bulk signatures of triples, LSH with this project's bands, estimates."""
    from datasketch import MinHash, MinHashLSH

    def run() -> np.ndarray:
        shingled = ([triple.encode() for triple in triples(text)] for text in texts)
        hashes = list(MinHash.generator(shingled, num_perm=HASHES, seed=1, hashfunc=zlib.crc32))
        index, copies = MinHashLSH(num_perm=HASHES, params=(BANDS, HASHES // BANDS)), np.zeros(len(texts), bool)
        for row, one in enumerate(hashes):
            copies[row] = any(one.jaccard(hashes[other]) >= threshold for other in index.query(one))
            if not copies[row]:
                index.insert(row, one)
        return copies

    return run


def rensa(texts: list[str], threshold: float) -> Callable[[], np.ndarray]:
    """Return the function for rensa: bulk signatures of `triples`, LSH with this project's bands, estimates."""
    from rensa import RMinHash, RMinHashLSH

    def run() -> np.ndarray:
        hashes = RMinHash.from_token_sets([triples(text) for text in texts], HASHES, 42)
        index = RMinHashLSH(threshold=threshold, num_perm=HASHES, num_bands=BANDS)
        copies = np.zeros(len(texts), bool)
        for row, one in enumerate(hashes):
            copies[row] = any(one.jaccard(hashes[other]) >= threshold for other in index.query(one))
            if not copies[row]:
                index.insert(row, one)
        return copies

    return run


def datatrove(texts: list[str], threshold: float) -> Callable[[], np.ndarray]:
    """Return the function for datatrove: its three stages, with words of letters and digits as tokens."""
    import datatrove.pipeline.dedup.minhash as peer
    from datatrove.data import Document
    from loguru import logger

    logger.remove()
    buckets, rows = best_bands(threshold)
    config = peer.MinhashConfig(n_grams=TRIPLE, num_buckets=buckets, hashes_per_bucket=rows)
    peer.load_word_tokenizer = lambda _: SimpleNamespace(word_tokenize=lambda text: re.findall(r"\w+", text))

    def run() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            signatures, pairs, remove = (f"{folder}/{name}" for name in ("signatures", "pairs", "remove"))
            documents = (Document(text=text, id=str(row)) for row, text in enumerate(texts))
            peer.MinhashDedupSignature(signatures, config).run(documents)
            for bucket in range(buckets):
                step = peer.MinhashDedupBuckets(signatures, pairs, config=config, only_dedup_in_index=False)
                step.run(None, bucket, buckets)
            peer.MinhashDedupCluster(pairs, remove, config, save_cluster_id=True).run(None)
            file = Path(remove, "000000.clusters")
            pairs_ = np.fromfile(file, "<u4") if file.is_file() else np.empty(0, np.uint32)
        rows_, clusters = pairs_.reshape(-1, 2).T
        return all_but_the_first(rows_, clusters, len(texts))

    return run


def text_dedup(texts: list[str], threshold: float) -> Callable[[], np.ndarray]:
    """Return the function for text-dedup: its signature of a text, and its union of rows that share a band.

    They are called row by row, as by the program's command, but without the command's data set and files.
    """
    from collections import defaultdict

    import text_dedup.minhash as peer

    buckets, rows = best_bands(threshold)
    ranges = [(band * rows, (band + 1) * rows) for band in range(buckets)]
    prime, count = np.uint32(2**32 - 5), buckets * rows
    rng = np.random.RandomState(42)
    permutations = tuple(rng.randint(least, prime, size=count, dtype=np.uint32) for least in (1, 0))
    settings = {"num_perm": count, "ngram_size": TRIPLE, "min_length": 1, "hashranges": ranges, "dtype": np.uint32}
    settings |= {"permutations": permutations, "max_hash": np.uint32(2**32 - 1), "modulo_prime": prime}

    def run() -> np.ndarray:
        tables: list[dict[bytes, set[int]]] = [defaultdict(set) for _ in range(buckets)]
        for row, text in enumerate(texts):
            signature = peer.embed_func(text, row, hash_func=peer.xxh3_32hash, **settings)[peer.SIGNATURE_COLUMN]
            for table, key in zip(tables, signature, strict=True):
                table[key].add(row)
        union = peer.UnionFind()
        for table in tables:
            for cluster in table.values():
                first = min(cluster)
                for row in cluster if len(cluster) > 1 else ():
                    union.union(row, first)
        rows_ = np.arange(len(texts))
        return all_but_the_first(rows_, np.array([union.find(row) for row in rows_]), len(texts))

    return run


def all_but_the_first(rows: np.ndarray, clusters: np.ndarray, count: int) -> np.ndarray:
    """Return whether each of `count` rows is a copy: all rows of a cluster but the first are: `[count]`.

    Args:
        rows: The rows that are in a cluster, ascending: `[n]`.
        clusters: The cluster of each of these rows: `[n]`.
        count: Number of all rows.
    """
    copies = np.zeros(count, bool)
    copies[rows] = True
    copies[rows[np.unique(clusters, return_index=True)[1]]] = False
    return copies


def best_bands(threshold: float) -> tuple[int, int]:
    """Return the bands and rows, of at most 64 hashes, with the least error for programs that do not verify pairs."""
    similarity = np.linspace(0, 1, 1001)
    options = [(bands, HASHES // bands) for bands in range(1, HASHES + 1)]

    def wrong(option: tuple[int, int]) -> float:
        met = 1 - (1 - similarity ** option[1]) ** option[0]
        return float(met[similarity < threshold].sum() + (1 - met[similarity >= threshold]).sum())

    return min(options, key=wrong)


PROGRAMS: dict[str, Program] = {f.__name__: f for f in (ours, datasketch, rensa, datatrove, text_dedup)}


def main() -> None:
    """Measure the CPU seconds, after a first run on a few rows, which loads and compiles the program."""
    spec = json.loads(Path(sys.argv[1]).read_text())
    texts, name = json.loads(Path(spec["texts"]).read_text()), spec["program"]
    PROGRAMS[name](texts[:200], spec["threshold"])()
    run = PROGRAMS[name](texts, spec["threshold"])
    began = time.process_time()
    copies = run()
    seconds = time.process_time() - began
    try:
        package = version({"ours": "getmore-assets", "text_dedup": "text-dedup"}.get(name, name))
    except PackageNotFoundError:
        package = "of this working tree"
    Path(sys.argv[2]).write_text(
        json.dumps({"seconds": seconds, "copies": np.flatnonzero(copies).tolist(), "version": package})
    )


if __name__ == "__main__":
    main()
