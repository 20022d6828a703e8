"""The page's controls: which of them turns which setting, both ways."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from emsync.errors import EmsyncError
from emsync.interface.mixer import gains_of, is_live, value_of
from emsync.interface.music_controls import WORDED, tempo_bounds, tempo_text, words_of
from emsync.interface.sound_controls import STANDARD, sounds_of, standard_program
from emsync.music.composer import COMPOSERS
from emsync.presets import from_plain
from emsync.settings import ComposerName, MusicSettings, Settings, kinds
from emsync.sound.soundfonts import installed

if TYPE_CHECKING:
    from emsync.music.composition import Composition

_TEMPO = frozenset({"slowest", "fastest"})
_PLANNED = _TEMPO | {
    "style", "density", "tonic", "mode", "metre", "melody", "chords", "theme", "leitmotif",
}  # fmt: skip
"""Fields of the settings whose controls stand together."""

_PLAYED = ("performance.", "sound.")
"""Beginnings of the names of settings that change how a piece is played."""


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
    def mixer(self) -> Any:
        """The mixer, which turns the gains of the groups."""
        return self.named["sound.gains"]

    def is_mixing(self, values: Sequence[Any]) -> bool:
        """Return whether the browser mixes; `values` are those of `components`."""
        return is_live(values[list(self.named).index("sound.gains")])

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
        """Return for each control of the music whether a composer obeys what it turns, and for each
        group whether it writes for it."""
        row = COMPOSERS[composer]
        return {
            **{control: turned <= row.obeys for control, turned in self.of_music.items()},
            **{control: group in row.groups for group, control in self.programs.items()},
        }

    def offered_by(self, composer: str, values: Sequence[Any]) -> dict[Any, dict[str, Any]]:
        """Return, for those whose choices depend on the composer, arguments of the component: the
        choices, what is chosen, and the label of a group's sound.

        Args:
            composer: its name.
            values: of `components`.
        """
        row, now = COMPOSERS[composer], dict(zip(self.components, values, strict=True))
        offered: dict[Any, dict[str, Any]] = {}
        for name in WORDED:
            control = self.named[name]
            words = words_of(name, row.choices.get(_field_of(name)), row.key_by_mood)
            known = [word for _, word in words]
            chosen = now[control] if now[control] in known else "auto"
            offered[control] = {"choices": words, "value": chosen}
        alone = len(row.groups) == 1
        for group, control in self.programs.items():
            offered[control] = {
                "choices": sounds_of(group, now[control], alone and group in row.groups),
                "value": now[control],
                "label": "Instrument" if alone else group.capitalize(),
            }
        return offered

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
        asked = {name: _plain(name, rest.pop(0)) for name in self.named}
        tempo, is_paper = rest.pop(0) or "", rest.pop(0)
        asked["music.method"] = "free" if is_paper else "planned"
        obeys = COMPOSERS[composer].obeys
        # The music of the paper has the tempo it has, and then the field is not seen.
        has_tempo = not is_paper and obeys >= _TEMPO
        asked["music.slowest"], asked["music.fastest"] = tempo_bounds(tempo if has_tempo else "")
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
            group: program for group, program in chosen if program != standard_program(group)
        }
        made = from_plain(plain, base)
        # Of a piece whose chords are edited all else stays (`edited`); of another seed's, nothing.
        is_edited = bool(made.music.chords) and made.seed == base.seed
        known = {str(one.path): one.path for one in installed()}
        font = Path(own_soundfont) if own_soundfont else known.get(soundfont or STANDARD)
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
            control: _shown_in(control, attrgetter(name)(settings))
            for name, control in self.named.items()
        }
        changes[self.mixer] = value_of(settings.sound.gains)
        changes[self.tempo] = tempo_text(settings.music)
        changes[self.paper] = settings.music.method == "free"
        programs = dict(settings.sound.programs)
        for group, control in self.programs.items():
            changes[control] = programs.get(group, standard_program(group))
        if self.composer is not None:
            changes[self.composer] = settings.music.composer
        values = [changes.get(control) for control in self.components]
        for control, offered in self.offered_by(settings.music.composer, values).items():
            changes[control] = gr.Dropdown(**offered)
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


def _plain(name: str, value: Any) -> Any:
    """Return what a control says, as a setting is written in JSON: of those that may be None, an
    empty word stands for it."""
    if name == "sound.gains":
        return gains_of(value)
    return None if value == "" and kinds()[name].optional else value


def _shown_in(control: Any, value: Any) -> Any:
    """Return what a control has to show for the value of a setting. What an address or a preset may
    ask for reaches farther than what is offered, which is widened then."""
    if isinstance(control, gr.Slider) and not control.minimum <= value <= control.maximum:
        low, high = min(control.minimum, value), max(control.maximum, value)
        return gr.Slider(float(low), float(high), value=float(value))
    if isinstance(control, gr.Dropdown) and not isinstance(value, str):
        chosen = "" if value is None else value
        choices: list[Any] = list(control.choices)
        if chosen not in [known for _, known in choices]:
            return gr.Dropdown([*choices, (str(chosen), chosen)], value=chosen)
        return chosen
    if isinstance(value, Fraction):
        return float(value)
    return list(value) if isinstance(value, tuple) else value
