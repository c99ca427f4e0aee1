"""The local mirror of a lake on an S3 server of loopback: what is written on one machine is read on another."""

import pytest

from getmore_assets.errors import BadInput
from getmore_assets.mirror import mirror_of
from tests.s3_server import BUCKET, dropping

URL = f"s3://{BUCKET}/lakes/one"


@pytest.fixture
def machine(named_machine):
    """The mirror of the lake on a machine, by the machine's name."""

    def mirror(name):
        named_machine(name)
        return mirror_of(URL)

    return mirror


def write(mirror, name, text):
    path = mirror.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def files(mirror, folder):
    return {one.relative_to(mirror.root).as_posix(): one.read_text() for one in (mirror.root / folder).rglob("*.*")}


def test_files_changes_and_deletions_go_from_one_machine_to_the_other(machine, server):
    here, there = machine("here"), machine("there")
    assert here.root != there.root and here.id != there.id
    assert machine("here") is here
    for name in ("pools/a.json", "pools/b.json", "pools/.c.json.0f.partial", "runs/d.json"):
        write(here, name, "one")
    here.push("pools")
    there.pull("pools", "runs")
    assert files(there, "pools") == {"pools/a.json": "one", "pools/b.json": "one"}
    assert sorted(server.names()) == ["lakes/one/pools/a.json", "lakes/one/pools/b.json"]
    write(there, "pools/a.json", "two")
    assert there.is_ahead("pools/a.json") and not there.is_ahead("pools/b.json")
    (there.root / "pools/b.json").unlink()
    there.push("pools")
    assert "lakes/one/pools/b.json" in server.names()
    there.push("pools", delete=True)
    here.pull("pools")
    assert files(here, "pools") == {"pools/a.json": "two", "pools/.c.json.0f.partial": "one"}
    assert not there.is_ahead("pools/a.json")


def test_one_file_is_fetched_and_what_was_lost_here_is_fetched_again(machine):
    here, there = machine("here"), machine("there")
    write(here, "exports/t/report.html", "page")
    here.push("exports/t/report.html")
    there.pull("exports/t/report.html")
    assert files(there, "exports") == {"exports/t/report.html": "page"}
    (there.root / "exports/t/report.html").unlink()
    there.pull("exports/t/report.html", within=60)  # which was looked at just now
    assert not files(there, "exports")
    there.pull("exports", deleted=False)
    assert not files(there, "exports")
    there.pull("exports/t/report.html")
    assert files(there, "exports") == {"exports/t/report.html": "page"}


def test_a_file_that_another_machine_wrote_meanwhile_is_not_overwritten(machine):
    here, there = machine("here"), machine("there")
    for mirror, text in ((here, "mine"), (there, "theirs")):
        write(mirror, "records/t/s.json", text)
    here.push("records/t/s.json")
    with pytest.raises(BadInput, match=r"records/t/s\.json: another machine wrote it meanwhile. Run again"):
        there.push("records/t/s.json")
    there.pull("records")
    assert files(there, "records") == {"records/t/s.json": "mine"}
    for mirror, text in ((there, "theirs"), (here, "mine again")):
        write(mirror, "records/t/s.json", text)
    there.push("records")
    with pytest.raises(BadInput, match="another machine wrote it meanwhile"):
        here.push("records")
    write(here, "records/t/s.json", "theirs")  # the same text is no conflict
    here.push("records")
    assert not here.is_ahead("records/t/s.json")


@pytest.mark.parametrize("first", ["create", "replace"])
def test_an_upload_whose_answer_was_lost_is_no_conflict(machine, server, monkeypatch, first):
    with dropping(server.url, after=0, times=0, method=b"PUT") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        here = machine("here")
        if first == "replace":
            write(here, "runs/a.json", "zero")
            here.push("runs")
        proxy.times = 1
        write(here, "runs/a.json", "one")
        here.push("runs")
        assert proxy.dropped == 1
        assert not here.is_ahead("runs/a.json")
        assert server.get("lakes/one/runs/a.json") == b"one"


def test_a_connection_that_is_lost_while_a_file_is_fetched_is_taken_up_again(machine, server, monkeypatch):
    here = machine("here")
    write(here, "models/m/0f/model.safetensors", "weights" * 20_000)
    here.push("models")
    with dropping(server.url, after=30_000, times=2) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        there = machine("there")
        there.pull("models")
        assert proxy.dropped == 2
    assert files(there, "models") == files(here, "models")


def test_a_store_that_ignores_conditions_is_refused(machine, server, monkeypatch):
    from moto import settings

    machine("here").require_conditions()
    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", float("inf"))  # the signature is of all headers
    with dropping(server.url, after=0, times=0, without=b"if-none-match") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        with pytest.raises(BadInput, match="ignores the conditions of writes"):
            machine("there").require_conditions()
    assert not server.names()


def test_a_wrong_key_and_a_missing_bucket_are_refused_in_words(machine, monkeypatch):
    machine("here")
    with pytest.raises(BadInput, match=r"s3://no-such-bucket/x: .*no such bucket"):
        mirror_of("s3://no-such-bucket/x").require_conditions()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    with pytest.raises(BadInput, match="access was refused") as refused:
        mirror_of(URL).pull("records")
    assert "wrong-secret" not in str(refused.value)
    with pytest.raises(BadInput, match="contains a login"):
        mirror_of("s3://me:secret@bucket/x")


def test_a_listing_that_is_cut_off_is_asked_for_again(machine, server, monkeypatch):
    here = machine("here")
    for number in range(20):
        write(here, f"records/t/{number:02}.json", "record")
    here.push("records")
    with dropping(server.url, after=2000, times=2, method=b"GET") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        there = machine("there")
        there.pull("records")
        assert proxy.dropped == 2
        assert there.folders("records") == ["t"]
    assert len(files(there, "records")) == 20


def test_a_figure_that_another_machine_drew_first_is_taken_from_there_and_a_model_when_the_run_is_repeated(machine):
    here, there = machine("here"), machine("there")
    for folder in ("figures/0f", "models/m/0f"):
        write(here, f"{folder}/a.txt", "first")
        write(there, f"{folder}/a.txt", "second")
        here.push(folder)
    there.push("figures/0f")
    assert files(there, "figures") == {"figures/0f/a.txt": "first"}
    with pytest.raises(BadInput, match="another machine wrote it meanwhile"):
        there.push("models/m/0f")
    there.push("models/m/0f")
    assert files(there, "models") == {"models/m/0f/a.txt": "first"}
