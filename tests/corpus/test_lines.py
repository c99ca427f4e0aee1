"""Files made to exhaust a machine are refused by file and row, in bounded memory; what is cut off is told."""

import gzip
import io
import json
import subprocess
import sys

import polars as pl
import pytest
import zstandard

from getmore_assets.config import Source
from getmore_assets.corpus import hugging_face, readers
from getmore_assets.corpus.lines import LONGEST_ROW
from getmore_assets.corpus.reading import Reading
from getmore_assets.errors import BadInput

FINE = {"text": "A row of text."}
LINE = json.dumps(FINE).encode() + b"\n"
ZEROS = LONGEST_ROW + 2**20
READ = """
import resource, sys
from getmore_assets.config import Source
from getmore_assets.corpus import readers
from getmore_assets.errors import BadInput
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    source = Source(path=path, bad_rows="skip" if "skip" in path else "error")
    try:
        rows = sum(batch.height for batch in readers.read(source))
    except BadInput as error:
        rows = error
    print(rows)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def read(path, **fields) -> pl.DataFrame:
    return pl.concat(readers.read(Source(path=str(path), **fields)))


def bomb(path, *, mib: int, before: bytes = b"", after: bytes = b"") -> None:
    """A small file that holds so many MiB of one letter."""
    with {".gz": gzip.open, ".zst": zstandard.open}[path.suffix](path, "wb") as stream:
        stream.write(before)
        for _ in range(mib):
            stream.write(b"x" * 2**20)
        stream.write(after)


def test_bombs_are_refused_by_row_and_long_rows_read_in_bounded_memory(tmp_path):
    paths = [tmp_path / name for name in ("a.jsonl.zst", "b.jsonl.gz", "c.csv.zst", "d.txt.zst")]
    for path, mib in zip(paths, (1024, 100, 100, 100), strict=True):
        bomb(path, mib=mib, before=b"text\n" if "csv" in path.name else LINE)
        assert path.stat().st_size < 2**20
    skipped, many = tmp_path / "skip.jsonl.zst", tmp_path / "many.jsonl.zst"
    bomb(skipped, mib=100, before=LINE + b'{"text": "', after=b'"}\n' + LINE)
    with zstandard.open(many, "wb") as stream:
        for n in range(60):
            stream.write(json.dumps({"text": f"{n} " + "y" * 10 * 2**20}).encode() + b"\n")
    command = [sys.executable, "-c", READ, *map(str, [*paths, skipped, many])]
    *said, mib = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    refused = [f"{path}:2: longer than 16 MiB. Cut it into several rows, or set `bad_rows: skip`" for path in paths]
    assert said == [*refused, "2", "60"]
    assert int(mib) < 450, "of 2 GiB that they hold"
    assert read(skipped, bad_rows="skip")["origin"].to_list() == [f"{skipped}:1", f"{skipped}:3"]


def test_a_small_parquet_that_holds_much_is_read_in_pieces(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "bomb.parquet"
    table = pa.table({"text": pa.DictionaryArray.from_arrays(pa.array([0] * 40, pa.int32()), ["word " * 2**20])})
    pq.write_table(table, path, store_schema=False, compression="zstd", dictionary_pagesize_limit=2**30)
    assert path.stat().st_size < 2**20
    sizes = [batch["text"].str.len_bytes().cast(pl.Int64).sum() for batch in readers.read(Source(path=str(path)))]
    assert sum(sizes) == 40 * 5 * 2**20
    assert max(sizes) <= 2 * LONGEST_ROW


def test_a_long_text_in_a_table_is_refused_by_row_or_left_out(tmp_path):
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"text": ["one", "x" * ZEROS, "three"]}).write_parquet(path)
    with pytest.raises(BadInput, match=r"rows\.parquet:2: longer than 16 MiB"):
        read(path)
    assert read(path, bad_rows="skip")["origin"].to_list() == [f"{path}:1", f"{path}:3"]


def test_a_quote_that_is_never_closed_is_refused_by_row(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('text,label\nfine,a\n"' + "not closed\n" * 2 * 2**20)
    with pytest.raises(BadInput, match=r"rows\.csv:\d+: a row longer than 16 MiB\. Look for a quote"):
        read(path)


def test_a_text_file_that_is_longer_than_a_row_is_read_in_parts(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("One line of the book.\n" * 10**6)
    rows = read(path)
    assert rows["text"].str.len_chars().to_list() == [LONGEST_ROW // 22 * 22, 22 * 10**6 - LONGEST_ROW // 22 * 22]
    assert rows["origin"].to_list() == [f"{path}:1", f"{path}:{LONGEST_ROW // 22 + 1}"]


@pytest.mark.parametrize("nested", ["[" * 100_000, '{"text": "x", "more": ' + "[" * 5000 + "]" * 5000 + "}"])
def test_deep_nesting_is_a_bad_row(tmp_path, nested):
    path = tmp_path / "rows.jsonl"
    path.write_text(LINE.decode() + nested + "\n")
    with pytest.raises(BadInput, match=r"rows\.jsonl:2: not a JSON object"):
        read(path)
    assert read(path, bad_rows="skip").height == 1


def test_a_row_cannot_say_which_it_is(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"#row": "of another file", **FINE}) + "\n")
    assert read(path)["origin"].to_list() == [f"{path}:1"]


@pytest.mark.parametrize("name", ["cut.jsonl.zst", "cut.jsonl.gz"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, name):
    lines = b"".join(json.dumps({"text": f"row {n * 7919 % 100_003}"}).encode() + b"\n" for n in range(50_000))
    whole = zstandard.compress(lines) if name.endswith("zst") else gzip.compress(lines)
    path = tmp_path / name
    path.write_bytes(whole)
    assert read(path).height == 50_000
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="cannot be read to its end"):
        read(path)


def test_frames_that_follow_one_another_are_all_read(tmp_path):
    path = tmp_path / "rows.jsonl.zst"
    path.write_bytes(zstandard.compress(LINE) + zstandard.compress(b"") + zstandard.compress(LINE * 2))
    assert read(path).height == 3


def test_a_window_beyond_what_a_reader_should_hold_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl.zst"
    wanted = zstandard.ZstdCompressionParameters(window_log=31)
    packed = io.BytesIO()
    with zstandard.ZstdCompressor(compression_params=wanted).stream_writer(packed, closefd=False) as stream:
        stream.write(LINE)
    path.write_bytes(packed.getvalue())
    with pytest.raises(BadInput, match=r"cannot be read to its end .*memory"):
        read(path)


def test_a_delta_table_reads_no_file_outside_it(tmp_path):
    secret = tmp_path / "secret.parquet"
    pl.DataFrame({"text": ["not yours"]}).write_parquet(secret)
    pl.DataFrame(FINE).write_delta(tmp_path / "table")
    (log,) = (tmp_path / "table" / "_delta_log").glob("*.json")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for outside in (str(secret), secret.as_uri(), "../secret.parquet", "http://127.0.0.1:9/x.parquet"):
        for add in (entry["add"] for entry in entries if "add" in entry):
            add.update(path=outside, size=secret.stat().st_size, stats=None)
        log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        with pytest.raises(BadInput, match="names a file that cannot be read"):
            read(tmp_path / "table")


def test_links_that_go_round_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "rows.jsonl").write_bytes(LINE)
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    assert read(tmp_path).height == 1


@pytest.mark.parametrize("path", ["ftp://127.0.0.1:9/rows.jsonl", "data:,text", "ssh://host/rows.parquet"])
def test_nothing_is_read_over_another_network_than_those_of_the_page(path, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *a: pytest.fail("it went out"))
    with pytest.raises(BadInput, match="no such file, folder or glob"):
        read(path)


@pytest.mark.parametrize("name", ["../secret", "/etc", "./rows", "a/b/c", "http://127.0.0.1:9/x"])
def test_the_hub_is_asked_for_names_only(name, tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("socket.socket.connect", lambda *a: pytest.fail("it went out"))
    source = Source(path=f"hf://{name}")
    for asked in (lambda: next(hugging_face.read_hub(Reading(source), ["text"])), lambda: readers.data_version(source)):
        with pytest.raises(BadInput, match="cannot be lo"):
            asked()
