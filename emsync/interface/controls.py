"""The page's controls: which of them turns which setting, both ways."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from emsync.errors import EmsyncError
from emsync.interface.music_words import with_signs
from emsync.music.composer import COMPOSERS
from emsync.performance.performer import PERFORMERS
from emsync.presets import from_plain
from emsync.settings import (
    LONGEST_TEXT,
    RANGES,
    ComposerName,
    MusicSettings,
    Settings,
    SoundSettings,
    choices_of,
)
from emsync.sound.programs import SOUNDS
from emsync.sound.soundfonts import installed
from emsync.text import one_line

if TYPE_CHECKING:
    from emsync.music.composition import Composition

_TEMPO = frozenset({"slowest", "fastest"})
_PLANNED = _TEMPO | {"style", "density", "tonic", "mode", "metre", "melody", "chords", "theme"}
"""Fields of the settings whose controls stand together."""

LARGEST_SEED = int(RANGES["seed"].high)
GROUPS = MusicSettings.groups
_PLAYED = ("performance.", "sound.")
"""Beginnings of the names of settings that change how a piece is played."""
_BALANCE = 12.0  # decibels either way: beyond it one of the two is as good as gone
OWN_CHORDS = "its own"
"""Stands in the field of the chords while it is empty and no piece is shown."""
_STANDARD = ""  # the SoundFont that is taken when none is named


@dataclass(frozen=True)
class Controls:
    """The controls of one page.

    Attributes:
        named: those of which each turns one setting, by its name such as "music.top_p".
        tempo: a field for two settings, the bounds of the tempo.
        paper: the switch between the two methods of composing.
        programs: by group, whose sound each chooses.
        soundfont: of those installed, by path.
        own_soundfont, primer, theme: files of the user.
        composer: chooses who composes; None where there is only one.
    """

    named: dict[str, Any]
    tempo: Any
    paper: Any
    programs: dict[str, Any]
    soundfont: Any
    own_soundfont: Any
    primer: Any
    theme: Any
    composer: Any = None

    @property
    def components(self) -> list[Any]:
        """All, in the order that `settings` expects their values in."""
        return [
            *self.named.values(),
            self.tempo,
            self.paper,
            *self.programs.values(),
            self.soundfont,
            self.own_soundfont,
            self.primer,
            self.theme,
            *([] if self.composer is None else [self.composer]),
        ]

    @property
    def of_sound(self) -> list[Any]:
        """Those that change how a piece is played and not the piece."""
        return [
            *(self.named[name] for name in self.named if name.startswith(_PLAYED)),
            *self.programs.values(),
            self.soundfont,
            self.own_soundfont,
        ]

    @property
    def of_music(self) -> dict[Any, frozenset[str]]:
        """Those that a composer obeys or not, each with the fields of `MusicSettings` it turns."""
        named = {
            control: frozenset({_field_of(name)})
            for name, control in self.named.items()
            if name.startswith("music.")
        }
        return named | {
            self.tempo: _TEMPO,
            self.paper: frozenset({"method"}),
            self.primer: frozenset({"primer"}),
            self.theme: frozenset({"theme"}),
        }

    def visible_for(self, composer: str) -> dict[Any, bool]:
        """Return for each control of the music whether a composer obeys what it turns."""
        obeys = COMPOSERS[composer].obeys
        return {control: turned <= obeys for control, turned in self.of_music.items()}

    def settings(self, base: Settings, values: Sequence[Any]) -> Settings:
        """Return what the controls ask for.

        Args:
            base: all that has no control.
            values: of `components`. Files are paths that Gradio has checked to be uploads.

        Raises:
            EmsyncError: a value is out of its range, as only a stranger's program can send.
        """
        rest = list(values)
        composer = base.music.composer if self.composer is None else _composer_of(rest.pop())
        asked = {name: rest.pop(0) for name in self.named}
        tempo, is_paper = rest.pop(0) or "", rest.pop(0)
        asked["music.method"] = "free" if is_paper else "planned"
        obeys = COMPOSERS[composer].obeys
        # The music of the paper has the tempo it has, and then the field is not seen.
        has_tempo = not is_paper and obeys >= _TEMPO
        asked["music.slowest"], asked["music.fastest"] = _bounds_of(tempo if has_tempo else "")
        # What stands in a control that is not seen is not asked for, and need not make sense.
        asked = {
            name: value
            for name, value in asked.items()
            if not name.startswith("music.") or _field_of(name) in obeys
        }
        chosen = [(group, rest.pop(0)) for group in self.programs]
        soundfont, own_soundfont, primer, theme = rest
        if asked["seed"] is None:
            asked["seed"] = base.seed
        plain: dict[str, Any] = {}
        for name, value in asked.items():
            *groups, own = name.split(".")
            part = plain
            for group in groups:
                part = part.setdefault(group, {})
            part[own] = value
        plain["sound"]["programs"] = {
            group: program for group, program in chosen if program != _standard(group)
        }
        made = from_plain(plain, base)
        # Of a piece whose chords are edited all else stays (`edited`); of another seed's, nothing.
        is_edited = bool(made.music.chords) and made.seed == base.seed
        known = {str(one.path): one.path for one in installed()}
        font = Path(own_soundfont) if own_soundfont else known.get(soundfont or _STANDARD)
        music = replace(
            made.music,
            primer=Path(primer) if primer else None,
            theme=Path(theme) if theme else None,
            keep=None,
            opening=made.music.opening if is_edited else None,
        )
        return replace(
            made, music=_as_obeyed(music, composer), sound=replace(made.sound, soundfont=font)
        )

    def edited(
        self, base: Settings, piece: "Composition", metre: str
    ) -> tuple[Settings, dict[Any, Any]]:
        """Ask for a piece with its chords changed and all else as it is.

        Args:
            base: all that has no control.
            piece: that was planned.
            metre: its time signature: its bars are that long, whatever is asked for.

        Returns:
            The new base, and what the controls have to show.
        """
        music = replace(base.music, opening=piece.opening)
        return replace(base, music=music, seed=piece.seed), {
            self.named["music.chords"]: piece.chart,
            self.named["music.metre"]: metre,
            self.named["seed"]: piece.seed,
        }

    def show(self, settings: Settings) -> dict[Any, Any]:
        """Return what each control has to show for these settings; files are left as they are."""
        changes: dict[Any, Any] = {
            control: _shown(attrgetter(name)(settings)) for name, control in self.named.items()
        }
        changes[self.tempo] = _range_of(settings.music)
        changes[self.paper] = settings.music.method == "free"
        programs = dict(settings.sound.programs)
        for group, control in self.programs.items():
            program = programs.get(group, _standard(group))
            changes[control] = gr.Dropdown(choices=_sounds(group, program), value=program)
        if self.composer is not None:
            changes[self.composer] = settings.music.composer
        return changes


def _field_of(name: str) -> str:
    """Return the field of `MusicSettings` in which a setting such as "music.top_p" lies."""
    return name.split(".")[1]


def plan_is_visible(composer: str, is_paper: bool) -> bool:
    """Return whether the controls of what is planned have a say: not in the music of the paper,
    where the composer can be asked for that."""
    obeys = COMPOSERS[composer].obeys
    return not (is_paper and "method" in obeys) and bool(obeys & _PLANNED)


def composer_choice(defaults: Settings) -> gr.Radio | None:
    """Return the choice of the composer; None where there is only one."""
    if len(COMPOSERS) == 1:
        return None
    return gr.Radio(
        [(row.title, name) for name, row in COMPOSERS.items()],
        value=defaults.music.composer,
        label="Composer",
        elem_id="em-composer",
    )


def _composer_of(name: object) -> ComposerName:
    """Check the name of a composer, which a stranger's program may have sent.

    Raises:
        EmsyncError: there is no composer of that name.
    """
    if not isinstance(name, str) or name not in COMPOSERS:
        raise EmsyncError("There is no such composer.")
    return cast(ComposerName, name)


def _as_obeyed(music: MusicSettings, composer: ComposerName) -> MusicSettings:
    """Return the settings for a composer: what it cannot be asked for, and is not seen on the page
    then, is as usual."""
    usual = MusicSettings()
    unasked = {field.name for field in fields(music)} - COMPOSERS[composer].obeys - {"composer"}
    return replace(music, composer=composer, **{name: getattr(usual, name) for name in unasked})


def _shown(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _standard(group: str) -> int:
    """Return the General MIDI program of a group of which nothing else is asked."""
    return next(iter(SOUNDS[group].values()))


def _sounds(group: str, program: int | None = None) -> list[tuple[str, int]]:
    """Return the sounds to choose from, by name, and `program` as well if it is none of them."""
    sounds = list(SOUNDS[group].items())
    if program is not None and program not in [number for _, number in sounds]:
        sounds.append((f"General MIDI {program + 1}", program))
    return sounds


def of_mood(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the mood, beside its editor."""
    return {
        "mood.valence_arousal_range": gr.Slider(
            0.1,
            1.0,
            value=defaults.mood.valence_arousal_range,
            step=0.05,
            label="Mood intensity (range r)",
            info="Larger is more extreme. The paper uses 0.8.",
        ),
    }


def paper_switch(defaults: Settings) -> gr.Checkbox:
    """Return the switch between the method of the paper and ours."""
    return gr.Checkbox(
        value=defaults.music.method == "free",
        label="As in the paper",
        info="Algorithm 1 as published: note by note, without a plan of chords, and wilder.",
        elem_id="em-paper",
    )


def tempo_field(defaults: Settings) -> gr.Textbox:
    """Return one field for the two bounds of the tempo; a `gr.Number` cannot be empty."""
    return gr.Textbox(
        value=_range_of(defaults.music),
        label="Beats a minute",
        placeholder="by mood; 92; 80–100",
        max_length=40,
        max_lines=1,
        scale=2,
        min_width=180,
        elem_id="em-tempo",
    )


def _bounds_of(text: str) -> tuple[float | None, float | None]:
    """Return the bounds of the tempo that a text asks for: "92", "80–100", "80–", "–100", or "".

    Raises:
        EmsyncError: it is nothing of the kind, or out of range.
    """
    slow, dash, fast = (part.strip() for part in re.sub("[-–—]", "–", text).partition("–"))
    bounds = (slow, fast if dash else slow)
    if not all(re.fullmatch(r"(\d{1,3}([.]\d{1,3})?)?", bound, re.ASCII) for bound in bounds):
        raise EmsyncError(
            f"The tempo must be one number or two {RANGES['music.slowest']}, such as 92 or 80–100, "
            f"not “{one_line(text, 40)}”."
        )
    slowest, fastest = (float(bound) if bound else None for bound in bounds)
    return slowest, fastest


def _range_of(music: MusicSettings) -> str:
    """Return the bounds of the tempo as a text; the inverse of `_bounds_of`."""
    slowest, fastest = (
        "" if bound is None else f"{bound:g}" for bound in (music.slowest, music.fastest)
    )
    return slowest if slowest == fastest else f"{slowest}–{fastest}"


def of_plan(defaults: Settings) -> dict[str, Any]:
    """Return the controls of what is planned before the notes: what kind of music it is to be."""
    music = defaults.music
    by_mood = ("By mood", "auto")
    named: dict[str, Any] = {}
    with gr.Row():
        named["music.style"] = _choice("music.style", music.style, "Style", by_mood)
        named["music.density"] = _choice("music.density", music.density, "Density", by_mood)
    with gr.Row():
        named["music.tonic"] = _choice("music.tonic", music.tonic, "Key", ("Any", "auto"))
        named["music.mode"] = _choice("music.mode", music.mode, "Mode", by_mood)
    return named


def of_metre(defaults: Settings) -> dict[str, Any]:
    """Return the control of the metre, beside that of the tempo."""
    metre = _choice("music.metre", defaults.music.metre, "Metre", ("Any", "auto"))
    return {"music.metre": metre}


def of_melody(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the melody and the chords."""
    music = defaults.music
    named: dict[str, Any] = {}
    named["music.melody"] = gr.Checkbox(value=music.melody, label="With a melody")
    named["music.chords"] = gr.Textbox(
        value=music.chords,
        label="Chords",
        info="Such as Am | F C | G, a bar between two strokes; they go round. Empty: its own.",
        placeholder=OWN_CHORDS,
        max_length=LONGEST_TEXT,
        lines=3,
        max_lines=8,
        elem_id="em-chords",
    )
    return named


def _choice(name: str, value: str, label: str, auto: tuple[str, str]) -> gr.Dropdown:
    """Return a choice of the words that a setting may be, of which "auto" has its own name."""
    words: list[tuple[str, str]] = [
        auto if word == "auto" else (with_signs(word[0].upper() + word[1:]), word)
        for word in choices_of(name)
    ]
    words.sort(key=lambda one: one[1] != "auto")
    return gr.Dropdown(words, value=value, label=label, min_width=100)


def of_music(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the composing."""
    music = defaults.music
    return {
        "music.candidates": gr.Slider(
            1,
            4,
            value=music.candidates,
            step=1,
            label="Versions",
            info="Composed side by side, to choose from. Each takes a little longer.",
        ),
        "seed": gr.Number(
            value=defaults.seed,
            precision=0,
            minimum=0,
            maximum=LARGEST_SEED,
            label="Seed",
            info="Same seed, same music.",
        ),
        "music.instruments": gr.Radio(
            [("Fewer", "fewer"), ("More", "more")],
            value=music.instruments,
            label="Instruments",
            info="What the music is asked for: fewer or more of the five groups.",
        ),
        "music.groups": gr.CheckboxGroup(
            [(name.capitalize(), name) for name in GROUPS],
            value=list(music.groups),
            label="Groups that may play",
            info="Without guitar and piano there are no strong chords on the cuts.",
        ),
        "music.sensitivity": gr.Slider(
            0.1,
            3.0,
            value=music.sensitivity,
            step=0.1,
            label="Closeness to cuts (ξ, seconds)",
            info="A strong chord this close to a cut is a hit. The paper uses 1 s.",
        ),
    }


def of_video2music(defaults: Settings) -> dict[str, Any]:
    """Return the controls of what only Video2Music can be asked for."""
    own = defaults.music.video2music
    return {
        "music.video2music.primer": gr.Textbox(
            value=own.primer,
            label="First chords",
            info="One a second, such as C Am F G, in C major or A minor whatever the key.",
            placeholder="the tonic",
            max_length=400,
            max_lines=1,
            elem_id="em-first-chords",
        ),
        "music.video2music.pattern": gr.Radio(
            [
                ("Loudness", "published"),
                ("Loudness, more of it", "published-generate"),
                ("Note density, as in the paper", "paper"),
            ],
            value=own.pattern,
            label="Arpeggios follow",
        ),
        "music.video2music.smooth_emotion": gr.Slider(
            0,
            10,
            value=own.smooth_emotion,
            step=1,
            label="Smooth the emotion over (seconds)",
            info="The published code does not; the paper: 5.",
        ),
        "music.video2music.accents": gr.Checkbox(
            value=own.accents,
            label="Strike the chord on every cut",
            info="Ours. As published the music knows no cuts.",
        ),
    }


def of_sampling(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the sampling, for those who know what they do."""
    music = defaults.music
    return {
        "music.temperature": gr.Slider(
            0.5,
            2.0,
            value=music.temperature,
            step=0.05,
            label="Temperature",
            info="Lower is safer, higher is wilder. The paper's own model is drawn from at 1.35.",
        ),
        "music.top_p": gr.Slider(
            0.1,
            1.0,
            value=music.top_p,
            step=0.05,
            label="Top-p",
            info="Only the likeliest tokens whose probabilities sum to this are drawn from. "
            "The paper's own model is drawn from at 0.6.",
        ),
        "music.guidance": gr.Slider(
            0.0,
            3.0,
            value=music.guidance,
            step=0.1,
            label="Guidance towards the mood",
            info="1 is the model as it is; any other takes twice as long.",
        ),
        "music.end_on_chord": gr.Checkbox(
            value=music.end_on_chord,
            label="End on a chord",
            info="Ask for a last strong chord shortly before the film ends.",
        ),
        "mood.mode": gr.Radio(
            [("Mean of the emotions", "mean"), ("Drawn from them", "draw")],
            value=defaults.mood.mode,
            label="From emotions to a mood",
            info="A draw gives another mood with every seed.",
        ),
        "music.primer_seconds": gr.Slider(
            1,
            60,
            value=music.primer_seconds,
            step=1,
            label="Seconds of the MIDI file",
            info="So much of its end is gone on from, if you give one above.",
        ),
    }


def of_sound(defaults: Settings) -> dict[str, Any]:
    """Return the controls of performance, level and mix."""
    sound = defaults.sound
    return {
        "performance.performer": gr.Radio(
            [(row.title.capitalize(), name) for name, row in PERFORMERS.items()],
            value=defaults.performance.performer,
            label="Played",
            info="By rule, with a touch learned from pianists' recordings (for research use), or "
            "as the paper plays: every note as loud as the next but for the chords on cuts.",
        ),
        "sound.original_sound": gr.Radio(
            [
                ("Replace it", "replace"),
                ("Keep it under the music", "keep"),
                ("Keep it, music quieter under speech", "duck"),
            ],
            value=sound.original_sound,
            label="Original sound",
            info="What happens to the film's own sound.",
        ),
        "sound.balance_decibels": gr.Slider(
            -_BALANCE,
            _BALANCE,
            value=sound.balance_decibels,
            step=0.5,
            label="Balance (decibels)",
            info="Left: more of the film's sound. Right: more music. Where both are kept.",
        ),
        "sound.loudness": gr.Radio(
            [
                (f"Peak at {SoundSettings.peak_decibels:g} dB, as in the paper", "peak"),
                (f"{SoundSettings.lufs:g} LUFS, as video sites want it", "lufs"),
            ],
            value=sound.loudness,
            label="Loudness",
        ),
    }


def of_programs() -> dict[str, Any]:
    """Return, for each group, the choice of its sound."""
    return {
        group: gr.Dropdown(
            _sounds(group), value=_standard(group), label=group.capitalize(), min_width=140
        )
        for group in GROUPS
        if len(SOUNDS[group]) > 1
    }


def soundfonts() -> gr.Dropdown:
    """Return the choice among the SoundFonts that are installed."""
    here = installed()
    names: list[tuple[str, str]] = [(one.name, str(one.path)) for one in here[1:]]
    first = [(f"{here[0].name} (standard)", _STANDARD)] if here else []
    return gr.Dropdown([*first, *names], value=_STANDARD, label="SoundFont")
