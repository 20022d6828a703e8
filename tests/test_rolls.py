"""Small piano rolls."""

import re
from xml.etree import ElementTree

from emsync.interface.plots import GROUP_COLOURS
from emsync.interface.rolls import small_roll
from emsync.music.notes import Note


def lines(svg: str, group: str) -> list[tuple[int, float, int]]:
    """The lines of a group: column, row, length."""
    for path in ElementTree.fromstring(svg):
        if path.get("stroke") == GROUP_COLOURS[group]:
            found = re.findall(r"M(\d+) ([\d.]+)h(\d+)", path.get("d") or "")
            return [(int(x), float(y), int(n)) for x, y, n in found]
    return []


def test_notes_lie_where_they_sound() -> None:
    notes = [
        Note("piano", 60, 0.0, 8.0, 80),
        Note("piano", 84, 8.0, 16.0, 80),
        Note("bass", 60, 4.0, 20.0, 80),
        Note("drums", 36, 15.9, 16.0, 80),
        Note("strings", 70, 16.0, 17.0, 80),  # after the film
    ]
    svg = small_roll(notes, 16.0)
    assert lines(svg, "piano") == [(32, 0.5, 32), (0, 19.5, 32)]  # the higher above the lower
    assert lines(svg, "bass") == [(16, 19.5, 48)]
    assert [(x, n) for x, _, n in lines(svg, "drums")] == [(63, 1)]
    assert lines(svg, "strings") == []


def test_a_roll_stays_small_and_a_silent_one_is_one() -> None:
    many = [Note("piano", 30 + i % 60, i / 100, i / 100 + 0.5, 80) for i in range(20_000)]
    assert len(small_roll(many, 200.0)) < 12_000
    assert ElementTree.fromstring(small_roll([], 10.0)).tag == "svg"
