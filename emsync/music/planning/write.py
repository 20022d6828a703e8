"""Write the plan of a piece, before any note: from mood, hit points, settings and seed.

Nothing here is learned. The sections come from `emsync.music.planning.form`, the progressions from
the bank in `emsync.music.planning.progressions`; this module lays chord changes on the grid and
deals the chords out.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.music.planning import form
from emsync.music.planning.chart import Degree, has_places, key_of, parse_chords
from emsync.music.planning.grid import Grid
from emsync.music.planning.harmonic_rhythm import LONGEST_CHORD, changes_of, unit_of
from emsync.music.planning.leitmotif import is_motif, motif_starts, with_starts
from emsync.music.planning.plan import (
    PITCH_NAMES,
    SCALES,
    Chord,
    ModeName,
    Plan,
    Section,
)
from emsync.music.planning.progressions import (
    Cadence,
    Progression,
    cadence_of,
    dressed,
    progressions,
)
from emsync.music.planning.reels import divide_into_reels, forms_of_mood
from emsync.settings import MusicSettings

BRIGHTNESS_PER_VALENCE = 0.45
"""Leaning to major (`harmony.brightness`) that a valence of 1 asks for. Ours: the bank's brightest
and darkest progressions lie there."""
CLOSEST = 4
"""Progressions nearest to that leaning, of which the seed chooses."""

WORTH_OF_NEW_CHORD = 0.04
"""What a chord that was not heard yet outweighs in brightness. Ours: with it a minute has 7 to 9
different chords, as real music has."""
UNITS_OF_THEME, LOOP_UNITS = 8, 4
"""Units of harmonic rhythm in a theme, and in one that is a loop."""
LOOPING = {"pop": 0.65, "rock": 0.65, "electronic": 0.7, "jazz": 0.3}
"""Chance that four chords go round without an answer. Ours."""

NEIGHBOUR_KEYS = (5, 7)
"""Semitones from the tonic to the keys in which a contrasting section may stand: the subdominant,
where the bridges of songs go, and the dominant, where classical middle sections go."""
MODULATING = {"electronic": 0.2, "rock": 0.4}
"""Chance that a contrasting section stands in a neighbouring key; .6 in other styles. Ours."""
OWN_SCALE = 0.85
"""Share of a chart's chord tones in a section's scale from which the section keeps it. Ours: a
borrowed chord or an applied dominant now and then leaves more."""
RELATIVE = 0.25
"""Chance that a new mood stands in the relative key instead of on the same tonic. Ours: the
parallel mode is the stronger contrast, the relative one the smoother way."""
MINOR_MODES: frozenset[ModeName] = frozenset({"minor", "dorian", "phrygian"})
LOOPING_ONCE = 0.75
"""The same for a section that does not come back: there is no other time to recognise it. Ours."""

Unit = tuple[Degree, ...]
_Closing = Literal["open", "dominant", "tonic"]


class _Theme(NamedTuple):
    """What sections of one letter share."""

    units: tuple[Unit, ...]
    cadence: Cadence
    key: int

    def first(self, step: int) -> Chord:
        """Return the chord that it begins with, at `step`."""
        return self.units[0][0].chord(step, self.key)


@dataclass(frozen=True)
class _Cast:
    """A mood of the film with what the plan chose for it."""

    mood: Mood
    mode: ModeName
    key: int
    first: int
    """Number of its first letter."""


class _Place(NamedTuple):
    """A section before it has a letter."""

    start: int
    number: int
    """The same for the same music; the cast's first number is its first theme."""
    contrast: bool
    """Whether the form of its reel has something else for its main section."""
    mood: Mood
    cast: _Cast


def write_plan(
    grid: Grid,
    curve: MoodCurve,
    seconds: float,
    settings: MusicSettings,
    seed: int,
    ends_on_last_hit: bool,
) -> Plan:
    """Return the plan of a piece.

    Args:
        grid: of the piece, with the hit points.
        curve: the mood over the film, in film seconds.
        seconds: length of the film.
        settings: style, tonic, mode, groups, density, melody and chords are obeyed.
        seed: of every choice; the same seed gives the same plan on every machine.
        ends_on_last_hit: the last hit point is the end of the music: the tonic, prepared by a
            cadence.

    Raises:
        EmsyncError: the settings' chords or the moments of the theme cannot be read.
    """
    rnd = random.Random(f"plan {seed}")
    hits = sorted({hit.step for hit in grid.hits if 0 <= hit.step < grid.steps})
    cadence = hits[-1] if ends_on_last_hit and hits else None
    stretches = form.stretches_of(
        grid, curve, seconds, grid.steps - 1 if cadence is None else cadence
    )
    style = form.style_for(form.mean_mood(stretches), grid.metre.name, settings, rnd)
    key = rnd.randrange(12)
    if settings.tonic != "auto":
        key = PITCH_NAMES.index(settings.tonic)
    sections = _sections(grid, stretches, hits, seconds, style, key, settings, rnd)
    if settings.chords.strip():
        return _plan_with_chart(grid, sections, hits, cadence, style, settings)
    themes = _themes(sections, style, rnd)
    in_key = [themes[section.letter]._replace(key=section.key) for section in sections]
    chords = _chords(grid, sections, in_key, hits, cadence)
    return Plan(grid.metre, chords, sections, tuple(hits), cadence, grid.steps, style)


# --- sections ----------------------------------------------------------------------------------


def _sections(
    grid: Grid,
    stretches: Sequence[form.Stretch],
    hits: Sequence[int],
    seconds: float,
    style: str,
    key: int,
    settings: MusicSettings,
    rnd: random.Random,
) -> tuple[Section, ...]:
    """Return the sections of all stretches with mode, energy, groups and lead."""
    has_intro = seconds >= form.LEAST_FOR_INTRO and (
        float(grid.seconds_of(stretches[0].end)) >= 2 * form.USUAL_SECTION
    )
    motifs = motif_starts(settings.leitmotif, grid, hits, seconds)
    begun = [
        with_starts(
            form.section_starts(grid, stretch, hits, has_intro and i == 0),
            motifs,
            stretch.end,
            grid.metre.bar,
        )
        for i, stretch in enumerate(stretches)
    ]
    reels = divide_into_reels(
        grid,
        [start for starts in begun for start in starts],
        [stretch.mood for stretch, starts in zip(stretches, begun, strict=True) for _ in starts],
        hits,
        modulates=settings.tonic == "auto",
    )
    casts: list[_Cast] = []
    places: list[_Place] = []
    for i, (stretch, starts) in enumerate(zip(stretches, begun, strict=True)):
        cast = next((c for c in casts if _alike(c.mood, stretch.mood)), None)
        if cast is None:
            mode = form.mode_for(stretch.mood, style, settings, rnd)
            home = key
            if casts and settings.tonic == "auto" and rnd.random() < RELATIVE:
                home = _relative_key(places[-1].cast, mode)
            cast = _Cast(stretch.mood, mode, home, len(casts) * (form.CONTRASTS + 1))
            casts.append(cast)
        edges = {len(places), len(places) + len(starts)}
        edges |= {reel.first for reel in reels if min(edges) < reel.first < max(edges)}
        parts = [stop - first for first, stop in pairwise(sorted(edges))]
        formed = forms_of_mood(parts, has_intro and i == 0, i == len(stretches) - 1, rnd)
        places += [
            _Place(start, cast.first + theme, contrast, stretch.mood, cast)
            for start, (theme, contrast) in zip(starts, formed, strict=True)
        ]
    order = list(dict.fromkeys(place.number for place in places))
    names = dict(zip(order, form.letter_names(len(order)), strict=True))
    keys = _keys_of(places, style, settings, rnd)
    sections = []
    lasting = [reel for reel in reels for _ in range(reel.first, reel.stop)]
    ends = [*(float(place.start) for place in places[1:]), math.inf]
    for i, (place, reel, end) in enumerate(zip(places, lasting, ends, strict=True)):
        intro = has_intro and i == 0
        energy = form.base_energy(place.mood.arousal, settings) + reel.energy
        energy += form.arc(i - reel.first, reel.stop - reel.first, place.contrast, intro)
        energy = min(1.0, max(0.05, energy))
        home = keys[place.number] if place.contrast else place.cast.key
        sections.append(
            Section(
                step=place.start,
                letter=names[place.number],
                key=(home + reel.key) % 12,
                mode=place.cast.mode,
                valence=place.mood.valence,
                arousal=place.mood.arousal,
                energy=energy,
                groups=form.orchestrated(style, energy, intro, settings),
                lead=None,
                motif=is_motif(place.start, end, motifs, grid.metre.bar),
            )
        )
    return form.with_leads(sections, style, has_intro, settings)


def _keys_of(
    places: Sequence[_Place], style: str, settings: MusicSettings, rnd: random.Random
) -> dict[int, int]:
    """Return the tonic of each theme: contrasts but the last may stand in a neighbouring key."""
    keys = {place.number: place.cast.key for place in places}
    contrasts = {place.number for place in places if place.number > place.cast.first}
    if settings.tonic == "auto":
        for number in sorted(contrasts - {places[-1].number}):
            moves = rnd.random() < MODULATING.get(style, 0.6)
            keys[number] = (keys[number] + moves * rnd.choice(NEIGHBOUR_KEYS)) % 12
    return keys


def _relative_key(before: _Cast, mode: ModeName) -> int:
    """Return the tonic of `mode` with the scale of the mood before, if their genders differ."""
    if mode in MINOR_MODES and before.mode not in MINOR_MODES:
        return (before.key - 3) % 12
    if mode not in MINOR_MODES and before.mode in MINOR_MODES:
        return (before.key + 3) % 12
    return before.key


def _alike(one: Mood, other: Mood) -> bool:
    """Return whether two moods share their music."""
    return (
        abs(one.valence - other.valence) < form.SAME_VALENCE
        and abs(one.arousal - other.arousal) < form.SAME_AROUSAL
    )


# --- progressions ------------------------------------------------------------------------------


def _themes(sections: Sequence[Section], style: str, rnd: random.Random) -> dict[str, _Theme]:
    """Return the chords of each letter, each with progressions of its own as far as they go."""
    themes: dict[str, _Theme] = {}
    used: list[Progression] = []
    heard: set[tuple[int, bool]] = set()
    for section in sections:
        if section.letter in themes:
            continue
        units: tuple[Unit, ...] = ()
        once = sum(other.letter == section.letter for other in sections) == 1
        looping = LOOPING_ONCE if once else LOOPING.get(style, 0.5)
        # Where a progression is short, the second half of the strain has another one: an answer.
        while len(units) < UNITS_OF_THEME:
            new = rnd.choice(_ranked(section, style, used, heard)[:CLOSEST])
            used.append(new)
            units += tuple(
                tuple(dressed(degree, section.mode, style, rnd) for degree in unit)
                for unit in new.units
            )
            heard |= {degree.triad(section.key) for unit in units for degree in unit}
            if len(units) >= LOOP_UNITS and rnd.random() < looping:
                break
        themes[section.letter] = _Theme(units, cadence_of(section.mode, style), section.key)
    return themes


def _ranked(
    section: Section,
    style: str,
    used: Sequence[Progression],
    heard: Set[tuple[int, bool]],
) -> list[Progression]:
    """Return the progressions for a section: unused ones, near its valence, with new chords."""
    wanted = BRIGHTNESS_PER_VALENCE * section.valence

    def cost(candidate: Progression) -> tuple[bool, float]:
        chords = {degree.triad(section.key) for unit in candidate.units for degree in unit}
        novelty = WORTH_OF_NEW_CHORD * min(len(chords - heard), 4)
        return candidate in used, abs(candidate.brightness - wanted) - novelty

    return sorted(progressions(section.mode, style), key=cost)


# --- dealing out -------------------------------------------------------------------------------


def _chords(
    grid: Grid,
    sections: Sequence[Section],
    themes: Sequence[_Theme],
    hits: Sequence[int],
    cadence: int | None,
) -> tuple[Chord, ...]:
    """Return the chords of the piece; `themes` are those of the sections, each in its key."""
    end = grid.steps if cadence is None else cadence
    changes = changes_of(grid, sections, hits, end) if end else []
    begun = set(changes)
    # A section whose bar line lies close to a hit point begins with the chord on the hit.
    borders = [s.step if s.step in begun else s.step - grid.metre.beat + 1 for s in sections]
    chords: list[Chord] = []
    for i, theme in enumerate(themes):
        stop = borders[i + 1] if i + 1 < len(sections) else grid.steps
        slots = changes[bisect_left(changes, borders[i]) : bisect_left(changes, stop)]
        following = sections[i + 1] if i + 1 < len(sections) else None
        after = bisect_left(changes, stop)
        until = changes[after] if after < len(changes) else end
        if following is None or (cadence is not None and following.step >= end):
            closing: _Closing = "dominant" if cadence is not None else "tonic"
            target: _Theme | None = None
        else:
            closing = "open"
            target = themes[i + 1]
        turns = _turns(slots, sections[i], grid)
        chords += _dealt(slots, turns, until, theme, closing, target, grid)
    if cadence is not None:
        home = themes[-1]
        chords.append(_at_rest(home.cadence.tonic.chord(cadence, home.key)))
    return _merged(chords, hits, themes, sections, grid)


def _turns(slots: Sequence[int], section: Section, grid: Grid) -> list[int]:
    """Return which unit of the theme each slot has the turn of.

    A hit point up to a beat before a line has that line's; one further away has the turn that goes
    on, so that the progression stays where the bars have it, whatever the hit points.
    """
    bar, unit = grid.metre.bar, unit_of(grid, section)
    first = -(-section.step // bar) * bar
    origin = first - unit if 2 * (first - section.step) >= unit else first
    early = grid.metre.beat
    return [max(0, (slot - origin + early) // unit) for slot in slots]


def _at_rest(tonic: Chord) -> Chord:
    """Return the last chord: a tonic with a minor seventh, as in Mixolydian, would go on."""
    return replace(tonic, quality="") if tonic.quality == "7" else tonic


def _dealt(
    slots: Sequence[int],
    turns: Sequence[int],
    stop: int,
    theme: _Theme,
    closing: _Closing,
    target: _Theme | None,
    grid: Grid,
) -> list[Chord]:
    """Return chords for the slots of one section, its theme's units going round.

    Args:
        slots: steps at which chords begin.
        turns: which unit of the theme each of them has the turn of.
        stop: step at which the last of them ends.
        theme: of the section.
        closing: "open": the section leads to the next one; "dominant": it leads to the last chord
            of the piece; "tonic": it ends the piece.
        target: theme of the next section.
        grid: of the piece.
    """
    out: list[Chord] = []
    ends = [*slots[1:], stop][: len(slots)]
    tail = _tail(len(slots), closing, theme, target)
    for i, (slot, until) in enumerate(zip(slots, ends, strict=True)):
        left = len(slots) - i
        if left <= len(tail):
            key = theme.key if target is None else target.key
            options = [degree.chord(slot, key) for degree in tail[len(tail) - left]]
            avoid = [out[-1] if out else None, target.first(stop) if target else None]
            roots = {other.root for other in avoid if other is not None}
            fits = [option for option in options if option.root not in roots]
            out.append((fits or options)[0])
            continue
        unit = theme.units[turns[i] % len(theme.units)]
        half = _half(slot, until, grid) if len(unit) > 1 else None
        out.append(unit[0 if half else -1].chord(slot, theme.key))
        if half is not None:
            out.append(unit[1].chord(half, theme.key))
    return out


def _tail(
    slots: int, closing: _Closing, theme: _Theme, target: _Theme | None
) -> list[tuple[Degree, ...]]:
    """Return what the last slots of a section hold: for each, chords in order of preference.

    Inside the piece a section closes on the dominant (a half cadence) where its progression was cut
    short, would run into its own chord or goes on in another key, of which it then is the dominant;
    at the end the predominant and the dominant come before the tonic.
    """
    predominants, dominants = theme.cadence.predominants, theme.cadence.dominants
    if slots < 2:
        return []
    if target is not None:
        if target.key != theme.key:
            return [(*target.cadence.dominants, *target.cadence.predominants)]
        last = theme.units[(slots - 1) % len(theme.units)][-1]
        whole = slots % LOOP_UNITS == 0
        leads = last.root in {degree.root for degree in dominants}
        stuck = last.chord(0, theme.key).root == target.first(0).root
        return [] if (whole or leads) and not stuck else [(*dominants, *predominants)]
    full = [predominants, dominants] if slots >= 4 else [dominants]
    if closing == "dominant":
        return full
    return [*full, (theme.cadence.tonic,)] if slots >= 3 else [(theme.cadence.tonic,)]


def _half(start: int, stop: int, grid: Grid) -> int | None:
    """Return the beat in the middle of a slot, if it is long enough for two chords."""
    beat = grid.metre.beat
    middle = round((start + stop) / 2 / beat) * beat
    return middle if start + beat <= middle <= stop - beat else None


def _same(one: Chord, other: Chord | None) -> bool:
    """Return whether two chords are one harmony: the same tones over the same bass."""
    if other is None:
        return False
    return set(one.tones) == set(other.tones) and one.lowest == other.lowest


def _merged(
    chords: Sequence[Chord],
    hits: Sequence[int],
    themes: Sequence[_Theme],
    sections: Sequence[Section],
    grid: Grid,
) -> tuple[Chord, ...]:
    """Return the chords without equal neighbours.

    Two are one, except on a hit point and where one would last too long: there a relative takes
    the second one's place.
    """
    met = set(hits)
    steps = [section.step for section in sections]
    out: list[Chord] = []
    for i, chord in enumerate(chords):
        if out and _same(chord, out[-1]):
            stop = chords[i + 1].step if i + 1 < len(chords) else grid.steps
            lasting = (stop - out[-1].step) * grid.seconds_per_step(out[-1].step)
            if chord.step not in met and lasting <= LONGEST_CHORD:
                continue
            following = chords[i + 1] if i + 1 < len(chords) else None
            theme = themes[max(0, bisect_right(steps, chord.step) - 1)]
            if i + 1 == len(chords):
                # The tonic at the end stays; what led to it gives way.
                before = out[-2] if len(out) > 1 else None
                out[-1] = _relative(out[-1], theme.cadence, theme.key, before, chord)
            elif chord.step in met:
                chord = _turned(chord, out[-1])
            else:
                chord = _relative(chord, theme.cadence, theme.key, out[-1], following)
        out.append(chord)
    return tuple(out)


def _turned(chord: Chord, before: Chord) -> Chord:
    """Return the same harmony over another of its tones than the one before: the third, mostly."""
    third, fifth = chord.tones[1], chord.tones[2]
    return replace(chord, bass=fifth if before.lowest == third else third)


def _relative(
    chord: Chord, cadence: Cadence, key: int, before: Chord | None, following: Chord | None
) -> Chord:
    """Return a chord of the same scale a third or fifth away that equals neither neighbour."""
    for degree in (*cadence.dominants, *cadence.predominants, cadence.tonic):
        other = degree.chord(chord.step, key)
        if not (_same(other, before) or _same(other, following) or _same(other, chord)):
            return other
    raise AssertionError("six chords of a mode cannot all be neighbours")


# --- chords that somebody gave -----------------------------------------------------------------


def _plan_with_chart(
    grid: Grid,
    sections: tuple[Section, ...],
    hits: Sequence[int],
    cadence: int | None,
    style: str,
    settings: MusicSettings,
) -> Plan:
    """Return the plan with the settings' chords going round until the end."""
    bars = parse_chords(settings.chords, grid.metre)
    exact = has_places(settings.chords)
    laid = [
        replace(chord, step=line + chord.step)
        for i, line in enumerate(grid.bar_lines)
        for chord in bars[i % len(bars)]
        if line + chord.step < grid.steps
    ]
    chords = [laid[0]]
    for chord in laid[1:]:
        if not _same(chord, chords[-1]):
            chords.append(chord)
    sections = _in_key_of(chords, sections, grid.steps, settings)
    if cadence is not None and not exact and len(bars) < len(grid.bar_lines):
        # A chart that goes round is cut off by the end, so the tonic is put there.
        home = sections[-1]
        tonic = _at_rest(cadence_of(home.mode, style).tonic.chord(cadence, home.key))
        chords = [chord for chord in chords if chord.step < cadence]
        while chords and _same(tonic, chords[-1]):
            chords.pop()
        chords.append(tonic if chords else replace(tonic, step=0))
    if not exact:
        chords = _moved_to_hits(chords, hits, grid)
    if chords[-1].step != cadence:
        cadence = None
    return Plan(grid.metre, tuple(chords), sections, tuple(hits), cadence, grid.steps, style)


def _moved_to_hits(chords: Sequence[Chord], hits: Sequence[int], grid: Grid) -> list[Chord]:
    """Return the chords with the nearest change moved onto each hit point, or one put there."""
    reach = grid.metre.beat * 3 // 2
    out = list(chords)
    met = set(hits)
    for hit in hits:
        i = bisect_left(out, hit, key=_step)
        if i < len(out) and out[i].step == hit:
            continue
        near = [
            j
            for j in (i - 1, i)
            if 0 < j < len(out) and abs(out[j].step - hit) <= reach and out[j].step not in met
        ]
        if near:
            j = min(near, key=lambda j: abs(out[j].step - hit))
            out[j] = replace(out[j], step=hit)
            continue
        # The user's chords are the only ones: the one that sounds is turned over.
        out.insert(i, _turned(replace(out[i - 1], step=hit), out[i - 1]))
    return out


def _step(placed: Chord | Section) -> int:
    """Return the step at which a chord or a section begins."""
    return placed.step


def _in_key_of(
    chords: Sequence[Chord], sections: tuple[Section, ...], end: int, settings: MusicSettings
) -> tuple[Section, ...]:
    """Return the sections in the key that the given chords are in.

    A section whose own scale holds most of its chord tones keeps it; the others get the key and
    mode of the whole chart. What the settings name is kept in any case.
    """
    ends = [*[chord.step for chord in chords[1:]], end]
    key, mode = key_of([(c, stop - c.step) for c, stop in zip(chords, ends, strict=True)])
    if settings.tonic != "auto":
        key = PITCH_NAMES.index(settings.tonic)
    if settings.mode != "auto":
        mode = settings.mode
    steps = [chord.step for chord in chords]
    out = []
    for section, following in zip(sections, [*sections[1:], None], strict=True):
        stop = end if following is None else following.step
        first = max(0, bisect_right(steps, section.step) - 1)
        inside = chords[first : bisect_left(steps, stop)]
        scale = {(section.key + degree) % 12 for degree in SCALES[section.mode]}
        tones = [tone for chord in inside for tone in chord.tones]
        own = sum(tone in scale for tone in tones) >= OWN_SCALE * len(tones)
        out.append(section if own else replace(section, key=key, mode=mode))
    return tuple(out)
