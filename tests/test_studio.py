"""What happens behind the page: sessions, films, takes, queues, cancelling, words."""

import asyncio
import re
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import gradio
import pytest
from conftest import Films

from emsync.emotion.curve import MoodRequest
from emsync.emotion.mapping import Mood
from emsync.errors import Cancelled, EmsyncError
from emsync.interface import records, views
from emsync.interface.records import Job, Outcome, Playing, Source, Take, Update
from emsync.interface.studio import MOST_TAKES, Studio
from emsync.presets import changed
from emsync.progress import CancelToken
from emsync.settings import PerformanceSettings, Settings
from emsync.weights import store as weights

FILMS_OWN = MoodRequest(None, False, ())


def watch(studio: Studio, page: str = "page", job: Job | None = None) -> list[Update]:
    async def collect() -> list[Update]:
        return [update async for update in studio.watch(page, job)]

    return asyncio.run(collect())


def outcome(update: Update) -> str | None:
    """What an update says to scripts."""
    found = re.search(r' data-outcome="(\w+)"', update.status)
    return None if found is None else found[1]


def score(
    studio: Studio,
    film: Path | None,
    settings: Settings | None = None,
    page: str = "page",
    request: MoodRequest = FILMS_OWN,
) -> Take:
    """The take of a film, once it is done."""
    if film is not None:
        studio.films.choose(page, film)
    job = studio.compose(page, settings or Settings(), request)
    assert job is not None
    watch(studio, page)
    return job.take


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    root = tmp_path / "root"
    root.mkdir()
    return Studio(root)


def played(**sound: Any) -> Playing:
    """How the standard settings play, with other sound."""
    usual = Playing.of(Settings())
    return replace(usual, sound=replace(usual.sound, **sound))


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def folders(studio: Studio) -> set[Path]:
    return set(studio.store.root.glob("request-*"))


# Takes ----------------------------------------------------------------------------------------


def test_closing_stops_the_work(studio: Studio, films: Films) -> None:
    import torch  # noqa: F401  (importing it cannot be cancelled)

    studio.films.choose("page", films.silent(60, 25, "640x360"))
    job = studio.compose("page", Settings(), FILMS_OWN)
    assert job is not None
    (worker,) = studio.jobs.threads
    studio.close()
    assert not worker.is_alive()
    assert isinstance(job.error, Cancelled)


def test_what_failed_before_it_was_watched_is_told(studio: Studio, films: Films) -> None:
    studio.films.choose("page", films.plain())
    late = MoodRequest(None, False, ((0.0, Mood(0, 0)), (600.0, Mood(0, 0))))
    job = studio.compose("page", Settings(), late)
    assert job is not None and job.done.wait(60)
    with pytest.raises(gradio.Error, match="the film lasts only"):
        watch(studio, "page", job)


def test_a_second_press_composes_anew_without_looking_at_the_film_again(
    studio: Studio, films: Films
) -> None:
    first = score(studio, films.plain())
    assert first.result is not None
    second = score(studio, None, replace(Settings(), seed=7))
    assert second.result is not None
    assert second.result.analysis.reading is first.result.analysis.reading
    assert second.result.composition.written != first.result.composition.written
    # Both are there to be seen, until an hour has passed.
    assert first.result.video.is_file() and second.result.video.is_file()
    assert studio.store.find(first.token) is first


def test_the_same_film_from_somebody_else_is_not_looked_at_again(
    studio: Studio, films: Films, tmp_path: Path
) -> None:
    other_name = tmp_path / "another name.mp4"
    other_name.write_bytes(films.plain().read_bytes())
    one = score(studio, films.plain(), page="one").result
    other = score(studio, other_name, page="other").result
    assert one is not None and other is not None
    assert other.analysis.reading is one.analysis.reading
    # And yet each has its own files.
    assert other.analysis.film.path.name == "another name.mp4"
    assert other.analysis.film.path.parent != one.analysis.film.path.parent
    assert other.video.parent != one.video.parent


def test_another_film_of_the_same_name_is_looked_at(
    studio: Studio, films: Films, tmp_path: Path
) -> None:
    one = score(studio, films.plain()).result
    imposter = tmp_path / "plain.mp4"
    imposter.write_bytes(films.silent().read_bytes())
    other = score(studio, imposter).result
    assert one is not None and other is not None
    assert other.analysis.film.has_audio != one.analysis.film.has_audio


@pytest.mark.slow
def test_a_page_keeps_its_last_takes_only(studio: Studio, films: Films) -> None:
    settings = [replace(Settings(), seed=seed) for seed in range(MOST_TAKES + 1)]
    made = [score(studio, films.plain() if n == 0 else None, s) for n, s in enumerate(settings)]
    assert [studio.store.find(take.token) is take for take in made] == [False] + [True] * MOST_TAKES
    assert not made[0].folder.exists()


@pytest.mark.slow
def test_starred_takes_stay_longest(studio: Studio, films: Films) -> None:
    made = [score(studio, films.plain())]
    studio.takes.star("page", made[0].token, made[0].versions[0].mark)
    for seed in range(1, MOST_TAKES + 1):
        made.append(score(studio, None, replace(Settings(), seed=seed)))
    kept = [studio.store.find(take.token) is take for take in made]
    assert kept == [True, False] + [True] * (MOST_TAKES - 1)
    for take in made[2:]:  # now all have one: the oldest goes, and never the newest
        studio.takes.star("page", take.token, take.versions[0].mark)
    newest = score(studio, None, replace(Settings(), seed=99))
    assert studio.store.find(newest.token) is newest
    assert studio.store.find(made[0].token) is None and not made[0].folder.exists()
    studio.takes.star("page", newest.token, newest.versions[0].mark)
    studio.takes.star("page", newest.token, newest.versions[0].mark)
    assert not newest.is_starred


def test_takes_are_renamed_and_deleted(studio: Studio, films: Films) -> None:
    settings = replace(Settings(), music=replace(Settings().music, candidates=3))
    take = score(studio, films.plain(), settings)
    a, b, c = take.versions
    folders_of = [one.result.video.parent for one in (a, b, c) if one.result is not None]
    assert len(folders_of) == 3 and all(folder.is_dir() for folder in folders_of)
    studio.takes.rename("page", take.token, b.mark, "  The <b>loud</b>\none ")
    strip = views.cards([take], take)
    assert [card["name"] for card in strip] == [
        "Film’s mood", "The &lt;b&gt;loud&lt;/b&gt; one", "Film’s mood 3",
    ]  # fmt: skip
    studio.takes.rename("page", take.token, b.mark, "x" * 500)
    assert len(b.name) <= 41
    studio.takes.rename("page", take.token, b.mark, " ")
    assert views.cards([take], take)[1]["name"] == "Film’s mood 2"
    assert take.shown == 0
    studio.takes.delete("page", take.token, a.mark)  # what is shown: another takes its place
    assert take.versions == [b, c] and take.result is c.result
    assert [folder.exists() for folder in folders_of] == [False, True, True]
    with pytest.raises(EmsyncError, match="no longer here"):  # another page saw it a while longer
        studio.takes.delete("page", take.token, a.mark)
    studio.takes.delete("page", take.token, b.mark)
    assert take.versions == [c] and take.shown == 0 and take.result is c.result
    # A further version has a letter that is free.
    studio.another("page", Playing.of(settings))
    watch(studio)
    assert [version.label for version in take.versions] == ["C", "A"]
    other = score(studio, None, replace(Settings(), seed=5))
    studio.takes.delete("page", other.token, other.versions[0].mark)
    assert studio.session("page").shown is take and not other.folder.exists()
    for version in tuple(take.versions):
        studio.takes.delete("page", take.token, version.mark)
    assert studio.session("page").shown is None and not take.folder.exists()
    assert studio.store.find(take.token) is None
    source = studio.session("page").source
    assert source is not None and source.film.path.exists()
    for what in (studio.takes.star, studio.takes.delete):
        with pytest.raises(EmsyncError, match="no longer here"):
            what("page", take.token, c.mark)
    with pytest.raises(EmsyncError, match="no longer here"):
        studio.takes.star("somebody else", take.token, c.mark)


def test_a_take_that_is_worked_on_is_not_deleted(studio: Studio, films: Films) -> None:
    take = score(studio, films.silent(20))
    job = studio.another("page", Playing.of(Settings()))
    assert job is not None
    with pytest.raises(EmsyncError, match="under way"):
        studio.takes.delete("page", take.token, take.versions[0].mark)
    studio.takes.star("page", take.token, take.versions[0].mark)  # that waits for nothing
    job.cancel.cancel()
    job.done.wait(20)
    assert take.versions[0].starred and take.result is not None


def test_a_closed_page_finds_its_take_by_the_link(studio: Studio, films: Films) -> None:
    studio.films.choose("page", films.plain())
    job = studio.compose("page", Settings(), FILMS_OWN)
    assert job is not None
    studio.leave("page")  # in the middle of the work
    assert studio.attach("page again", job.take.token) is job.take
    seen = watch(studio, "page again")
    assert seen[-1].take is job.take and job.take.result is not None
    assert "Your score is ready" in seen[-1].status
    assert outcome(seen[-1]) == Outcome.SCORED
    assert {outcome(update) for update in seen[:-1]} <= {None}
    assert studio.attach("somebody", "guessed") is None


def test_what_nobody_looks_at_for_an_hour_goes(
    studio: Studio, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = score(studio, films.plain())
    kept = studio.store.keep(films.silent())
    preset = studio.store.new_temporary_folder()
    studio.sweep()
    assert take.folder.exists() and kept.exists() and preset.exists()
    assert studio.store.keep(films.silent()) == kept
    studio.leave("page")
    studio.sweep()
    assert take.folder.exists()  # its hour is not over
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + records.KEEP_SECONDS + 61)
    studio.sweep()
    studio.sweep()
    assert folders(studio) == set()
    assert studio.store.find(take.token) is None


def test_a_film_that_nothing_was_made_of_goes_with_its_page(studio: Studio, films: Films) -> None:
    studio.films.choose("page", films.plain())
    assert len(folders(studio)) == 1
    studio.films.choose("page", films.silent())
    assert len(folders(studio)) == 1
    studio.leave("page")
    assert folders(studio) == set()


def test_everything_can_be_deleted_at_once(studio: Studio, films: Films) -> None:
    take = score(studio, films.plain())
    studio.forget("page")
    assert folders(studio) == set()
    assert studio.store.find(take.token) is None
    again = score(studio, films.plain())
    assert take.versions and again.result is not None
    assert again.result.analysis.reading is not take.versions[0].piece.analysis.reading


def test_two_pages_never_meet(studio: Studio, films: Films) -> None:
    one = score(studio, films.plain(), page="one").result
    other = score(studio, films.plain(), page="other").result
    assert one is not None and other is not None
    assert one.video.parent != other.video.parent
    studio.forget("one")
    assert not one.video.exists()
    assert other.video.is_file()


# Versions -------------------------------------------------------------------------------------


def test_versions_stand_side_by_side_and_more_can_be_had(
    studio: Studio, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(Settings(), music=replace(Settings().music, candidates=2))
    take = score(studio, films.plain(), settings)
    a, b = take.versions
    assert [a.label, b.label] == ["A", "B"]
    assert a.result is not None and b.result is not None
    assert a.piece.composition.written != b.piece.composition.written
    assert take.shown == 0
    assert studio.show("page", 1, Playing.of(settings)) is None  # it was played beforehand
    assert take.result is b.result
    assert [card["shown"] for card in views.cards([take], take)] == [False, True]

    assert studio.another("page", Playing.of(settings)) is not None
    last = watch(studio)[-1]
    assert "Version C is new." in last.status and outcome(last) == Outcome.ADDED
    *before, more = take.versions
    assert before == [a, b] and take.shown == 2 and more.label == "C"
    tokens = {version.piece.composition.written for version in take.versions}
    assert len(tokens) == 3
    assert more.piece.settings.seed == 1
    assert all(one.result is not None and one.result.video.is_file() for one in take.versions)
    seeds = [" ".join(card["detail"]) for card in views.cards([take], take)]
    assert "seed 0, number" in seeds[0] + seeds[1] and "seed 1" in seeds[2]

    job = studio.another("page", Playing.of(settings))
    assert job is not None
    studio.cancel("page")
    job.done.wait(10)
    assert len(take.versions) == 3 and take.shown == 2
    monkeypatch.setattr("emsync.interface.studio.LABELS", "ABC")
    with pytest.raises(EmsyncError, match="3 versions already"):
        studio.another("page", Playing.of(settings))


def test_a_machine_that_is_slow_is_expected_to_be(
    studio: Studio, films: Films, tmp_path: Path
) -> None:
    source = studio.films.choose("page", films.plain())
    assert source is not None
    two = replace(Settings(), music=replace(Settings().music, candidates=2))
    assert studio.scorer.expected_seconds(source, two) > studio.scorer.expected_seconds(
        source, Settings()
    )
    job = studio.compose("page", Settings(), FILMS_OWN)
    assert job is not None
    seen = watch(studio)
    assert job.expected > 0 and not seen[-1].busy
    job.expected = 0.01  # as if it had taken far longer than was said
    studio.scorer.learn(job)
    before = Studio(tmp_path).scorer.expected_seconds(source, Settings())
    studio.scorer.analyses.forget(source)
    assert studio.scorer.expected_seconds(source, Settings()) > 2 * before


# Pages that come and go -------------------------------------------------------------------------


def test_the_film_that_was_chosen_last_is_the_pages_film(
    studio: Studio, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go_on = threading.Event(), threading.Event()
    add_film = studio.store.add_film

    def slowly(upload: Path, *arguments: Any) -> Source:
        if upload == films.silent():
            opening.set()
            go_on.wait(20)
        return add_film(upload, *arguments)

    monkeypatch.setattr(studio.store, "add_film", slowly)
    answers: list[object] = []
    slow = threading.Thread(
        target=lambda: answers.append(studio.films.choose("page", films.silent()))
    )
    slow.start()
    opening.wait(20)
    last = studio.films.choose("page", films.plain())
    go_on.set()
    slow.join(20)
    assert answers == [None]
    assert studio.session("page").source is last
    assert last is not None and folders(studio) == {last.folder}


def test_what_is_deleted_is_gone_where_it_was_uploaded_too(studio: Studio, films: Films) -> None:
    upload = studio.store.root / "of gradio" / "film.mp4"
    upload.parent.mkdir()
    shutil.copyfile(films.plain(), upload)
    score(studio, upload)
    studio.forget("page")
    assert not upload.exists() and folders(studio) == set()
    assert not upload.parent.exists()
    # A film that was never uploaded, such as an example, is left alone.
    score(studio, films.plain())
    studio.forget("page")
    assert films.plain().exists()


@pytest.mark.parametrize("what", ["primer", "theme"])
def test_other_files_are_deleted_too_unless_somebody_else_brought_the_same(
    studio: Studio, what: str
) -> None:
    upload = studio.store.root / "of gradio" / "tune.mid"
    upload.parent.mkdir()
    upload.write_bytes(b"a tune")
    asked = changed(studio.settings, {f"music.{what}": upload})
    (kept,) = {
        attrgetter(what)(studio.user_files.kept(studio.session(page), asked).music)
        for page in ("page", "other")
    }
    assert kept is not None and kept != upload
    studio.forget("page")
    assert kept.exists() and upload.exists()
    studio.forget("other")
    assert not kept.parent.exists() and not upload.parent.exists()


@pytest.mark.parametrize("what", ["primer", "theme"])
def test_files_of_a_take_that_waits_outlast_their_hour(
    studio: Studio, films: Films, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    upload = studio.store.root / "of gradio" / "tune.mid"
    upload.parent.mkdir()
    upload.write_bytes(b"a tune")
    asked = changed(studio.settings, {f"music.{what}": upload})
    settings, now = studio.user_files.kept(studio.session("page"), asked), time.monotonic
    kept = attrgetter(what)(settings.music)
    assert kept is not None
    source = studio.films.choose("page", films.silent())
    assert source is not None
    take = studio.store.new_take(source, settings, MoodRequest(None, False, ()))
    take.job = Job(take, Playing.of(settings))
    monkeypatch.setattr(time, "monotonic", lambda: now() + 2 * records.KEEP_SECONDS)
    studio.sweep()
    assert kept.exists()
    take.job.done.set()
    studio.sweep()
    assert not kept.exists()


def test_who_came_by_a_link_leaves_the_take_to_its_owner(
    studio: Studio, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emsync.interface.studio.MOST_TAKES", 1)
    theirs = score(studio, films.plain(), page="owner")
    assert studio.attach("visitor", theirs.token) is theirs
    score(studio, None, page="visitor")
    assert theirs.result is not None and theirs.result.video.is_file()
    # Both at once on one take: the second has to wait.
    assert studio.attach("visitor", theirs.token) is theirs
    job = studio.another("owner", Playing.of(Settings()))
    assert job is not None
    assert studio.another("visitor", Playing.of(Settings())) is None
    studio.cancel("owner")
    job.done.wait(10)


def test_sound_for_another_film_leaves_the_take_alone(studio: Studio, films: Films) -> None:
    take = score(studio, films.plain())
    before = take.result
    studio.films.choose("page", films.silent())
    louder = played(balance_decibels=3.0)
    assert asyncio.run(studio.resound("page", louder)) is None
    assert take.result is before


def test_after_the_hour_an_open_page_is_told(
    studio: Studio, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(studio, films.plain())
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + records.KEEP_SECONDS + 61)
    studio.sweep()
    studio.sweep()
    assert folders(studio) == set()
    assert studio.session("page").shown is None
    assert studio.another("page", Playing.of(Settings())) is None and studio.bundle("page") is None
    with pytest.raises(EmsyncError, match="kept for an hour"):
        studio.compose("page", Settings(), FILMS_OWN)


def test_other_sound_needs_no_other_music(studio: Studio, films: Films) -> None:
    take = score(studio, films.plain())
    before = take.result
    assert before is not None
    notes, music = before.midi.read_bytes(), before.wav.read_bytes()
    louder = played(original_sound="keep", balance_decibels=6.0)
    assert studio.show("page", 0, louder) is not None
    assert outcome(watch(studio)[-1]) == Outcome.REPLAYED
    after = take.result
    assert after is not None and after is not before
    assert after.piece is before.piece
    assert after.settings.sound == louder.sound
    assert after.midi.read_bytes() == notes
    assert after.wav.read_bytes() != music
    assert not before.video.exists()
    assert studio.show("page", 0, louder) is None  # nothing left to do


def test_another_performer_needs_no_other_music(studio: Studio, films: Films) -> None:
    take = score(studio, films.plain())
    before = take.result
    assert before is not None and before.settings.performance.performer == "expressive"
    expressive = before.midi.read_bytes()
    flat = replace(played(), performance=PerformanceSettings(performer="flat"))
    assert studio.show("page", 0, flat) is not None
    assert outcome(watch(studio)[-1]) == Outcome.REPLAYED
    after = take.result
    assert after is not None and after.piece is before.piece
    assert after.settings.performance == flat.performance
    assert after.midi.read_bytes() != expressive
    assert after.performance.velocity_deviation < before.performance.velocity_deviation
    assert studio.show("page", 0, flat) is None  # nothing left to do


def test_sound_that_is_changed_during_work_is_heard_after_it(studio: Studio, films: Films) -> None:
    take = score(studio, films.plain())
    louder, loudest = (played(balance_decibels=by) for by in (3.0, 6.0))

    async def change_twice() -> tuple[object, object]:
        return await asyncio.gather(studio.resound("page", louder), studio.resound("page", loudest))

    assert studio.show("page", 0, played(balance_decibels=-6.0)) is not None
    first, _ = asyncio.run(change_twice())
    assert first is None  # it was not the last request
    watch(studio)
    assert take.result is not None and take.result.settings.sound == loudest.sound


def test_stems_and_everything_are_made_when_asked_for(studio: Studio, films: Films) -> None:
    take = score(studio, films.plain())
    assert studio.bundle("page") is not None
    assert outcome(watch(studio)[-1]) == Outcome.BUNDLED
    version = take.versions[0]
    assert version.bundle is not None and version.bundle.is_file()
    assert {path.suffix for path in version.stems.values()} == {".wav"}
    links = views.downloads(take)
    assert 'id="em-zip"' in links and links.count("Stem: ") == len(version.stems) > 0
    assert studio.bundle("page") is None  # it is there


# Lines and cancelling -------------------------------------------------------------------------


def test_cancelling_keeps_nothing_of_a_first_take(studio: Studio, films: Films) -> None:
    studio.films.choose("page", films.silent(seconds=30))
    job = studio.compose("page", Settings(), FILMS_OWN)
    assert job is not None
    assert studio.compose("page", Settings(), FILMS_OWN) is None  # a second press
    wait_for(lambda: job.sketch is not None, 60)
    began = time.monotonic()
    studio.cancel("page")
    assert job.done.wait(3)
    assert time.monotonic() - began < 2
    assert "Nothing was kept" in views.note("Nothing was kept")
    wait_for(lambda: not job.take.folder.exists(), 3)
    assert len(folders(studio)) == 1  # the film, for another try
    assert studio.session("page").shown is None


def test_cancelling_keeps_what_was_there_before(studio: Studio, films: Films) -> None:
    first = score(studio, films.plain())
    job = studio.compose("page", replace(Settings(), seed=3), FILMS_OWN)
    assert job is not None
    studio.cancel("page")
    job.done.wait(5)
    assert studio.session("page").shown is first
    assert studio.show("page", 0, Playing.of(Settings())) is None
    assert first.result is not None and first.result.video.is_file()


def test_what_was_played_can_be_shown_while_work_is_under_way(studio: Studio, films: Films) -> None:
    two = replace(Settings(), music=replace(Settings().music, candidates=2))
    take = score(studio, films.plain(), two)
    job = studio.compose("page", replace(two, seed=3), FILMS_OWN)
    assert job is not None
    louder = Playing(two.performance, replace(two.sound, original_sound="keep"))
    assert studio.show("page", 1, louder) is None
    assert studio.session("page").shown is take and take.shown == 1
    assert studio.session("page").job is job
    studio.cancel("page")
    job.done.wait(5)


def test_the_next_in_line_waits_and_may_leave(studio: Studio, films: Films) -> None:
    studio.films.choose("second", films.plain())
    with ExitStack() as busy:
        busy.enter_context(studio.scorer.analysing.turn(CancelToken(), lambda _: None))

        async def wait_a_little() -> list[str]:
            studio.compose("second", Settings(), FILMS_OWN)
            seen = []
            async with asyncio.timeout(20):
                async for update in studio.watch("second"):
                    seen.append(update.status)
                    if "before yours" in update.status:
                        studio.cancel("second")
            return seen

        seen = asyncio.run(wait_a_little())
    assert any("one film is before yours" in status for status in seen)
    assert "Cancelled" in seen[-1] and f'data-outcome="{Outcome.CANCELLED}"' in seen[-1]
    assert score(studio, None, page="second").result is not None


def test_who_only_turns_a_knob_does_not_wait_for_a_long_film(studio: Studio, films: Films) -> None:
    score(studio, films.plain())
    with studio.scorer.analysing.turn(CancelToken(), lambda _: None):  # somebody's long film
        again = score(studio, None, replace(Settings(), seed=2))
    assert again.result is not None


# Failures -------------------------------------------------------------------------------------


def test_what_is_not_foreseen_is_logged_and_excused(
    studio: Studio, films: Films, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.films.choose("page", films.plain())

    def fail(*_: object) -> None:
        raise NotADirectoryError("of all things")

    monkeypatch.setattr("emsync.pipeline.compose_pieces", fail)
    job = studio.compose("page", Settings(), FILMS_OWN)
    assert job is not None
    with pytest.raises(gradio.Error, match="Sorry"):
        watch(studio)
    assert "NotADirectoryError" in caplog.text
    wait_for(lambda: not job.take.folder.exists(), 3)


def test_who_has_no_film_is_told(studio: Studio) -> None:
    with pytest.raises(EmsyncError, match="Choose a film first"):
        studio.compose("page", Settings(), FILMS_OWN)


def test_an_upload_that_is_gone_gets_a_sentence(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(EmsyncError, match="Upload it again"):
        studio.films.choose("page", tmp_path / "gone.mp4")
    with pytest.raises(EmsyncError, match="Upload it again"):
        studio.store.keep(tmp_path / "gone.mid")
    assert folders(studio) == set()


def test_nonsense_leaves_nothing_behind(studio: Studio, tmp_path: Path) -> None:
    film = tmp_path / "nonsense.mp4"
    film.write_text("nonsense")
    with pytest.raises(EmsyncError, match=r"nonsense\.mp4"):
        studio.films.choose("page", film)
    assert folders(studio) == set()
    assert studio.session("page").source is None


def test_file_names_cannot_write_html(studio: Studio, films: Films, tmp_path: Path) -> None:
    film = tmp_path / "<img src=x onerror=alert(1)>.mp4"
    film.write_bytes(films.plain().read_bytes())
    source = studio.films.choose("page", film)
    assert source is not None
    take = score(studio, None)
    for text in (
        views.facts(source, 0, studio.panel),
        views.downloads(take),
        take.versions[0].diagnostics,
        views.problem(film.name),
    ):
        assert "<img src=x" not in text
    assert "&lt;img" in views.facts(source, 0, studio.panel)
    assert "<" not in "".join(
        word for card in views.cards([take], take) for word in card["words"] + card["detail"]
    )


def test_a_film_is_looked_at_again_when_that_can_change_something(
    studio: Studio, films: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After weights were installed, or an expert failed; and not otherwise."""
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    film = films.plain()
    looks = []

    def looked(number: int) -> None:
        result = score(studio, film).result
        assert result is not None
        looks.append(result.analysis.reading)  # kept, so that no two share an address
        assert len({id(look) for look in looks}) == number

    looked(1)
    looked(1)
    (tmp_path / "tiny.pt").write_bytes(b"no weights at all")
    weights.add("whisper-tiny", tmp_path / "tiny.pt", other=True)
    looked(2)  # and this time speech fails, so that the next time it is tried again
    looked(3)
    weights.remove("whisper-tiny")
    looked(3)  # what was seen without it is remembered
    assert looks[-1] is looks[0]
