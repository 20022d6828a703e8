"""What the page says, and what programs and addresses ask for."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from emsync.emotion.curve import MoodRequest
from emsync.emotion.mapping import Mood, scaled_categories
from emsync.errors import EmsyncError
from emsync.interface import views
from emsync.interface.api import mood_from, request_from
from emsync.interface.diagnostics import terms
from emsync.interface.page import build
from emsync.interface.studio import Studio
from emsync.interface.theme import launch_options
from emsync.interface.timeline import feeling
from emsync.music.composition import BoundaryHit, BoundaryScore
from emsync.progress import Progress
from emsync.settings import FilmLimits, Settings

FILMS_OWN = MoodRequest(None, False, ())


def test_progress_names_the_stage_and_the_time_left() -> None:
    shown = views.progress(Progress("compose", 0.25, 42.0), 0.5, {"probe": 0.2})
    assert "<strong>Composing the music</strong>" in shown
    assert "about 40 s left" in shown
    assert 'value="0.500"' in shown
    assert re.search(r'class="done">Opening the film<span>0\.2 s', shown)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 s"), (7.4, "7 s"), (42, "40 s"), (88, "90 s"), (100, "2 min"), (3600, "60 min")],
)
def test_time_spans_in_words(seconds: float, words: str) -> None:
    assert views.duration(seconds) == words


@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        (("synthetic", "free"), "free and synthetic music: use the result as you like"),
        (("free", "copyleft"), "copyleft and free music: weights to be shared alike"),
        (("free", "research"), "free and research music: weights for research only"),
        (("free", "of a kind unknown here"), "research only"),
        ((), "the weights do not say"),
    ],
)
def test_the_terms_of_the_weights_are_told(tiers: tuple[str, ...], words: str) -> None:
    assert words in terms(tiers)


def test_moods_of_programs_and_addresses() -> None:
    assert request_from(None) == FILMS_OWN
    assert request_from([[0, 0.5, -0.5], [10, 0, 1]]).changes == (
        (0.0, Mood(0.5, -0.5)),
        (10.0, Mood(0.0, 1.0)),
    )
    for wrong in ("joy", [[1, 0, 0]], [[0, 0, 2]], [[0, 0, 0], [0, 0, 0]], [[0, 0]], [[0, True, 0]],
                  [[0, float("nan"), 0]], [{"start": 0}]):  # fmt: skip
        with pytest.raises(EmsyncError, match="Moods are a list"):
            request_from(wrong)
    assert mood_from("0.3,-0.2") == Mood(0.3, -0.2)
    for text in ("joy", "0.3", "2,0", "nan,0", "0,0,0"):
        with pytest.raises(EmsyncError, match=r"mood=0\.3,-0\.2"):
            mood_from(text)


def test_the_server_refuses_what_the_page_says_it_refuses(tmp_path: Path) -> None:
    settings = Settings(limits=FilmLimits(bytes=7_000_000, seconds=240))
    assert launch_options(settings, 20)["max_file_size"] == 7_000_000
    page = build(Studio(tmp_path, settings))
    texts = [str(block["props"].get("value")) for block in page.config["components"]]
    assert any("4 min and 7 MB" in text for text in texts)


def test_a_film_without_a_clear_winner_is_mixed() -> None:
    assert feeling((0.10, 0.10, 0.10, 0.40, 0.20, 0.10)) == "joy"
    assert feeling((0.16, 0.17, 0.16, 0.18, 0.17, 0.16)) == "mixed"  # hardly above chance
    assert feeling((0.05, 0.05, 0.05, 0.40, 0.39, 0.06)) == "mixed"  # two of a kind


def test_moods_have_names() -> None:
    settings = Settings()
    joy = next(one for one in scaled_categories(settings.mood) if one.emotion == "joy")
    # As the mood editor sends it, and as an address with two decimals does.
    for digits in (6, 2):
        point = Mood(round(joy.valence_mean, digits), round(joy.arousal_mean, digits))
        assert views.mood_title(MoodRequest(point, False, ()), settings) == "Joy"
    assert views.mood_title(MoodRequest(Mood(0.1, 0.1), False, ()), settings) == "Own mood"
    assert views.mood_title(FILMS_OWN, settings) == "Film’s mood"
    assert views.mood_title(MoodRequest(None, True, ()), settings) == "By scene"


def test_hits_are_chords_that_sound_on_cuts() -> None:
    boundaries = (
        BoundaryHit(4.0, 4.1),
        BoundaryHit(8.0, None),
        BoundaryHit(11.5, 11.5, "ending"),
    )
    score = BoundaryScore(boundaries=2, chord_tokens=2, strong_chords=0)
    planned = SimpleNamespace(boundaries=boundaries, score=score, plan=object())
    assert views.hits_of(planned) == (1, 2)  # type: ignore[arg-type]
    # Without a plan the boundaries are hit by tokens, which are not heard.
    free = SimpleNamespace(boundaries=boundaries, score=score, plan=None)
    assert views.hits_of(free) == (0, 2)  # type: ignore[arg-type]
