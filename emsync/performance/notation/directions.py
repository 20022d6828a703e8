"""What stands over and under the notes: tempos, sections, scenes, hits, chords, dynamics."""

import re
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

from emsync.emotion.mapping import Mood
from emsync.music.composition import Composition
from emsync.music.notes import Note
from emsync.music.planning.plan import QUALITIES
from emsync.performance.context import CRESCENDO_QUARTERS
from emsync.performance.notation.metre import DIVISIONS, TICKS, Page
from emsync.performance.notation.score import Dynamic, Harmony, Mark, Tempo, Wedge
from emsync.performance.notation.spelling import Key, bass_name, chord_names
from emsync.performance.performance import Performance

Place = Callable[[float], int]
"""Division of the page at which a moment in seconds stands."""

PRINTED_CHANGE = 0.07
"""Share by which a tempo must differ from the last one on the page to be printed. Ours: the beat
gives way by `grid.LARGEST_WARP`, 0.04, on either side so that chords meet cuts, and no player
wants to read that."""
_SIGNS = (("pp", 36), ("p", 50), ("mp", 65), ("mf", 80), ("f", 96), ("ff", 112))
"""Signs of loudness and the MIDI velocities they stand for."""
_NEW_SIGN = 2.5
"""Bars that must be a whole sign louder or softer for a new sign. Ours."""
_BETWEEN_SIGNS = 15
_HEARD_RISE = 5
"""Steps of velocity, about a decibel, by which the second half of a crescendo is louder."""
_FEWEST_UNDER = 2
"""Notes under a crescendo."""
EARLY = 3
"""Divisions by which players may come before the bar line that they mean."""
_NEUTRAL = 0.2
"""Valence and arousal up to which there is nothing to be said of a mood."""
_SYMBOL = re.compile(r"([A-G][b#]?)([^/]*)(?:/([A-G][b#]?))?")
_CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ALIASES = {"min": "m", "maj": "", "maj6": "6", "min6": "m6", "min7": "m7", "hdim7": "m7b5"}
"""Qualities as the composer "video2music" writes them."""


def tempos_of(page: Page) -> tuple[Tempo, ...]:
    """Return the tempos of a piece that a player should see marked."""
    found: dict[int, Tempo] = {}
    for tick, quarter in page.tempo_map.tempos:
        at = max(0, round((tick - page.origin) / TICKS))
        if at < page.bars[-1].end:
            found[at] = Tempo(at, 60e6 / quarter, page.bar_at(at).metre.is_compound)
    kept: list[Tempo] = []
    for one in found.values():
        if not kept or abs(one.quarters / kept[-1].quarters - 1) > PRINTED_CHANGE:
            kept.append(one)
    return tuple(kept)


def marks_of(piece: Composition, page: Page, place: Place) -> tuple[Mark, ...]:
    """Return sections, scenes with their moods, and hits."""
    marks: list[Mark] = []
    seen: dict[str, int] = {}
    for at, letter in piece.sections:
        if at < piece.seconds:
            seen[letter] = seen.get(letter, 0) + 1
            again = "" if seen[letter] == 1 else f" {seen[letter]}"
            marks.append(Mark(place(max(at, 0.0)), "section", letter + again))
    for number, (start, _, mood) in enumerate(piece.curve.stretches(piece.seconds), 1):
        marks.append(Mark(place(start), "scene", f"Scene {number}: {mood_words(mood)}"))
    for number, one in enumerate(piece.boundaries, 1):
        if one.hit is not None and one.hit < piece.seconds and one.kind == "cut":
            marks.append(Mark(place(one.hit), "hit", f"Hit {number} {time_code(one.asked)}"))
    last = page.bars[-1].end
    return tuple(sorted((mark for mark in marks if mark.at < last), key=lambda mark: mark.at))


def mood_words(mood: Mood) -> str:
    """Return a mood in one or two words."""
    words = []
    if abs(mood.valence) > _NEUTRAL:
        words.append("bright" if mood.valence > 0 else "dark")
    if abs(mood.arousal) > _NEUTRAL:
        words.append("lively" if mood.arousal > 0 else "calm")
    return ", ".join(words) or "neutral"


def time_code(seconds: float) -> str:
    """Write a moment of the film in minutes, seconds and tenths: 1:05.3."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def chord_of(symbol: str) -> tuple[int, str, int | None] | None:
    """Return pitch class of the root, quality and pitch class of the bass of a chord symbol; None
    if it names no chord that has a sign."""
    match = _SYMBOL.fullmatch(symbol)
    if match is None:
        return None
    root, quality, bass = match.groups()
    quality = _ALIASES.get(quality, quality)
    if quality not in QUALITIES:
        return None
    return _class_of(root), quality, None if bass is None else _class_of(bass)


def _class_of(name: str) -> int:
    return (_CLASSES[name[0]] + {"b": -1, "#": 1}.get(name[1:], 0)) % 12


def harmonies_of(
    piece: Composition, key_at: Callable[[int], Key], place: Place, end: int
) -> tuple[Harmony, ...]:
    """Return the chord symbols before the division `end`, each once while it lasts."""

    def found() -> Iterator[Harmony]:
        for seconds, symbol in piece.symbols:
            chord = chord_of(symbol)
            at = place(max(seconds, 0.0))
            if chord is not None and at < end:
                root, quality, bass = chord
                key = key_at(at)
                names = chord_names(root, quality, key)
                low = None if bass is None else bass_name(bass, names, key)
                yield Harmony(at, names[0], quality, low)

    kept: dict[int, Harmony] = {}
    for one in found():
        kept[one.at] = one  # of two at one place the later one sounds
    chords = list(kept.values())
    changes = [
        one
        for before, one in zip([None, *chords], chords, strict=False)
        if before is None
        or (before.root, before.quality, before.bass) != (one.root, one.quality, one.bass)
    ]
    return tuple(changes)


def dynamics_of(played: Performance, group: str, page: Page) -> tuple[Dynamic, ...]:
    """Return the few signs that tell best how loud a group plays, at the beginnings of bars.

    The cheapest course through all bars is found: each bar costs how far its mean velocity is from
    its sign, each change `_NEW_SIGN`.
    """
    loud = _loudness(played.notes, group, page)
    if not loud:
        return ()
    costs = [0.0] * len(_SIGNS)
    came: list[list[int]] = []
    for bar in loud:
        cheapest = min(range(len(_SIGNS)), key=lambda sign: costs[sign])
        before = [
            sign if costs[sign] <= costs[cheapest] + _NEW_SIGN else cheapest
            for sign in range(len(_SIGNS))
        ]
        came.append(before)
        costs = [
            costs[origin]
            + (0.0 if origin == sign else _NEW_SIGN)
            + abs(loud[bar] - _SIGNS[sign][1]) / _BETWEEN_SIGNS
            for sign, origin in enumerate(before)
        ]
    sign = min(range(len(_SIGNS)), key=lambda one: costs[one])
    course: list[int] = []
    for before in reversed(came):
        course.append(sign)
        sign = before[sign]
    rows = list(zip(loud, reversed(course), strict=True))
    return tuple(
        Dynamic(page.bars[bar].start, *_SIGNS[now])
        for (bar, now), earlier in zip(rows, [-1, *(one for _, one in rows)], strict=False)
        if now != earlier
    )


def wedges_of(
    played: Performance, group: str, hits: Sequence[int], page: Page, struck: Sequence[int]
) -> tuple[Wedge, ...]:
    """Return the crescendos of a group into hits, where it plays one that is heard.

    Args:
        played: tells how loud it is.
        group: whose.
        hits: places, ascending, that are led into.
        page: with its bars.
        struck: places at which notes begin on the staff over which they stand, ascending.
    """
    notes = [(page.place_of(n.start), n.velocity) for n in played.notes if n.group == group]
    found: list[Wedge] = []
    for hit in hits:
        begin = max(hit - CRESCENDO_QUARTERS * DIVISIONS, found[-1].at if found else 0)
        under = [at for at in struck if begin <= at <= hit]
        middle = (begin + hit) / 2
        soft = [loud for at, loud in notes if begin - EARLY < at < middle - EARLY]
        strong = [loud for at, loud in notes if middle - EARLY < at < hit - EARLY]
        is_heard = soft and strong and fmean(strong) > fmean(soft) + _HEARD_RISE
        if is_heard and len(under) > _FEWEST_UNDER:
            found += [Wedge(under[0], True), Wedge(under[-1], False)]
    return tuple(found)


def _loudness(notes: Sequence[Note], group: str, page: Page) -> dict[int, float]:
    """Return the mean velocity of a group in each bar in which it begins notes."""
    found: dict[int, list[int]] = {}
    first = page.bars[0].number
    for note in notes:
        if note.group == group:
            bar = page.bar_at(page.place_of(note.start) + EARLY).number - first
            found.setdefault(bar, []).append(note.velocity)
    return {bar: sum(found[bar]) / len(found[bar]) for bar in sorted(found)}
