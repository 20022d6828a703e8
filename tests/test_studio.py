"""What happens behind the page: sessions, folders, the line, cancelling, words."""

import asyncio
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import gradio
import pytest
from conftest import Films

from emsync import weights
from emsync.errors import EmsyncError
from emsync.interface import views
from emsync.interface.handlers import LONGEST_LINE, Line, Studio, Update
from emsync.interface.layout import build, chosen, launch_options
from emsync.progress import Progress
from emsync.settings import FilmLimits, Settings


def run(studio: Studio, film: Path | None, settings: Settings, page: str = "page") -> list[Update]:
    async def collect() -> list[Update]:
        return [
            update
            async for update in studio.compose(None if film is None else str(film), settings, page)
        ]

    return asyncio.run(collect())


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    root = tmp_path / "root"
    root.mkdir()
    return Studio(root)


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def folders(studio: Studio) -> set[Path]:
    return set(studio.root.glob("request-*"))


def test_closing_stops_the_work_and_sweeping_removes_what_is_old(
    studio: Studio, films: Films
) -> None:
    film = films.silent(60, 25, "640x360")
    page = threading.Thread(target=run, args=(studio, film, Settings()), daemon=True)
    page.start()
    wait_for(lambda: bool(studio._workers), 20)
    (worker,) = studio._workers
    studio.close()
    assert not worker.is_alive()
    page.join(5)
    assert not page.is_alive()
    old = studio.root / "request-old"
    old.mkdir()
    os.utime(old, (0, 0))
    studio._remove_old_folders()
    assert not old.exists()


def test_a_second_press_composes_anew_without_looking_at_the_film_again(
    studio: Studio, films: Films
) -> None:
    first = run(studio, films.plain(), Settings())[-1].result
    assert first is not None
    assert first.video.is_file()
    second = run(studio, films.plain(), replace(Settings(), seed=7))[-1].result
    assert second is not None
    assert second.analysis is first.analysis
    assert second.composition.tokens != first.composition.tokens
    assert not first.video.exists()
    assert second.video.is_file()
    studio.leave("page")
    assert folders(studio) == set()


def test_two_pages_never_meet(studio: Studio, films: Films) -> None:
    one = run(studio, films.plain(), Settings(), "one")[-1].result
    other = run(studio, films.plain(), Settings(), "other")[-1].result
    assert one is not None
    assert other is not None
    assert one.video.parent != other.video.parent
    studio.leave("one")
    assert not one.video.exists()
    assert other.video.is_file()


def test_a_page_that_closes_stops_its_request(studio: Studio, films: Films) -> None:
    async def close_in_the_middle() -> None:
        film = str(films.silent(seconds=30))
        async with aclosing(studio.compose(film, Settings(), "page")) as updates:  # type: ignore[type-var]
            async for update in updates:
                if '"step">Composing the music' in update.status:
                    break
            studio.leave("page")

    asyncio.run(close_in_the_middle())
    wait_for(lambda: not folders(studio), 20)
    assert not [t for t in threading.enumerate() if "_work" in t.name]


def test_the_next_in_line_waits_and_may_leave(studio: Studio, films: Films) -> None:
    ticket = studio._line.join()

    async def wait_a_little() -> list[str]:
        seen = []
        async with asyncio.timeout(20):
            async for update in studio.compose(str(films.plain()), Settings(), "second"):
                seen.append(update.status)
                studio.cancel("second")
        return seen

    waiting, end = asyncio.run(wait_a_little())
    assert "one film is before yours" in waiting
    assert "Cancelled" in end
    studio._line.leave(ticket)
    assert run(studio, films.plain(), Settings(), "second")[-1].result is not None


def test_the_line_has_an_end() -> None:
    line = Line()
    tickets = [line.join() for _ in range(LONGEST_LINE + 1)]
    assert [line.ahead_of(ticket) for ticket in tickets[:3]] == [0, 1, 2]
    with pytest.raises(EmsyncError, match="Many people"):
        line.join()
    line.leave(tickets[0])
    line.leave(tickets[0])
    assert line.ahead_of(tickets[1]) == 0


def test_what_is_not_foreseen_is_logged_and_excused(
    studio: Studio, films: Films, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    studio.root = tmp_path / "a file"  # where no folder can be made
    studio.root.write_text("")
    seen = []

    async def compose() -> None:
        async for update in studio.compose(str(films.plain()), Settings(), "page"):
            seen.append(update)

    with pytest.raises(gradio.Error, match="Sorry"):
        asyncio.run(compose())
    assert "Sorry" in seen[-1].status
    assert not seen[-1].busy
    assert "NotADirectoryError" in caplog.text


def test_an_upload_that_is_gone_gets_a_sentence(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(gradio.Error, match="Upload it again"):
        run(studio, tmp_path / "gone.mp4", Settings())
    assert folders(studio) == set()


def test_file_names_cannot_write_html(studio: Studio, tmp_path: Path) -> None:
    film = tmp_path / "<img src=x onerror=alert(1)>.mp4"
    film.write_text("nonsense")
    with pytest.raises(gradio.Error) as error:
        run(studio, film, Settings())
    assert "<img" not in str(error.value)
    assert "&lt;img" in str(error.value)


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
    assert words in views.terms(tiers)


def test_controls_become_settings() -> None:
    settings = chosen(Settings(), 0.5, "scenes", 2.0, "fewer", 0, "keep")
    assert settings.mood.valence_arousal_range == 0.5
    assert settings.mood.curve == "scenes"
    assert settings.music.sensitivity == 2.0
    assert settings.music.instruments == "fewer"
    assert settings.sound.original_sound == "keep"
    assert settings.seed == 0
    assert chosen(Settings(seed=5), 0.5, "constant", 2.0, "more", None, "keep").seed == 5
    defaults = Settings()
    assert (
        chosen(
            defaults,
            defaults.mood.valence_arousal_range,
            defaults.mood.curve,
            defaults.music.sensitivity,
            defaults.music.instruments,
            defaults.seed,
            defaults.sound.original_sound,
        )
        == defaults
    )


def test_the_server_refuses_what_the_page_says_it_refuses(tmp_path: Path) -> None:
    settings = Settings(limits=FilmLimits(bytes=7_000_000, seconds=240))
    assert launch_options(settings)["max_file_size"] == 7_000_000
    page = build(Studio(tmp_path, settings))
    texts = [str(block["props"].get("value")) for block in page.config["components"]]
    assert any("4 min and 7 MB" in text for text in texts)


def test_a_film_is_looked_at_again_when_that_can_change_something(
    studio: Studio, films: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After weights were installed, or an expert failed; and not otherwise."""
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    film = films.plain()
    looks = []

    def looked(number: int) -> None:
        run(studio, film, Settings())
        source = studio._session("page").source
        assert source is not None and source.analysis is not None
        looks.append(id(source.analysis))
        assert len(set(looks)) == number

    looked(1)
    looked(1)
    (tmp_path / "tiny.pt").write_bytes(b"no weights at all")
    weights.add("whisper-tiny", tmp_path / "tiny.pt", other=True)
    looked(2)  # and this time speech fails, so that the next time it is tried again
    looked(3)
    weights.remove("whisper-tiny")
    looked(4)
    looked(4)
