import io
import re
import sys

from getmore_assets import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def drawn(stream, monkeypatch, every):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_LINE_EVERY_S", every)
    monkeypatch.setattr(progress, "_SILENT_S", every)
    with progress.progress(4000, "encoding", "row", done=1000) as bar:
        for _ in range(3):
            bar.update(1000)
    return stream.getvalue()


def test_in_a_pipe_it_is_lines_without_control_codes(monkeypatch):
    written = drawn(io.StringIO(), monkeypatch, every=0)
    lines = written.splitlines()
    assert re.fullmatch(r"encoding: 4000 of 4000 rows, 00:00 gone, 00:00 left", lines[-1])
    assert len(lines) == len(set(lines)) > 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", written)


def test_what_is_soon_done_needs_no_line(monkeypatch):
    assert drawn(io.StringIO(), monkeypatch, every=5) == ""


def test_on_a_terminal_it_is_a_bar(monkeypatch):
    written = drawn(Terminal(), monkeypatch, every=5)
    assert "\r" in written
    assert "4000/4000" in written
