"""From a composition and how it is played to the page."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from statistics import median

from emsync.music.composition import Composition
from emsync.music.midi import PROGRAMS
from emsync.music.notes import Note
from emsync.performance.context import ON_HIT
from emsync.performance.notation.directions import (
    chord_of,
    dynamics_of,
    harmonies_of,
    marks_of,
    tempos_of,
    wedges_of,
)
from emsync.performance.notation.metre import Page, lay_page
from emsync.performance.notation.percussion import drum_of, needs_words
from emsync.performance.notation.placing import Placer, Tone, one_voice
from emsync.performance.notation.rhythm import Symbol, write_bar
from emsync.performance.notation.score import Clef, Part, Score, Staff
from emsync.performance.notation.spelling import Key, ToSpell, key_named, spell
from emsync.performance.notation.staves import divide
from emsync.performance.notation.voices import Chord, separate, without_gaps
from emsync.performance.performance import Performance

ORDER = ("guitar", "piano", "strings", "bass", "drums")
"""Groups from the top of the page."""
LOWEST_TREBLE, LOWEST_ON_TOP = 55, 60
"""Violins play down to G3; what lies below is read in bass clef. With nothing from middle C on
there is no treble staff."""
HIGH_GUITAR = 74
"""Median pitch, D5, from which a guitar's clef has no 8 below it, as ledger lines would abound."""
_SECOND = 2
"""Semitones of a step."""


def engrave(
    piece: Composition,
    played: Performance,
    title: str,
    programs: Sequence[tuple[str, int]] = (),
) -> Score:
    """Return a piece as a score.

    Args:
        piece: whose notes are written as they were composed, before anybody played them.
        played: tells bars, keys and how loud it is.
        title: of the film.
        programs: (group, General MIDI program) in place of those of `PROGRAMS`.
    """
    notes = [note for note in piece.notes if note.start < piece.seconds]
    first = min((note.start for note in notes), default=piece.seconds)
    last = max((min(note.end, piece.seconds) for note in notes), default=piece.seconds)
    page = lay_page(played.conductor.tempo_map, first, last)
    keys = _keys(played, page)
    hits = [one.hit for one in piece.boundaries if one.hit is not None]
    cuts = [one.hit for one in piece.boundaries if one.hit is not None and one.kind == "cut"]
    placers = {
        group: Placer(page, [note for note in notes if note.group == group]) for group in ORDER
    }
    place = _placing(placers.values(), notes, page)
    chords = _chords(piece, place)
    parts = []
    leads = piece.lead if len(piece.lead) == len(piece.notes) else (False,) * len(piece.notes)
    for group in ORDER:
        tones = one_voice(
            placers[group].tone(note, lead, any(abs(note.start - at) < ON_HIT for at in hits))
            for note, lead in zip(piece.notes, leads, strict=True)
            if note.group == group and note.start < piece.seconds
        )
        tones = [tone for tone in tones if tone.start < page.bars[-1].end]
        if not tones:
            continue
        is_kit = group == "drums"
        staves = (
            (_drum_staff(tones, page),) if is_kit else _staves(group, tones, page, keys, chords)
        )
        words = _drum_words(tones) if is_kit else ()
        program = (PROGRAMS | dict(programs))[group]
        signs = dynamics_of(played, group, page)
        struck = sorted(
            {
                symbol.start
                for voices in staves[0].bars
                for symbol in voices[0]
                if not symbol.is_rest
            }
        )
        wedges = wedges_of(played, group, [place(at) for at in cuts], page, struck)
        parts.append(Part(group, program, staves, signs, wedges, words))
    if not parts:  # a score has a part, if only of rests
        parts.append(Part("piano", PROGRAMS["piano"], (Staff("treble", _in_bars([[]], page)),), ()))
    end = page.bars[-1].end
    return Score(
        title,
        page,
        keys,
        tuple(parts),
        tempos_of(page),
        marks_of(piece, page, place),
        harmonies_of(piece, lambda at: _key_at(keys, page, at), place, end),
    )


def _keys(played: Performance, page: Page) -> tuple[tuple[int, Key], ...]:
    """Return the keys by the bars that they begin with; a key of no bar is left out."""
    found: dict[int, Key] = {}
    for one in played.conductor.keys:
        at = page.place_of(one.seconds)
        starts = [bar.start for bar in page.bars]
        bar = min(range(len(starts)), key=lambda number: abs(starts[number] - at))
        if at < page.bars[-1].end:
            found[0 if not found else bar] = key_named(one.name)
    rows = sorted(found.items())
    return tuple(
        row
        for before, row in zip([None, *rows], rows, strict=False)
        if before is None or before[1] != row[1]
    )


def _key_at(keys: Sequence[tuple[int, Key]], page: Page, at: int) -> Key:
    """Return the key that holds at a place; C major where there is none."""
    number = page.bar_at(at).number - page.bars[0].number
    index = bisect_right([bar for bar, _ in keys], number) - 1
    return keys[index][1] if index >= 0 else Key(0, False)


def _placing(
    placers: Iterable[Placer], notes: Sequence[Note], page: Page
) -> Callable[[float], int]:
    """Return what tells where marks stand: with notes of their moment, or on the nearest beat."""
    by_group = dict(zip(ORDER, placers, strict=True))
    known = sorted((note.start, note.group) for note in notes)

    def place(seconds: float) -> int:
        at = bisect_right(known, (seconds + ON_HIT, "")) - 1
        if at >= 0 and abs(known[at][0] - seconds) <= ON_HIT:
            return by_group[known[at][1]].place(seconds)
        found = round(page.place_of(seconds) / 12) * 12
        return min(max(found, 0), page.bars[-1].end - 1)

    return place


def _chords(piece: Composition, place: Callable[[float], int]) -> list[tuple[int, tuple[int, str]]]:
    """Return the chords of the plan, (root, quality), each with its place."""
    found = []
    for seconds, symbol in piece.symbols:
        chord = chord_of(symbol)
        if chord is not None:
            found.append((place(max(seconds, 0.0)), chord[:2]))
    return found


# Staves -------------------------------------------------------------------------------------------


def _staves(
    group: str,
    tones: Sequence[Tone],
    page: Page,
    keys: Sequence[tuple[int, Key]],
    chords: Sequence[tuple[int, tuple[int, str]]],
) -> tuple[Staff, ...]:
    """Return the staves of a pitched group."""
    voices: list[tuple[Clef, list[list[Chord]]]] = []
    for clef, some in _by_staff(group, tones):
        found = separate(some, 1 if group == "bass" else 2, group != "strings") if some else ([],)
        voices.append((clef, [without_gaps(voice, page) for voice in found]))
    names = _names([voice for _, both in voices for voice in both], page, keys, chords)
    return tuple(
        Staff(clef, _in_bars([[_named(c, names) for c in voice] for voice in both], page))
        for clef, both in voices
    )


def _by_staff(group: str, tones: Sequence[Tone]) -> list[tuple[Clef, list[Tone]]]:
    """Return clef and tones of each staff of a group."""
    low, high = min(tone.pitch for tone in tones), max(tone.pitch for tone in tones)
    if group == "bass":
        # Written an octave above where they sound, as for all basses.
        return [("bass", [replace(tone, pitch=tone.pitch + 12) for tone in tones])]
    if group == "guitar":
        is_high = median(tone.pitch for tone in tones) >= HIGH_GUITAR
        return [("treble" if is_high else "treble 8vb", list(tones))]
    if group == "strings" and low >= LOWEST_TREBLE:
        return [("treble", list(tones))]
    if group == "strings" and high < LOWEST_ON_TOP:
        return [("bass", list(tones))]
    upper, lower = divide(tones)
    return [("treble", upper), ("bass", lower)]


def _named(chord: Chord, names: dict[tuple[int, int], int]) -> Chord:
    tones = (replace(tone, name=names[tone.start, tone.pitch]) for tone in chord.tones)
    return replace(chord, tones=tuple(tones))


def _names(
    voices: Sequence[Sequence[Chord]],
    page: Page,
    keys: Sequence[tuple[int, Key]],
    chords: Sequence[tuple[int, tuple[int, str]]],
) -> dict[tuple[int, int], int]:
    """Return the names of all tones by their start and pitch."""
    places = [at for at, _ in chords]
    asked: list[ToSpell] = []
    ids: list[tuple[int, int]] = []
    for voice in voices:
        first = len(asked)
        numbers: list[range] = []
        for chord in voice:
            numbers.append(range(first, first + len(chord.tones)))
            first += len(chord.tones)
        for place, chord in enumerate(voice):
            sounding = bisect_right(places, chord.start) - 1
            beside = [n for n in (place - 1, place + 1) if 0 <= n < len(voice)]
            for own, tone in zip(numbers[place], chord.tones, strict=True):
                near = [n for n in numbers[place] if n != own]
                for other in beside:
                    near += [
                        n
                        for n, one in zip(numbers[other], voice[other].tones, strict=True)
                        if 0 < abs(one.pitch - tone.pitch) <= _SECOND
                    ]
                symbol = chords[sounding][1] if sounding >= 0 else None
                key = _key_at(keys, page, chord.start)
                asked.append(ToSpell(tone.pitch, key, symbol, tuple(near)))
                ids.append((tone.start, tone.pitch))
    return dict(zip(ids, spell(asked), strict=True))


def _in_bars(
    voices: Sequence[Sequence[Chord]], page: Page
) -> tuple[tuple[tuple[Symbol, ...], ...], ...]:
    """Return what is drawn of a staff, bar by bar: one voice where one is enough."""
    out = []
    begun = [0] * len(voices)
    for bar in page.bars:
        inside: list[list[Chord]] = []
        for number, voice in enumerate(voices):
            at = begun[number]
            while at < len(voice) and voice[at].end <= bar.start:
                at += 1
            begun[number] = at
            some = []
            while at < len(voice) and voice[at].start < bar.end:
                some.append(voice[at])
                at += 1
            if some:
                inside.append(some)
        if len(inside) == 2 and _are_one(*inside):
            inside = [[_joined(*pair) for pair in zip(*inside, strict=True)]]
        out.append(tuple(write_bar(some, bar) for some in inside or [[]]))
    return tuple(out)


def _are_one(upper: Sequence[Chord], lower: Sequence[Chord]) -> bool:
    """Return whether two voices have the same rhythm, so that one stem can carry both."""
    return [(c.start, c.end) for c in upper] == [(c.start, c.end) for c in lower]


def _joined(upper: Chord, lower: Chord) -> Chord:
    tones = sorted((*lower.tones, *upper.tones), key=lambda tone: tone.pitch)
    return replace(upper, tones=tuple(tones), staccato=upper.staccato and lower.staccato)


def _drum_staff(tones: Sequence[Tone], page: Page) -> Staff:
    """Return the staff of a drum kit: hands and feet on one stem.

    Drums do not last, so each stroke is written until the next one, or until its beat ends.
    """
    starts: dict[int, dict[tuple[str, int], Tone]] = {}
    for tone in tones:
        drum = drum_of(tone.pitch)
        starts.setdefault(tone.start, {})[drum.step, drum.octave] = tone
    voice = []
    for start, after in zip_longest(sorted(starts), sorted(starts)[1:], fillvalue=1 << 62):
        bar = page.bar_at(start)
        until = bar.start + bar.metre.group_of(start - bar.start)[1]
        struck = sorted(starts[start].values(), key=lambda tone: tone.pitch)
        voice.append(Chord(start, min(after, until), tuple(struck)))
    return Staff("percussion", _in_bars([voice], page))


def _drum_words(tones: Sequence[Tone]) -> tuple[tuple[int, str], ...]:
    """Return the names of unusual sounds where they are first played."""
    first: dict[int, int] = {}
    for tone in tones:
        if needs_words(tone.pitch):
            first.setdefault(tone.pitch, tone.start)
    return tuple((at, drum_of(key).name.lower()) for key, at in first.items())
