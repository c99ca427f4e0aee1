"""Files on an S3 server and a web server of loopback mean what files here mean, and each failure says what to do."""

import functools
import http.server
import threading

import polars as pl
import pytest

from getmore_assets import remote_files
from getmore_assets.config import Source
from getmore_assets.corpus import readers
from getmore_assets.errors import BadInput
from getmore_assets.exports.folder import LIST, Output, write_outputs
from getmore_assets.exports.origin import Origin
from tests.s3_server import BUCKET, dropping, serving

pytest.importorskip("obstore")
pytest.importorskip("moto")
_ORIGIN = Origin("t", "h", "random", "random", {}, 1, 1, 1, {}, "run", None, "2026-01-01")
ROWS = b"".join(b'{"text": "row %d of some text"}\n' % n for n in range(2000))


@pytest.fixture(scope="module")
def server():
    with serving() as one:
        yield one


@pytest.fixture
def s3(server, tmp_path, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GETMORE_CACHE", str(tmp_path / "cache"))
    for name in server.names():
        server.client.delete_object(Bucket=BUCKET, Key=name)
    return server


def texts(path, **fields):
    return [text for batch in readers.read(Source(path=path, **fields)) for text in batch["text"]]


def test_a_file_a_folder_and_a_glob_mean_what_they_mean_here(s3, tmp_path):
    for name in ("a-1.jsonl", "a-2.jsonl", "b.jsonl", "sub/c.jsonl", ".hidden.jsonl", "_tmp/d.jsonl"):
        body = b'{"text": "%s"}\n' % name.encode()
        s3.put(f"data/{name}", body)
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(body)
    s3.put("data-2/other.jsonl", b'{"text": "no part of data"}\n')
    for path in ("data", "data/b.jsonl", "data/a-*.jsonl", "data/**/*.jsonl", "data/*/c.jsonl", "da*/a-[12].jsonl"):
        assert texts(f"s3://{BUCKET}/{path}") == texts(str(tmp_path / path)), path
    assert texts((tmp_path / "data" / "b.jsonl").as_uri()) == ["b.jsonl"]


def test_a_delta_table_is_read_at_its_version(s3, tmp_path):
    for text in ("first", "second"):
        pl.DataFrame({"text": [text]}).write_delta(tmp_path / "table", mode="append")
    for file in (tmp_path / "table").rglob("*"):
        if file.is_file():
            s3.put(f"lake/table/{file.relative_to(tmp_path / 'table')}", file.read_bytes())
    url = f"s3://{BUCKET}/lake/table"
    assert sorted(texts(url)) == ["first", "second"]
    assert texts(url, version=0) == ["first"]
    assert readers.data_version(Source(path=url)) == readers.data_version(Source(path=str(tmp_path / "table")))


def test_rows_are_named_by_their_url_and_so_are_bad_ones(s3):
    s3.put("x.jsonl", b'{"text": "one"}\n{"text": 3}\n')
    url = f"s3://{BUCKET}/x.jsonl"
    with pytest.raises(BadInput, match=rf"^{url}:2: "):
        texts(url)
    batch = next(readers.read(Source(path=url, bad_rows="skip")))
    assert batch["origin"].to_list() == [f"{url}:1"]


def test_a_change_is_a_new_version_and_nothing_else_is(s3, monkeypatch):
    url, copied, copy = f"s3://{BUCKET}/data", [], remote_files.copy
    monkeypatch.setattr(remote_files, "copy", lambda *given: copied.append(given[1]) or copy(*given))
    s3.put("data/a.jsonl", b'{"text": "a"}\n')
    s3.put("data/b.jsonl", b'{"text": "b"}\n')
    first = readers.data_version(Source(path=url))
    s3.put("data/a.jsonl", b'{"text": "a"}\n')  # written again, as it was
    assert readers.data_version(Source(path=url)) == first
    assert copied == ["data/a.jsonl", "data/b.jsonl"]
    s3.put("data/b.jsonl", b'{"text": "B"}\n')
    assert readers.data_version(Source(path=url)) != first
    assert copied[2:] == ["data/b.jsonl"]
    s3.client.delete_object(Bucket=BUCKET, Key="data/a.jsonl")
    assert texts(url) == ["B"]


@pytest.mark.parametrize(
    ("path", "environment", "what", "fix"),
    [
        (
            f"s3://{BUCKET}/x.jsonl",
            {"AWS_SECRET_ACCESS_KEY": "wrong-secret"},
            "access was refused",
            "AWS_ACCESS_KEY_ID",
        ),
        (f"s3://{BUCKET}/x.jsonl", {"AWS_ACCESS_KEY_ID": "AKIAWRONG"}, "access was refused", "AWS_ACCESS_KEY_ID"),
        ("s3://no-such-bucket/x.jsonl", {}, "no such bucket", "Correct its name"),
        (f"s3://{BUCKET}/nothing.jsonl", {}, "no such file", "Correct the path"),
        (f"s3://{BUCKET}/no/*.jsonl", {}, "no such file, folder or glob", "Correct the path"),
        (f"s3://{BUCKET}/x.jsonl", {"AWS_ENDPOINT_URL": "http://no.such.host.invalid"}, "cannot be reached", "network"),
        (f"s3://{BUCKET}/x.jsonl", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "cannot be reached", "AWS_ENDPOINT_URL"),
        (f"s3://me:secret@{BUCKET}/x.jsonl", {}, "contains a login", "environment"),
    ],
)
def test_what_fails_is_refused_by_place_reason_and_cure(s3, monkeypatch, path, environment, what, fix):
    s3.put("x.jsonl", ROWS)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=what) as refusal:
        texts(path)
    assert refusal.value.where == path.replace("me:secret@", "")
    assert fix in refusal.value.fix
    assert not any(secret in str(refusal.value) for secret in ("wrong-secret", "AKIAWRONG", "me:secret"))


@pytest.mark.parametrize("times", [1, 3])
def test_a_connection_that_is_lost_mid_file_is_taken_up_again(s3, monkeypatch, times):
    s3.put("x.jsonl", ROWS)
    with dropping(s3.url, after=20_000, times=times) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        assert len(texts(f"s3://{BUCKET}/x.jsonl")) == 2000
    assert proxy.dropped == times


def test_a_connection_that_is_lost_each_time_is_given_up_and_nothing_half_is_read(s3, monkeypatch, tmp_path):
    s3.put("x.jsonl", ROWS)
    with dropping(s3.url, after=6_000, times=10**6) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        with pytest.raises(BadInput, match=rf"s3://{BUCKET}/x\.jsonl: cannot be read.* of {len(ROWS):,} bytes came"):
            texts(f"s3://{BUCKET}/x.jsonl")
    assert not list((tmp_path / "cache").rglob("*.jsonl*"))


def test_an_export_to_a_bucket_replaces_its_own_files_and_no_others(s3):
    url = f"s3://{BUCKET}/out"

    def export(text):
        with remote_files.writable(url) as folder:
            write_outputs(folder, [Output("rows.txt", lambda path: path.write_text(text), _ORIGIN)])

    export("one")
    export("two")
    assert s3.get("out/rows.txt") == b"two"
    assert sorted(s3.names()) == [f"out/{LIST}", "out/rows.txt"]
    s3.put("out/rows.txt", b"changed by hand")
    with pytest.raises(BadInput, match="was changed after it was exported"):
        export("three")
    assert s3.get("out/rows.txt") == b"changed by hand"


class _Web(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_file_of_a_web_server_is_read_and_one_that_is_missing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GETMORE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "x.jsonl").write_bytes(ROWS)
    handler = functools.partial(_Web, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{web.server_port}"
        assert len(texts(f"{url}/x.jsonl")) == 2000
        with pytest.raises(BadInput, match=rf"^{url}/y\.jsonl: .*no such file"):
            texts(f"{url}/y.jsonl")
        web.shutdown()
