"""Lines for a person: coloured on a terminal only, and never a reason to end."""

from __future__ import annotations

import io
import os
import re

import pytest

from deploy.local.terminal import Style, Terminal


def test_a_file_gets_no_colour() -> None:
    shown = io.StringIO()
    Terminal(shown).line("done", Style.GOOD)
    assert shown.getvalue() == "done\n"


def test_a_terminal_gets_colour() -> None:
    leader, follower = os.openpty()
    with os.fdopen(follower, "w") as stream:
        Terminal(stream).line("done", Style.GOOD)
        assert os.read(leader, 100) == b"\x1b[32mdone\x1b[0m\r\n"
    os.close(leader)


def test_a_step_bears_the_seconds() -> None:
    shown = io.StringIO()
    Terminal(shown).step("Started")
    assert re.fullmatch(r"\[   0\.\d s\] Started\n", shown.getvalue())


def test_a_stream_that_went_away_is_no_reason_to_end() -> None:
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    terminal = Terminal(stream)
    os.close(reader)
    terminal.line("into the void")
    with pytest.raises(BrokenPipeError):  # what could not be written is still in the buffer
        stream.close()
    terminal.line("into the void")


def test_what_a_stream_cannot_spell_is_shown_as_well_as_it_can_be() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Terminal(stream).line("caf\u00e9")
    assert raw.getvalue() == b"caf?\n"
