"""What the conductor's track of a piece says: tempo map, keys and markers."""

from itertools import pairwise

from emsync.music.composition import Composition
from emsync.music.judging.listening import class_weights, key_of, pitched_of
from emsync.music.notes import table_of
from emsync.music.planning.plan import ModeName
from emsync.performance.performance import Conductor, KeySignature, Marker
from emsync.performance.tempo_map import TempoMap, tempo_map_of_bars, tempo_map_of_grid

_ABOVE_MAJOR: dict[ModeName, int] = {
    "major": 0, "dorian": 2, "phrygian": 4, "lydian": 5, "mixolydian": 7, "minor": 9,
}  # fmt: skip
"""Semitones from the major key with the same accidentals up to the tonic of each mode."""
_MAJOR_KEYS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR_KEYS = ("Cm", "C#m", "Dm", "Ebm", "Em", "Fm", "F#m", "Gm", "G#m", "Am", "Bbm", "Bm")
"""By pitch class, spelled with the fewer accidentals."""
_MINOR_MODES = ("minor", "dorian", "phrygian")
UNNOTICED = 0.0005
"""Seconds; a chord that comes as near to its cut is on it."""


def conductor_of(piece: Composition) -> Conductor:
    """Return tempo map, key signatures and markers of a composition."""
    return Conductor(tempo_map_of(piece), _keys(piece), _markers(piece))


def tempo_map_of(piece: Composition) -> TempoMap:
    """Return the tempo map of a composition."""
    if piece.grid is not None:
        return tempo_map_of_grid(piece.grid)
    return tempo_map_of_bars(piece.bars, piece.seconds, piece.beats_per_minute)


def _keys(piece: Composition) -> tuple[KeySignature, ...]:
    """Return the keys of the plan; of a piece without one the key that its notes fit best."""
    if piece.plan is not None and piece.grid is not None:
        sections = piece.plan.sections
        times = piece.grid.seconds_of([section.step for section in sections]).tolist()
        names = [signature_of(section.key, section.mode) for section in sections]
        changes = [
            KeySignature(max(at, 0.0), name)
            for (before, name), at in zip(pairwise(["", *names]), times, strict=True)
            if name != before
        ]
        return (KeySignature(0.0, changes[0].name), *changes[1:])
    pitched = pitched_of(table_of(piece.notes))
    if not len(pitched):
        return ()
    key = key_of(class_weights(pitched))
    return (KeySignature(0.0, signature_of(key.tonic, "minor" if key.minor else "major")),)


def signature_of(tonic: int, mode: ModeName) -> str:
    """Return the key signature of a mode on a pitch class, as MIDI files name it.

    They know major and minor only: the others are written with their own accidentals, as the major
    key or, where their third is minor, the minor key that has the same.
    """
    major = (tonic - _ABOVE_MAJOR[mode]) % 12
    return _MINOR_KEYS[(major + 9) % 12] if mode in _MINOR_MODES else _MAJOR_KEYS[major]


def _markers(piece: Composition) -> tuple[Marker, ...]:
    """Return the names of moments: scenes by mood, sections, cuts, their chords, and harmony."""
    scenes = piece.curve.stretches(piece.seconds)
    rows = [
        (start, 0, f"Scene {number}: valence {mood.valence:+.2f}, arousal {mood.arousal:+.2f}")
        for number, (start, _, mood) in enumerate(scenes, 1)
    ]
    rows += [(max(at, 0.0), 1, f"Section {letter}") for at, letter in piece.sections]
    for number, one in enumerate(piece.boundaries, 1):
        name = f"Cut {number}" if one.kind == "cut" else "Ending"
        rows.append((one.asked, 2, name))
        if one.hit is not None and one.offset is not None and one.hit < piece.seconds:
            off = abs(one.offset) > UNNOTICED
            rows.append(
                (one.hit, 3, f"{name}: chord" + (f" {1000 * one.offset:+.0f} ms" if off else ""))
            )
    rows += [(max(at, 0.0), 4, symbol) for at, symbol in piece.symbols]
    return tuple(Marker(at, text) for at, _, text in sorted(rows) if at < piece.seconds)
