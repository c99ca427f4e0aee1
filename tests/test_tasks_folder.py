"""A folder of task files: bad entries hide no others, names are unique, and a lookup reads what changed."""

import os
import re
import socket
import time
from pathlib import Path

import pytest

from getmore_assets import safe_yaml
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import load_task
from getmore_assets.tasks_folder import find_task_file, read_folder


def write(path: Path, name: str, more: str = "") -> Path:
    path.write_text(f"{more}name: {name}\ncandidates: [p.jsonl]\ntarget: {{train: a.jsonl}}\n")
    return path


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _pair_of_links(path: Path) -> None:
    other = path.with_name("other.yml")
    path.symlink_to(other)
    other.symlink_to(path)


def _into_nowhere(path: Path) -> None:
    path.symlink_to("/nowhere/at/all")


def _to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _link_to_a_folder(path: Path) -> None:
    path.symlink_to(path.parent)


def _unreadable(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every file")
    write(path, "x").chmod(0)


def _not_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00name")


def _empty(path: Path) -> None:
    path.touch()


BAD = {
    "a folder": Path.mkdir,
    "a pipe": _fifo,
    "a socket": _socket,
    "a link to itself": _loop,
    "links to each other": _pair_of_links,
    "a link to nothing": _into_nowhere,
    "a link to a device": _to_a_device,
    "a link to its folder": _link_to_a_folder,
    "no permission": _unreadable,
    "no text": _not_text,
    "nothing in it": _empty,
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_a_bad_entry_is_one_warning_and_hides_no_other(tmp_path, kind, suffix):
    good = write(tmp_path / "good.yml", "good")
    BAD[kind](tmp_path / f"bad.{suffix}")
    began = time.monotonic()
    files = read_folder(tmp_path)
    assert {name: file.path for name, file in files.by_name.items()} == {"good": good}
    said = [problem for problem in files.problems if f"bad.{suffix}" in problem]
    assert len(said) == 1
    assert find_task_file("good", tmp_path) == good
    with pytest.raises(BadInput, match="no task file in"):
        find_task_file("bad", tmp_path)
    with pytest.raises(BadInput, match=f"bad.{suffix}"):  # and by its path
        load_task(tmp_path / f"bad.{suffix}")
    assert time.monotonic() - began < 5


def test_a_folder_that_is_none_is_one_problem(tmp_path):
    assert read_folder(tmp_path / "nowhere").problems == []
    place = write(tmp_path / "x.yaml", "x")
    assert len(read_folder(place).problems) == 1
    with pytest.raises(BadInput, match="cannot be read"):
        find_task_file("x", place)


def test_a_name_that_two_files_give_is_refused_by_file_and_line(tmp_path):
    write(tmp_path / "a.yaml", "twin", more="# first\n\n")
    write(tmp_path / "b.yml", '"tw\\x69n"')
    write(tmp_path / "c.yaml", "single")
    files = read_folder(tmp_path)
    assert set(files.by_name) == {"single"}
    (said,) = files.problems
    assert f"{tmp_path}/a.yaml:3 and {tmp_path}/b.yml:1: name the same target, `twin`" in said
    with pytest.raises(BadInput, match=re.escape(said)):
        find_task_file("twin", tmp_path)
    (tmp_path / "a.yaml").unlink()
    assert find_task_file("twin", tmp_path).name == "b.yml"
    assert set(read_folder(tmp_path).by_name) == {"single", "twin"}


def test_a_copy_that_does_not_load_is_no_second_file_of_the_name(tmp_path):
    good = write(tmp_path / "good.yaml", "t")
    write(tmp_path / "broken.yaml", "t", more="seeds: many\n")
    assert set(read_folder(tmp_path).by_name) == {"t"}
    assert find_task_file("t", tmp_path) == good


def test_a_file_that_does_not_load_is_found_and_says_why(tmp_path):
    path = write(tmp_path / "x.yaml", "x", more="seeds: many\n")
    assert find_task_file("x", tmp_path) == path  # loading it then names the field


@pytest.mark.parametrize("text", ["other: [twin]\nname: solo\n", "name: solo # twin\n", "{name: solo, seeds: 2}\n"])
def test_a_word_elsewhere_in_a_file_is_not_its_name(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(BadInput, match="no task file"):
        find_task_file("twin", tmp_path)
    assert find_task_file("solo", tmp_path).name == "x.yaml"


def test_a_file_is_read_once_for_each_change_and_only_one_that_holds_the_name_is_parsed(tmp_path, monkeypatch):
    for n in range(30):
        write(tmp_path / f"{n}.yaml", f"task-{n}")
    read, parsed = [], []
    content, parse = safe_yaml.content_of, safe_yaml.parse
    monkeypatch.setattr(safe_yaml, "content_of", lambda path: read.append(path.name) or content(path))
    monkeypatch.setattr(safe_yaml, "parse", lambda text: parsed.append(text) or parse(text))
    for _ in range(3):
        find_task_file("task-7", tmp_path)
    assert (len(read), len(parsed)) == (31, 1)
    write(tmp_path / "9.yaml", "task-x")
    assert find_task_file("task-x", tmp_path).name == "9.yaml"
    assert (len(read), len(parsed)) == (33, 2)
    with pytest.raises(BadInput, match="no task file"):
        find_task_file("task-9", tmp_path)
    assert len(read) == 33
