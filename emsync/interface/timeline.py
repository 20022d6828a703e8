"""The timeline that the player shows: a scored film as plain values, small enough for a page.

Times are in seconds from the film's start, rounded to a thousandth; a tick of the music has eight.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emsync.emotion.mapping import mood_of
from emsync.emotion.reading import EMOTIONS
from emsync.interface.music_words import in_words, kind_of, with_signs
from emsync.interface.views import emotion_at
from emsync.music.notes import GROUPS, TICK_SECONDS

if TYPE_CHECKING:
    from emsync.emotion.reading import SceneReading
    from emsync.film.footage import Still
    from emsync.music.composer import Draft
    from emsync.music.composition import Composition
    from emsync.results import Result
    from emsync.settings import MoodSettings

_GROUP_NUMBERS = {name: number for number, name in enumerate(GROUPS)}


def timeline_of(result: "Result") -> dict[str, Any]:
    """Return what the player shows of a scored film.

    Returns:
        Plain values for JSON:
        seconds     of the film
        groups      names of the instrument groups
        notes       [[index of the group, MIDI pitch, start, end, velocity, 1 if it belongs to the
                    melody, else 0], ...] by start
        chords      [seconds, ...] of the strong chords
        bars        [seconds, ...] at which bars begin; as the three below empty unless planned
        symbols     [[seconds, chord symbol], ...], each until the next
        sections    [[seconds, letter], ...], each until the next
        plan        key, tempo, metre and style in words
        boundaries  [{"asked", "hit": seconds or null, "offset": hit - asked or null,
                    "kind": "cut" or "ending"}, ...]
        cuts        [{"time", "score", "kept"}, ...]
        scenes      [{"start", "end", "valence", "arousal", "emotion": the likeliest,
                    "share": its probability, "picture": a data address or ""}, ...]; a scene
                    has the picture nearest to its middle, if one was taken within it
        curve       [{"start", "end", "valence", "arousal"}, ...]: what was composed for
        said, read  [{"start", "end", "text"}, ...]: speech, and letters on the screen
        words       the roll in words
        moods       what the film was read as, and what was composed for
    """
    analysis, piece = result.analysis, result.composition
    seconds = float(analysis.film.duration)
    return {
        "seconds": _rounded(seconds),
        "groups": list(GROUPS),
        "notes": _notes(piece),
        "chords": [_rounded(at) for at in piece.chords],
        "bars": [] if piece.plan is None else [_rounded(at) for at in piece.bars],
        "symbols": [[_rounded(at), with_signs(symbol)] for at, symbol in piece.symbols],
        "sections": [[_rounded(at), letter] for at, letter in piece.sections],
        "plan": kind_of(piece),
        "boundaries": [
            {
                "asked": _rounded(boundary.asked),
                "hit": None if boundary.hit is None else _rounded(boundary.hit),
                "offset": None if boundary.offset is None else _rounded(boundary.offset),
                "kind": boundary.kind,
            }
            for boundary in piece.boundaries
        ],
        "cuts": [
            {"time": _rounded(float(cut.time)), "score": _rounded(cut.score), "kept": cut.kept}
            for cut in analysis.cuts
        ],
        "scenes": [
            _scene(scene, analysis.pictures, replace(result.settings.mood, mode="mean"))
            for scene in analysis.reading.scenes
        ],
        "curve": [
            {
                "start": _rounded(start),
                "end": _rounded(end),
                "valence": _rounded(mood.valence),
                "arousal": _rounded(mood.arousal),
            }
            for start, end, mood in result.curve.stretches(seconds)
        ],
        "said": _transcript(result, "asr"),
        "read": _transcript(result, "ocr"),
        "words": in_words(piece),
        "moods": _moods(result),
    }


def _notes(piece: "Composition") -> list[list[Any]]:
    """Return the notes by start, as rows of `timeline_of`."""
    leads = piece.lead or (False,) * len(piece.notes)
    rows = [
        [
            _GROUP_NUMBERS[note.group],
            note.pitch,
            _rounded(note.start),
            _rounded(note.end),
            note.velocity,
            int(is_lead),
        ]
        for note, is_lead in zip(piece.notes, leads, strict=True)
    ]
    return sorted(rows, key=lambda row: row[2])


def sketch_of(draft: "Draft", seconds: float) -> dict[str, Any]:
    """Return what the player shows of a piece that is being written.

    Args:
        draft: of the piece.
        seconds: of the film.

    Returns:
        Plain values for JSON: seconds, words, groups as in `timeline_of`, and notes as there but
        without velocities. A note that still sounds ends where the draft ends.
    """
    notes = draft.notes()
    starts, ends = notes.start * TICK_SECONDS, notes.end * TICK_SECONDS
    columns = (notes.group, notes.pitch, starts.round(3), ends.round(3))
    return {
        "seconds": _rounded(seconds),
        "groups": list(GROUPS),
        "notes": [
            list(row)
            for row in zip(*(column.tolist() for column in columns), strict=True)
            if row[2] < seconds
        ],
        "words": draft.doing,
    }


def blank_of(seconds: float) -> dict[str, Any]:
    """Return what the player shows of a piece of which nothing is written, as `sketch_of`.

    Args:
        seconds: of the film.
    """
    words = "Notes appear here as they are written"
    return {"seconds": _rounded(seconds), "groups": list(GROUPS), "notes": [], "words": words}


def feeling(probabilities: Sequence[float]) -> str:
    """Return the emotion that a film or scene was read as; "mixed" where none wins clearly."""
    second, first = sorted(probabilities)[-2:]
    if first < 1 / len(EMOTIONS) + _OVER_CHANCE or first - second < _AHEAD:
        return "mixed"
    return EMOTIONS[list(probabilities).index(first)]


def _moods(result: "Result") -> str:
    """Return what the film was read as; where the user chose otherwise, that as well."""
    film = feeling(result.analysis.reading.probabilities)
    if not result.mood_given:
        return f"Film: {film}"
    is_one = len(result.curve.starts) == 1
    music = emotion_at(result.mood, result.settings) if is_one else "by scene"
    return f"Film: {film} · Music: {music or 'own mood'}"


_OVER_CHANCE, _AHEAD = 0.05, 0.03
"""By which the likeliest emotion has to lie above chance, and before the next, to be named."""


def _scene(
    scene: "SceneReading", pictures: Sequence["Still"], settings: "MoodSettings"
) -> dict[str, Any]:
    mood = mood_of(scene.probabilities, settings)
    share = max(scene.probabilities)
    middle = (scene.start + scene.end) / 2
    # The nearest of all would show a long film's neighbouring scene where this one has no picture.
    within = [still for still in pictures if scene.start <= still.time < scene.end]
    nearest = min(within, key=lambda still: abs(still.time - middle), default=None)
    return {
        "start": _rounded(float(scene.start)),
        "end": _rounded(float(scene.end)),
        "valence": _rounded(mood.valence),
        "arousal": _rounded(mood.arousal),
        "emotion": feeling(scene.probabilities),
        "share": _rounded(share),
        "picture": "" if nearest is None else _data_address(nearest.jpeg),
    }


def _transcript(result: "Result", modality: str) -> list[dict[str, Any]]:
    return [
        {"start": _rounded(start), "end": _rounded(end), "text": text}
        for report in result.analysis.reading.reports
        if report.modality == modality
        for (start, end), text in report.transcript
    ]


def _data_address(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _rounded(number: float) -> float:
    return round(float(number), 3)
