"""How much text the window that slides over a manifest holds and decodes at once."""

from __future__ import annotations

import itertools

import pytest

from chalicelib.manifest.json_values import NotJson
from chalicelib.manifest.text_window import LONGEST, TextWindow

CHUNK = 1 << 16


@pytest.mark.parametrize("form", ["[],", '"a",', "1,", " "])
def test_of_a_value_without_an_end_no_more_is_decoded_than_may_be_long(form: str) -> None:
    """Decoding holds up every thread of the process: two mebibytes of lists took three quarters of a second."""
    window = TextWindow(itertools.repeat((form * CHUNK)[:CHUNK]))
    window.text = "["
    with pytest.raises(NotJson):
        window.value()
    assert LONGEST < len(window.text) <= LONGEST + CHUNK


@pytest.mark.parametrize("over", [0, 1])
def test_a_value_may_be_as_long_as_the_limit(over: int) -> None:
    text = '"' + "a" * (LONGEST - 2 + over) + '"'
    window = TextWindow(iter([text[at : at + 1000] for at in range(0, len(text), 1000)]))
    window.more()
    if over:
        with pytest.raises(NotJson, match="is longer than 1048576 characters"):
            window.value()
    else:
        assert window.value() == text[1:-1]
