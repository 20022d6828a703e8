"""The form of a piece: sections from moods and hit points, their energy and their orchestration."""

import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.music.planning.grid import STEPS_PER_EIGHTH, Grid
from emsync.music.planning.plan import ModeName, Section
from emsync.settings import MusicSettings

SAME_MOMENT = 0.3
"""Seconds between a change of mood and the hit point that it belongs to, at most. Ours."""
USUAL_SECTION = 16.5
"""Seconds: eight bars of 4/4 at 116 quarters a minute, the usual length of a strain. Ours."""
USUAL_INTRO = 7.0
"""Seconds. Ours."""
LEAST_FOR_INTRO = 30.0
"""Seconds that a piece lasts at least to have an intro. Ours."""
SAME_VALENCE, SAME_AROUSAL = 0.3, 0.6
"""Moods closer than this in both axes share their theme, so that a film that comes back finds its
music; arousal may differ more, as it is heard in energy and orchestration. Ours."""
MOST_LEADS = 0.52
"""Share of the sections that have a melody. Ours: real music has a lead line in about half of what
is not drums or riff; more leaves no room to speak over."""


@dataclass(frozen=True)
class Stretch:
    """A part of the film with one mood, on the grid."""

    start: int
    end: int
    mood: Mood


def stretches_of(grid: Grid, curve: MoodCurve, seconds: float, last: int) -> list[Stretch]:
    """Return the moods on the grid's steps; none begins after step `last`.

    A mood begins at the hit point within `SAME_MOMENT` of it, else at the nearest eighth.
    """
    eighths = np.arange(0, grid.steps + STEPS_PER_EIGHTH, STEPS_PER_EIGHTH)
    times = grid.seconds_of(eighths)
    hits = sorted((hit.asked, hit.step) for hit in grid.hits)
    asked = [at for at, _ in hits]
    begun: list[tuple[int, Mood]] = []
    for start, _, mood in curve.stretches(seconds):
        i = bisect_left(asked, start)
        near = [h for h in hits[max(0, i - 1) : i + 1] if abs(h[0] - start) <= SAME_MOMENT]
        step = (
            min(near, key=lambda h: abs(h[0] - start))[1]
            if near
            else int(eighths[np.abs(times - start).argmin()])
        )
        step = step if begun else 0
        if step > last or step >= grid.steps:
            break
        if begun and step <= begun[-1][0]:
            begun.pop()
        begun.append((step if begun else 0, mood))
    ends = [step for step, _ in begun[1:]] + [grid.steps]
    return [Stretch(a, b, mood) for (a, mood), b in zip(begun, ends, strict=True)]


def mean_mood(stretches: Sequence[Stretch]) -> Mood:
    """Return the mean mood, weighted by duration."""
    total = sum(s.end - s.start for s in stretches)
    valence = sum(s.mood.valence * (s.end - s.start) for s in stretches) / total
    arousal = sum(s.mood.arousal * (s.end - s.start) for s in stretches) / total
    return Mood(max(-1.0, min(1.0, valence)), max(-1.0, min(1.0, arousal)))


# --- where sections begin ----------------------------------------------------------------------


def section_starts(grid: Grid, stretch: Stretch, hits: Sequence[int], intro: bool) -> list[int]:
    """Return the steps at which the sections of a stretch begin, its own start first.

    Sections are about as long as four, eight or sixteen bars, whichever lasts about
    `USUAL_SECTION`, share the stretch evenly, and give way by up to a third where a hit point lies
    on a bar line or clear of it. `intro` asks for a short section at the beginning.
    """
    bar = grid.metre.bar
    seconds = grid.seconds_per_step(stretch.start) * bar
    usual = _usual_bars((4, 8, 16), seconds, USUAL_SECTION) * bar
    starts = [stretch.start]
    if intro:
        first = _usual_bars((2, 4), seconds, USUAL_INTRO) * bar
        starts.append(_bar_line(stretch.start, first, bar, hits))
    number = max(1, round((stretch.end - starts[-1]) / usual))
    for left in range(number, 1, -1):
        starts.append(_bar_line(starts[-1], (stretch.end - starts[-1]) // left, bar, hits))
    return starts


def _usual_bars(choices: Sequence[int], bar_seconds: float, seconds: float) -> int:
    return min(choices, key=lambda bars: abs(np.log(bars * bar_seconds / seconds)))


def _bar_line(start: int, length: int, bar: int, hits: Sequence[int]) -> int:
    """Return the bar line about `length` after `start` that goes best with the hit points."""

    def cost(line: int) -> float:
        near = hits[max(0, bisect_left(hits, line) - 1) : bisect_left(hits, line) + 1]
        away = min((abs(hit - line) for hit in near), default=bar)
        meets = -1.0 if away == 0 else 0.6 if away <= bar / 4 else 0.0
        bars = (line - start) / bar
        square = 0.0 if bars % 4 == 0 else 0.3 if bars % 2 == 0 else 0.7
        return 2.5 * abs(line - start - length) / length + meets + square

    first = -(-(start + 2 * length // 3) // bar)
    last = (start + 4 * length // 3) // bar
    return min((line * bar for line in range(first, max(first, last) + 1)), key=cost)


# --- letters -----------------------------------------------------------------------------------

_FORMS = {
    1: (0,),
    2: (0, 1),
    3: (0, 1, 0),
    4: (0, 0, 1, 0),
    5: (0, 0, 1, 0, 0),
    6: (0, 0, 1, 0, 2, 0),
}
"""Song forms (ABA, AABA, AABACA)."""
_OTHER_FORMS = {2: (0, 0), 4: (0, 1, 0, 1)}
CONTRASTS = 5
"""Contrasting sections of one mood, at most, before the first of them returns. Ours."""


def form_of(number: int, rnd: random.Random) -> tuple[int, ...]:
    """Return the form of `number` sections of one mood: the same number for the same music.

    More than six sections are a rondo: the first section returns, twice, after every other one.
    """
    if number in _OTHER_FORMS and rnd.random() < 0.3:
        return _OTHER_FORMS[number]
    if number in _FORMS:
        return _FORMS[number]
    rondo = [1 + i // 3 % CONTRASTS if i % 3 == 2 else 0 for i in range(number - 1)]
    return (*rondo, 0)


def letter_names(number: int) -> list[str]:
    """Return A to Z, then AA, AB and so on."""
    names = []
    for i in range(number):
        name, i = chr(65 + i % 26), i // 26
        while i:
            name, i = chr(64 + (i - 1) % 26 + 1) + name, (i - 1) // 26
        names.append(name)
    return names


# --- energy and orchestration ------------------------------------------------------------------

ROSTERS: dict[str, tuple[str, ...]] = {
    "cinematic": ("strings", "piano", "bass", "drums", "guitar"),
    "piano": ("piano", "strings", "bass", "guitar", "drums"),
    "pop": ("piano", "bass", "drums", "guitar", "strings"),
    "rock": ("guitar", "bass", "drums", "piano", "strings"),
    "jazz": ("piano", "bass", "drums", "guitar", "strings"),
    "electronic": ("strings", "piano", "bass", "drums", "guitar"),
    "folk": ("guitar", "bass", "strings", "piano", "drums"),
    "waltz": ("strings", "piano", "bass", "guitar", "drums"),
}
"""Groups in the order in which a style brings them in. Ours."""
DRUMS_FROM = {"cinematic": 0.35, "piano": 0.5, "folk": 0.35, "waltz": 0.4}
"""Energy from which a style has drums; 0.2 in the others. Ours."""
LEADS: dict[str, tuple[str, ...]] = {
    "cinematic": ("strings", "piano", "guitar"),
    "piano": ("piano", "strings", "guitar"),
    "pop": ("piano", "guitar", "strings"),
    "rock": ("guitar", "piano", "strings"),
    "jazz": ("piano", "guitar", "strings"),
    "electronic": ("piano", "strings", "guitar"),
    "folk": ("guitar", "strings", "piano"),
    "waltz": ("strings", "piano", "guitar"),
}


def base_energy(arousal: float, settings: MusicSettings) -> float:
    """Return the energy that a mood asks for before the form adds its arc. Ours."""
    shift = {"sparse": -0.2, "auto": 0.0, "full": 0.2}[settings.density]
    return 0.5 + 0.37 * arousal + shift


def arc(index: int, number: int, contrast: bool, intro: bool) -> float:
    """Return what the form adds to the energy of section `index` of `number`.

    The intro steps back, contrasting sections too, and the piece grows towards its last section, as
    most film cues and songs do. Ours.
    """
    if intro:
        return -0.1
    growth = 0.12 * (index / (number - 1) - 0.4) if number > 1 else 0.0
    return growth - (0.08 if contrast and index < number - 1 else 0.0)


def orchestrated(
    style: str, energy: float, intro: bool, settings: MusicSettings
) -> tuple[str, ...]:
    """Return the groups that play, in the style's order; never none.

    Two pitched groups, three from a third of the energy and four from a half; drums come on top.
    An intro has two pitched ones and waits with drums and bass.
    """
    available = [group for group in ROSTERS[style] if group in settings.groups]
    number = 2 if intro else 2 + (energy >= 0.3) + (energy >= 0.5)
    number += {"sparse": -1, "auto": 0, "full": 1}[settings.density]
    waiting = ("drums", "bass") if intro else ("drums",)
    pitched = [group for group in available if group not in waiting][: max(1, number)]
    drums = ["drums"] if energy >= DRUMS_FROM.get(style, 0.2) and not intro else []
    playing = [group for group in available if group in pitched + drums]
    return tuple(playing or available)


def lead_of(style: str, index: int, groups: Sequence[str]) -> str | None:
    """Return the instrument that sings in the letter numbered `index`; None if none can."""
    singers = [group for group in LEADS[style] if group in groups]
    return singers[index % len(singers)] if singers else None


def with_leads(
    sections: Sequence[Section], style: str, intro: bool, settings: MusicSettings
) -> tuple[Section, ...]:
    """Return the sections with their lead instruments: of each letter its own, at most two in
    three sections, and the intro without."""
    if not settings.melody:
        return tuple(sections)
    names: list[str] = []
    out: list[Section] = []
    led = 0
    for i, section in enumerate(sections):
        new = section.letter not in names
        if new:
            names.append(section.letter)
        lead = lead_of(style, names.index(section.letter), section.groups)
        room = (
            section.motif
            or len(sections) == 1
            or (led + 1) / (i + 1) <= MOST_LEADS + (0.5 if i < 2 else 0.0)
        )
        if settings.theme is not None and section.letter == "A" and not settings.leitmotif:
            room = True  # whoever brings a theme wants to hear it
        if intro and i == 0 and len(sections) > 1 and not section.motif:
            lead = None
        if lead is not None and room:
            led += 1
            out.append(replace(section, lead=lead))
        else:
            out.append(section)
    return tuple(out)


def mode_for(mood: Mood, style: str, settings: MusicSettings, rnd: random.Random) -> ModeName:
    """Return the mode of a mood, unless the settings name one.

    Valence decides: major from .3 and minor up to -.3, where listeners hear happy and sad most
    surely (Hevner 1935; Gagnon & Peretz 2003); Lydian for some bright calm, Phrygian for some
    menace. Between them stand mostly the two modes that are neither, the likelier Mixolydian the
    higher, else Dorian: modes are heard as the happier the fewer flats they have (Temperley & Tan
    2013). From .2 the mode never goes against the mood, and plain major and minor nowhere do.
    """
    if settings.mode != "auto":
        return settings.mode
    valence, arousal, chance = mood.valence, mood.arousal, rnd.random()
    if valence >= 0.3:
        wondrous = arousal < 0.1 and style in ("cinematic", "piano", "electronic")
        return "lydian" if wondrous and chance < 0.25 else "major"
    if valence <= -0.3:
        menacing = arousal > 0.3 and valence < -0.45 and style in ("cinematic", "rock")
        return "phrygian" if menacing and chance < 0.25 else "minor"
    if rnd.random() < 0.5 + valence / 0.4:
        return "mixolydian" if chance < 0.6 or valence < 0 else "major"
    return "dorian" if chance < 0.6 or valence > 0 else "minor"


def style_for(mood: Mood, metre: str, settings: MusicSettings, rnd: random.Random) -> str:
    """Return the style of a mood, unless the settings name one. Ours: what cues of such moods are
    most often scored with; waltzes only in triple time."""
    if settings.style != "auto":
        return settings.style
    valence, arousal = mood.valence, mood.arousal
    if valence >= 0.2:
        suited = ["pop", "rock", "electronic", "folk"] if arousal >= 0.1 else []
        suited = suited or ["piano", "folk", "jazz", "pop", "cinematic"]
    elif valence <= -0.2:
        suited = ["cinematic", "cinematic", "rock", "electronic"] if arousal >= 0.1 else []
        suited = suited or ["cinematic", "piano", "cinematic", "folk"]
    else:
        suited = ["cinematic", "electronic", "pop"] if arousal >= 0.1 else []
        suited = suited or ["cinematic", "piano", "jazz", "folk"]
    if metre == "3/4" and arousal < 0.4:
        suited = [*suited, "waltz", "waltz"]
    return rnd.choice(suited)
