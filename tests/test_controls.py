"""The page's controls: settings both ways, and only those that the chosen composer obeys."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio
import pytest
from browsing import REPOSITORY, answers, open_page, wait_for
from conftest import Films

from emsync.errors import EmsyncError
from emsync.interface import controls as knobs
from emsync.interface import music_controls, sound_controls, video2music_controls
from emsync.interface.controls import Controls
from emsync.interface.events import Events
from emsync.interface.layout import Page, lay_out
from emsync.interface.mood_editor import fresh
from emsync.interface.page import build
from emsync.interface.settings_events import SettingsEvents
from emsync.interface.studio import Studio
from emsync.music.composer import COMPOSERS, ComposerRow, check_obeyed
from emsync.presets import as_in_the_paper, from_query, write_preset
from emsync.settings import Settings, Video2MusicSettings

PLAIN = ComposerRow("Plain", "nowhere", frozenset({"composer", "tonic", "mode", "instruments"}))
"""A composer that can be asked for little."""


def controls(defaults: Settings) -> Controls:
    kinds = (
        music_controls.of_mood, music_controls.of_plan, music_controls.of_metre,
        music_controls.of_melody, music_controls.of_instruments, music_controls.of_cuts,
        music_controls.of_versions, music_controls.of_seed, music_controls.of_sampling,
        music_controls.of_primer, music_controls.of_reading, video2music_controls.of_cuts,
        video2music_controls.of_chords, video2music_controls.of_experts, sound_controls.of_mix,
        sound_controls.of_performance, sound_controls.of_level,
    )  # fmt: skip
    with gradio.Blocks():
        named = {name: one for kind in kinds for name, one in kind(defaults).items()}
        switches = (music_controls.tempo_field(defaults), music_controls.paper_switch(defaults))
        programs = sound_controls.of_programs()
        files = [gradio.Dropdown(), gradio.File(), gradio.File(), gradio.File()]
    return Controls(named, *switches, programs, *files)


NOTHING = ("", None, None, None)
"""No SoundFont, no files."""


def value_of(shown: Any) -> Any:
    """What a control shows: an update of it, or the value itself."""
    return getattr(shown, "value", shown)


def test_controls_left_alone_are_the_defaults() -> None:
    defaults = Settings(seed=5)
    board = controls(defaults)
    values = [one.value for one in board.components]
    assert board.settings(defaults, values) == defaults


def test_controls_become_settings_and_back() -> None:
    defaults = Settings()
    board = controls(defaults)
    changes = {
        "mood.valence_arousal_range": 0.5,
        "music.groups": ["piano", "bass"],
        "music.style": "waltz",
        "music.tonic": "Bb",
        "music.melody": False,
        "music.chords": "Bb | F7",
        "music.candidates": 3,
        "music.end_on_chord": False,
        "sound.original_sound": "duck",
        "sound.balance_decibels": -4,
        "seed": 12,
    }
    values = [changes.get(name, one.value) for name, one in board.named.items()]
    programs = [4 if group == "piano" else one.value for group, one in board.programs.items()]
    settings = board.settings(defaults, [*values, "80–100", False, *programs, *NOTHING])
    assert settings.mood.valence_arousal_range == 0.5
    assert settings.music.groups == ("piano", "bass")
    assert (settings.music.style, settings.music.tonic) == ("waltz", "Bb")
    assert not settings.music.melody and settings.music.chords == "Bb | F7"
    assert (settings.music.slowest, settings.music.fastest) == (80, 100)
    assert settings.music.candidates == 3 and not settings.music.end_on_chord
    assert settings.sound.original_sound == "duck" and settings.sound.balance_decibels == -4
    assert settings.sound.programs == (("piano", 4),)
    assert settings.seed == 12
    shown = board.show(settings)
    assert [value_of(shown[one]) for one in board.named.values()] == values
    assert (shown[board.tempo], shown[board.paper]) == ("80–100", False)
    assert shown[board.programs["piano"]].value == 4
    empty = [
        None if name == "seed" else value for name, value in zip(board.named, values, strict=True)
    ]
    rest = ["", False, *programs, *NOTHING]
    assert board.settings(Settings(seed=9), [*empty, *rest]).seed == 9


@pytest.mark.parametrize(
    ("text", "slowest", "fastest", "shown"),
    [
        ("", None, None, ""),
        (" 92 ", 92, 92, "92"),
        ("80-100", 80, 100, "80–100"),
        ("80 — 100.5", 80, 100.5, "80–100.5"),
        ("80–", 80, None, "80–"),
        ("-100", None, 100, "–100"),
    ],
)
def test_the_tempo_is_one_number_or_two(
    text: str, slowest: float | None, fastest: float | None, shown: str
) -> None:
    made = asked_of_tempo(text)
    assert (made.music.slowest, made.music.fastest) == (slowest, fastest)
    board = controls(Settings())
    assert board.show(made)[board.tempo] == shown


@pytest.mark.parametrize("text", ["fast", "80-90-100", "-", "1e2", "92 bpm", "٩٢", "30", "100-80"])
def test_a_tempo_that_is_none_gets_a_sentence(text: str) -> None:
    if text == "-":  # neither bound
        assert asked_of_tempo(text) == Settings()
        return
    with pytest.raises(EmsyncError, match=r"tempo|slowest"):
        asked_of_tempo(text)
    # In the music of the paper it has no say, and its field is not seen.
    assert asked_of_tempo(text, paper=True).music.slowest is None


def asked_of_tempo(text: str, paper: bool = False) -> Settings:
    """The settings of a page on which only the tempo and the switch were touched."""
    board = controls(Settings())
    values = [one.value for one in board.components]
    at = len(board.named)
    values[at : at + 2] = [text, paper]
    return board.settings(Settings(), values)


def test_a_piece_whose_chords_are_edited_stays_the_same_otherwise() -> None:
    board, plain = controls(Settings()), [one.value for one in controls(Settings()).components]
    piece = SimpleNamespace(opening=5, chart="Am | F", seed=7)
    base, shown = board.edited(Settings(), piece, "3/4")  # type: ignore[arg-type]
    values = [
        shown.get(control, value) for control, value in zip(board.components, plain, strict=True)
    ]
    made = board.settings(base, values).music
    assert (made.opening, made.chords, made.metre) == (5, "Am | F", "3/4")
    for name, other in (("seed", 8), ("music.chords", "")):
        values_then = values.copy()
        values_then[list(board.named).index(name)] = other
        assert board.settings(base, values_then).music.opening is None


def test_the_switch_of_the_paper_is_the_method() -> None:
    assert asked_of_tempo("", paper=True).music.method == "free"
    board = controls(Settings())
    assert board.show(as_in_the_paper(Settings()))[board.paper] is True


@pytest.mark.parametrize(
    ("name", "value"), [("music.top_p", 2), ("seed", -1), ("music.groups", [])]
)
def test_a_strangers_program_cannot_turn_a_knob_too_far(name: str, value: object) -> None:
    board = controls(Settings())
    values = [value if key == name else one.value for key, one in board.named.items()]
    rest = [one.value for one in board.components[len(values) :]]
    with pytest.raises(EmsyncError, match=name.replace(".", r"\.")):
        board.settings(Settings(), [*values, *rest])


# Composers --------------------------------------------------------------------------------------


@pytest.fixture
def two_composers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "emsync.interface.controls.COMPOSERS", {"emsync": COMPOSERS["emsync"], "plain": PLAIN}
    )


@pytest.fixture
def one_composer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emsync.interface.controls.COMPOSERS", {"emsync": COMPOSERS["emsync"]})


def laid_out(studio: Studio) -> Page:
    with gradio.Blocks():
        return lay_out(studio.settings, studio.host, ())


def others(controls: Controls) -> set[Any]:
    """The controls of what only another composer can be asked for."""
    return {one for name, one in controls.named.items() if name.startswith("music.video2music.")}


def test_one_composer_is_no_choice(one_composer: None, tmp_path: Path) -> None:
    page = laid_out(Studio(tmp_path))
    controls = page.controls
    assert controls.composer is None
    assert {control for control in controls.of_music if not control.visible} == others(controls)
    assert page.music.plan.visible


def test_a_second_composer_is_a_choice_and_shows_what_it_obeys(
    two_composers: None, tmp_path: Path
) -> None:
    controls = laid_out(Studio(tmp_path)).controls
    assert controls.composer.choices == [("EMSYNC", "emsync"), ("Plain", "plain")]
    visible = controls.visible_for("emsync")
    assert {one for one in visible if not visible[one]} == others(controls)
    visible = controls.visible_for("plain")
    seen = {name for name, control in controls.named.items() if visible.get(control)}
    assert seen == {"music.tonic", "music.mode", "music.instruments"}
    assert not any(
        visible[control]
        for control in (controls.tempo, controls.paper, controls.primer, controls.theme)
    )
    assert knobs.plan_is_visible("plain", True)  # the switch of the paper is not seen


def test_what_a_composer_does_not_obey_is_not_asked_for(
    two_composers: None, tmp_path: Path
) -> None:
    controls = laid_out(Studio(tmp_path)).controls
    values = {control: control.value for control in controls.components}
    values[controls.programs["piano"]] = 4
    values |= {
        controls.named["music.tonic"]: "D",
        controls.named["music.temperature"]: 1.5,
        controls.named["music.chords"]: "no chords at all",
        controls.tempo: "no tempo at all",
        controls.soundfont: "",
        controls.composer: "plain",
    }
    base = replace(Settings(), music=replace(Settings().music, openings=3))
    for is_paper in (True, False):
        made = controls.settings(base, list((values | {controls.paper: is_paper}).values()))
        assert made.music == replace(Settings().music, composer="plain", tonic="D")  # type: ignore[arg-type]
    assert made.sound.programs == (("piano", 4),)
    values[controls.composer] = "emsync"
    with pytest.raises(EmsyncError, match="tempo must be"):
        controls.settings(base, list((values | {controls.paper: False}).values()))
    with pytest.raises(EmsyncError, match="no such composer"):
        controls.settings(base, list((values | {controls.composer: "nobody"}).values()))


def at_work(controls: Controls, composer: str, **changes: Any) -> list[Any]:
    """The controls' values with some changed, by the setting's name with _ for points."""
    controls.composer.value = composer
    named = {name.replace(".", "_"): control for name, control in controls.named.items()}
    changed = {named[name]: value for name, value in changes.items()}
    return [changed.get(control, control.value) for control in controls.components]


def test_everything_that_video2music_can_be_asked_for_has_a_control(tmp_path: Path) -> None:
    controls = laid_out(Studio(tmp_path)).controls
    own = {f"music.video2music.{field.name}" for field in fields(Video2MusicSettings)}
    assert own <= set(controls.named)
    visible = controls.visible_for("video2music")
    hidden = {name for name, one in controls.named.items() if not visible.get(one, True)}
    assert not hidden & own and {"music.temperature", "music.style"} <= hidden
    assert [group for group, one in controls.programs.items() if visible[one]] == ["piano"]
    values = at_work(
        controls,
        "video2music",
        music_video2music_primer="Am F",
        music_video2music_pattern="paper",
        music_video2music_accents=True,
        music_video2music_clip_every=5,
        music_video2music_repeats=3,
        music_mode="minor",
    )
    made = controls.settings(Settings(), values).music
    own_settings = Video2MusicSettings(
        primer="Am F", pattern="paper", accents=True, clip_every=5, repeats=3
    )
    assert made.video2music == own_settings and made.mode == "minor"
    assert controls.settings(Settings(), at_work(controls, "video2music")).music == replace(
        Settings().music, composer="video2music"
    )
    wrong = at_work(controls, "video2music", music_video2music_primer="C Hm")
    with pytest.raises(EmsyncError, match="“Hm” among the first chords is not known"):
        controls.settings(Settings(), wrong)


def test_the_choices_are_those_of_the_composer(tmp_path: Path) -> None:
    controls = laid_out(Studio(tmp_path)).controls
    mode, tonic = (controls.named[f"music.{name}"] for name in ("mode", "tonic"))
    piano = controls.programs["piano"]
    values = at_work(controls, "video2music", music_mode="dorian", music_tonic="D")
    offered = controls.offered_by("video2music", values)
    assert offered[mode]["choices"] == [
        ("By mood", "auto"), ("Major", "major"), ("Minor", "minor"),
    ]  # fmt: skip
    # What it does not know is not asked for.
    assert (offered[mode]["value"], offered[tonic]["value"]) == ("auto", "D")
    assert offered[tonic]["choices"][0] == ("By mood", "auto")
    sounds = dict(offered[piano]["choices"])
    assert offered[piano]["label"] == "Instrument" and sounds["Violin"] == 40
    assert "TR-808" not in sounds
    back = controls.offered_by("emsync", values)
    assert ("Dorian", "dorian") in back[mode]["choices"] and back[mode]["value"] == "dorian"
    assert back[tonic]["choices"][0] == ("Any", "auto")
    assert back[piano]["label"] == "Piano" and "Violin" not in dict(back[piano]["choices"])
    for name in ("major", "dorian"):
        music = replace(Settings().music, composer="video2music", mode=name)
        if name == "major":
            check_obeyed(music)
        else:
            with pytest.raises(EmsyncError, match="Video2Music does not know the mode dorian"):
                check_obeyed(music)


def test_what_reaches_farther_than_a_control_widens_it(tmp_path: Path) -> None:
    controls = laid_out(Studio(tmp_path)).controls
    settings = from_query(
        {"music.video2music.smooth_emotion": "30", "music.video2music.clip_every": "7",
         "cuts.minimum_gap": "25", "music.temperature": "0.2"}
    )  # fmt: skip
    shown = controls.show(settings)
    smooth, gap, temperature = (
        shown[controls.named[name]]
        for name in ("music.video2music.smooth_emotion", "cuts.minimum_gap", "music.temperature")
    )
    assert (smooth.value, smooth.minimum, smooth.maximum) == (30, 0, 30)
    assert (gap.value, gap.maximum) == (25, 25)
    assert (temperature.value, temperature.minimum, temperature.maximum) == (0.2, 0.2, 2)
    every = shown[controls.named["music.video2music.clip_every"]]
    assert every.value == 7 and ("7", 7) in every.choices


SENTENCE = "EMSYNC cannot be told: temperature"


@pytest.fixture
def without_temperature(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only composer there is cannot be asked for a temperature."""
    row = COMPOSERS["emsync"]
    less = replace(row, obeys=row.obeys - {"temperature"})
    monkeypatch.setattr("emsync.music.composer.COMPOSERS", {"emsync": less})


def test_a_preset_of_what_the_composer_does_not_obey_is_refused(
    without_temperature: None, tmp_path: Path
) -> None:
    path = tmp_path / "preset.json"
    settings = replace(Settings(), music=replace(Settings().music, temperature=1.5))
    write_preset(settings, path)
    studio = Studio(tmp_path)
    page = laid_out(studio)
    request = gradio.Request(session_hash="page")
    events = SettingsEvents(page, studio)
    mood = fresh(Settings().mood)
    assert SENTENCE in events.on_preset(str(path), mood, request)[page.film.status]
    assert studio.session("page").base == studio.settings
    write_preset(Settings(seed=3), path)
    assert "is loaded" in events.on_preset(str(path), mood, request)[page.film.status]
    assert studio.session("page").base.seed == 3


def test_an_address_of_what_the_composer_does_not_obey_is_refused(
    without_temperature: None, tmp_path: Path
) -> None:
    studio = Studio(tmp_path)
    page = laid_out(studio)

    async def statuses(query: dict[str, str]) -> str:
        request = gradio.Request(session_hash="page", query_params=query)
        events = Events(page, studio, ())
        loading = events.on_load(fresh(Settings().mood), request)
        return " ".join([str(changes.get(page.film.status)) async for changes in loading])

    assert SENTENCE in asyncio.run(statuses({"music.temperature": "1.5"}))
    assert studio.session("page").base == studio.settings
    assert SENTENCE not in asyncio.run(statuses({"music.top_p": "0.5"}))
    assert studio.session("page").base.music.top_p == 0.5


def test_a_program_that_asks_for_what_the_composer_does_not_obey_is_refused(
    without_temperature: None, tmp_path: Path, films: Films
) -> None:
    blocks = build(Studio(tmp_path))
    (score,) = (one.fn for one in blocks.fns.values() if one.api_name == "score")
    assert score is not None
    with pytest.raises(gradio.Error, match=SENTENCE):
        asyncio.run(score(str(films.plain()), {"music": {"temperature": 1.5}}, None))
    assert list(tmp_path.glob("request-*")) == []  # it was refused before the film was opened


APP = """
import sys
from pathlib import Path
from emsync.music import composer

everything = composer.COMPOSERS["emsync"]
plain = composer.ComposerRow("Plain", "nowhere", frozenset({"composer", "tonic", "instruments"}))
composer.COMPOSERS = {"emsync": everything, "plain": plain}
from emsync.interface.page import build
from emsync.interface.studio import Studio
from emsync.interface.theme import launch_options

studio = Studio(Path(sys.argv[2]))
options = launch_options(studio.settings, 20)
options["allowed_paths"].append(sys.argv[2])
build(studio).launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), **options)
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A page with two composers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", APP, str(port), str(tmp_path)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}") or process.poll() is not None, 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def test_the_page_follows_the_choice_of_the_composer(
    address: str, browser: Any, films: Films
) -> None:
    with open_page(browser, address) as visit:
        page = visit.page
        page.wait_for_selector("#em-film button")
        page.set_input_files("#em-film input[type=file]", films.plain())
        page.wait_for_selector("#em-compose")
        page.click("#em-settings button[role=tab]:has-text('Music')")
        page.wait_for_selector("#em-composer >> text=Plain")
        assert page.is_visible("#em-tempo") and page.is_visible("#em-chords")
        page.click("#em-composer >> text=Plain")
        page.wait_for_selector("#em-tempo", state="hidden")
        page.wait_for_selector("#em-chords", state="hidden")
        assert page.is_visible("#em-plan input[aria-label='Key']")
        page.click("#em-composer >> text=EMSYNC")
        page.wait_for_selector("#em-tempo")
        assert page.is_visible("#em-chords")
        assert visit.complaints == []
