"""The composers side by side: the same films, each scored by all of them.

A film is analysed once, by its cues alone, and every composer is asked with its usual settings and
the same seed. Video2Music is there twice: as published, and with its chords struck on the cuts,
which is ours. Statistics are `emsync.evaluation.statistics` under the names that the literature of
symbolic music has for them: PCHE, the entropy of the pitch classes; GPS, the likeness of
neighbouring bars in when notes begin; SI, the likeness of bars that are 3 to 8, 8 to 15, 15 s and
more apart (exact repetition alone, see `repetition`). A bar of Video2Music is 2 s, whatever it
plays.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from emsync.evaluation.av_align import SAMPLE_RATE, flow_peaks, motion, overlap, sound_onsets
from emsync.evaluation.spectrum import read_sound
from emsync.evaluation.statistics import statistics_of
from emsync.evaluation.tags import Tagger, tag_distance
from emsync.film.film import Film
from emsync.film.probe import probe
from emsync.music.composer import Composer, open_composer
from emsync.music.composition import Composition
from emsync.music.notes import TICK_SECONDS, table_of
from emsync.music.transformer.tokens import DecodedTokens
from emsync.pipeline import analyse, compose_pieces, perform
from emsync.progress import CancelToken, silent
from emsync.settings import ComposerName, MusicSettings, Settings, Video2MusicSettings

WAYS: Final[Mapping[str, MusicSettings]] = {
    "EMSYNC": MusicSettings(),
    "Video2Music": MusicSettings(composer="video2music"),
    "Video2Music, chords on cuts": MusicSettings(
        composer="video2music", video2music=Video2MusicSettings(accents=True)
    ),
}
"""What is compared."""


@dataclass(frozen=True)
class Scored:
    """One film scored in one way. NaN for what cannot be measured."""

    film: str
    way: str
    weights: str
    film_seconds: float
    cuts: int
    hits: int
    """Cuts that a strong chord met, by the notes alone."""
    compose_seconds: float
    """Once the weights are loaded."""
    notes_a_second: float
    pche: float
    """Bits."""
    gps: float
    si_short: float
    si_medium: float
    si_long: float
    mood_distance: float
    """Mean distance of valence and arousal asked for from those that the regressor hears."""
    av_align_frame: float
    """At one frame."""
    av_align_second: float
    """At one second."""
    av_align_chance: float
    """At one second, of the same onsets moved at random."""
    tags: float
    """KL of the tags of the music from those of the film's own sound, nats."""


def compare_composers(
    films: Sequence[Path],
    folder: Path,
    seed: int = 0,
    tagger: Tagger | None = None,
    weights: Path | None = None,
    advance: Callable[[float], None] = lambda share: None,
) -> list[Scored]:
    """Score every film in every way; what is made stays in `folder`, to be looked at.

    Args:
        films: that FFmpeg reads.
        folder: made if needed; each film gets a folder there, and each way one in that.
        seed: of all pieces.
        tagger: tells what a track sounds like; None: not measured.
        weights: of EMSYNC's generator; None for the shipped ones.
        advance: told the share that is done.

    Raises:
        EmsyncError: a film cannot be read, or weights or a SoundFont are missing.
    """
    composers: dict[ComposerName, Composer] = {
        name: open_composer(name, weights if name == "emsync" else None)
        for name in {music.composer for music in WAYS.values()}
    }
    found: list[Scored] = []
    for path in films:
        # The watcher of Video2Music is in the way of nobody.
        asked = Settings(music=WAYS["Video2Music"], seed=seed)
        analysis = analyse(probe(path), asked, silent, CancelToken())
        peaks = flow_peaks(*motion(analysis.film))
        for number, (way, music) in enumerate(WAYS.items()):
            made = folder / path.stem / str(number)
            made.mkdir(parents=True, exist_ok=True)
            settings = replace(asked, music=music)
            began = time.monotonic()
            piece = compose_pieces(
                analysis, settings, silent, CancelToken(), composers[music.composer]
            )[0]
            seconds = time.monotonic() - began
            result = perform(piece, made, settings.sound, silent, CancelToken())
            found.append(
                Scored(
                    film=path.name,
                    way=way,
                    weights=piece.composition.weights,
                    film_seconds=float(analysis.film.duration),
                    cuts=len(analysis.boundaries),
                    hits=piece.composition.score.strong_chords,
                    compose_seconds=seconds,
                    **of_music(piece.composition),
                    **_alignment(peaks, analysis.film, result.wav),
                    tags=_tags(tagger, result.wav, path if analysis.film.has_audio else None),
                )
            )
            advance(len(found) / (len(films) * len(WAYS)))
    return found


def of_music(piece: Composition) -> dict[str, float]:
    """Return what the notes of a piece say of it, by the names in `Scored`."""
    bars = tuple(round(at / TICK_SECONDS) for at in piece.bars)
    length = round(piece.seconds / TICK_SECONDS)
    found = statistics_of(DecodedTokens(table_of(piece.notes), bars, (), length))
    return {
        "notes_a_second": found.note_density,
        "pche": found.pitch_class_entropy,
        "gps": found.groove_consistency,
        "si_short": found.structure_short,
        "si_medium": found.structure_medium,
        "si_long": found.structure_long,
        "mood_distance": piece.candidates[piece.kept].mood_distance,
    }


def _alignment(peaks: np.ndarray, film: Film, music: Path) -> dict[str, float]:
    """Return how the onsets of the music meet the motion of a film.

    Args:
        peaks: of the motion, seconds; found once, for every way is put under the same picture.
        film: whose they are.
        music: file.
    """
    onsets, seconds = sound_onsets(read_sound(music, SAMPLE_RATE)), float(film.duration)
    at_frame = overlap(peaks, onsets, float(1 / film.frame_rate), seconds)
    at_second = overlap(peaks, onsets, 1.0, seconds)
    return {
        "av_align_frame": at_frame.score,
        "av_align_second": at_second.score,
        "av_align_chance": at_second.by_chance,
    }


def _tags(tagger: Tagger | None, music: Path, film: Path | None) -> float:
    """Return the divergence of the tags; NaN without a tagger, or where the film has no sound."""
    if tagger is None or film is None:
        return math.nan
    return tag_distance(tagger, music, film).divergence


def side_by_side(found: Sequence[Mapping[str, Any]]) -> str:
    """Return a table with a column for each way, as Markdown.

    Args:
        found: of each `Scored`, its values by name.
    """
    ways = list(dict.fromkeys(one["way"] for one in found))
    rows = {way: [one for one in found if one["way"] == way] for way in ways}
    films, seconds = len(rows[ways[0]]), sum(one["film_seconds"] for one in rows[ways[0]])
    cuts = sum(one["cuts"] for one in rows[ways[0]])

    def mean(way: str, name: str) -> float:
        values = np.array([one[name] for one in rows[way]], float)
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else math.nan

    def total(way: str, name: str) -> float:
        return float(sum(one[name] for one in rows[way]))

    def row(title: str, value: Callable[[str], float], form: str = ".2f") -> str:
        cells = ["–" if math.isnan(number) else format(number, form) for number in map(value, ways)]
        return f"| {' | '.join([title, *cells])} |"

    lines = [
        f"| {' | '.join([f'{films} films, {seconds:.0f} s', *ways])} |",
        f"| {' | '.join(['---'] * (len(ways) + 1))} |",
        f"| weights | {' | '.join(rows[way][0]['weights'] for way in ways)} |",
        row(f"cuts met by a strong chord, of {cuts}", lambda way: total(way, "hits"), ".0f"),
        row("AV-Align at one frame", lambda way: mean(way, "av_align_frame"), ".3f"),
        row("AV-Align at one second", lambda way: mean(way, "av_align_second"), ".3f"),
        row("… by chance", lambda way: mean(way, "av_align_chance"), ".3f"),
        row("mood asked for and heard: distance", lambda way: mean(way, "mood_distance")),
        row("KL of the tags from the film's own sound", lambda way: mean(way, "tags")),
        row("PCHE, bits", lambda way: mean(way, "pche")),
        row("GPS", lambda way: mean(way, "gps")),
        row("SI, 3 to 8 s", lambda way: mean(way, "si_short")),
        row("SI, 8 to 15 s", lambda way: mean(way, "si_medium")),
        row("SI, 15 s and more", lambda way: mean(way, "si_long")),
        row("notes a second", lambda way: mean(way, "notes_a_second"), ".1f"),
        row(
            "seconds to compose a minute of film",
            lambda way: 60 * total(way, "compose_seconds") / total(way, "film_seconds"),
            ".1f",
        ),
    ]
    return "\n".join(lines) + "\n"


def plain(found: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return plain values for JSON."""
    return [asdict(one) for one in found]
