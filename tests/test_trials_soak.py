"""Many visits in a row: a few of each kind, and what the figures say."""

from pathlib import Path

import pytest

from emsync.benchmarks.load import PageSampler
from trials.soak import KINDS, Outcome, Soak, Visit, plan, soak, table
from trials.visitors import colour_film, colour_of, sentence_in


def visit(number: int = 1, kind: str = "by_page") -> Visit:
    return Visit(number, kind, Path("film.mp4"), (0, 0, 0), 1.0, number, 1.0)


def run(end: tuple[float, ...], problem: str = "", too_late: int = 10) -> Soak:
    outcomes = [Outcome(visit(number), "scored", "", 1.0) for number in range(180)]
    outcomes[7] = Outcome(visit(7), "", problem, 1.0)
    words = ["scored before it was cancelled"] * too_late + ["cancelled"] * (20 - too_late)
    outcomes += [Outcome(visit(200, "cancelled"), word, "", 1.0) for word in words]
    pages = PageSampler("http://nowhere")
    start, middle = (0, 800, 0, 14, 7, 0, 0), (200, 898, 0, 14, 7, 0, 0)
    return Soak(0, 8, outcomes, 400.0, FLAT, start, middle, end, [], pages)


QUIET = (400, 900, 0, 15, 12, 0, 0)
FLAT: list[tuple[float, ...]] = [
    (float(second), 900 + second % 3, 50, 30, 20, 2, 40) for second in range(400)
]


@pytest.mark.slow  # a film that nobody scored is kept for a minute
def test_five_visits_leave_nothing_behind() -> None:
    done = soak(5, 3, seed=0, keep=8)
    assert [outcome.problem for outcome in done.outcomes] == [""] * 5
    assert done.faults() == []
    assert "5 tried, 5 right, 0 wrong" in table(done)


def test_everybody_has_a_film_of_their_own(tmp_path: Path) -> None:
    visits = plan(77, 3, tmp_path)
    assert len({one.colour for one in visits}) == len({one.seed for one in visits}) == 77
    assert {one.kind for one in visits} == set(KINDS)
    assert [one.kind.startswith("no_film") for one in visits if one.number % 11 == 0] == [True] * 7
    assert [one.kind for one in visits] == [one.kind for one in plan(77, 3, tmp_path)]


def test_a_film_is_known_by_its_colour(tmp_path: Path) -> None:
    film = colour_film(tmp_path / "red.mp4", (200, 60, 40), 1.0)
    assert colour_of(film) == pytest.approx((200, 60, 40), abs=8)


def test_a_sentence_is_found_on_the_page() -> None:
    assert sentence_in('<p class="em-problem" role="alert">No film.</p>') == "No film."
    assert sentence_in('<p class="em-note">Cancelled.</p>') == sentence_in(None) == ""


def test_what_is_left_and_what_grows_is_wrong() -> None:
    assert run(QUIET).faults() == []
    grown = (400, 918, 0, 15, 12, 0, 0)
    assert run(grown).faults() == ["memory grows by 0.20 MB a request"]
    deaf = "of those who cancelled, 11 got a film all the same"
    assert run(QUIET, too_late=11).faults() == [deaf]
    busy = (400, 900, 0, 40, 60, 3, 0)
    assert [fault.split()[0] for fault in run(busy).faults()] == ["40", "60", "3"]
    printed = table(run(QUIET, "mixed up?"))
    assert "WRONG  by_page 7: mixed up?" in printed
    assert printed.endswith("soak: 200 tried, 199 right, 1 wrong")
