"""The report: everything that went into a scored film, as JSON."""

import json
from dataclasses import asdict
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import emsync
from emsync.emotion.mapping import nearest_category
from emsync.emotion.reading import EMOTIONS
from emsync.pipeline import Result

_LIBRARIES = ("torch", "numpy", "av", "pyfluidsynth", "pretty_midi", "gradio")


def report_of(result: Result) -> dict[str, Any]:
    """Plain values for JSON. Times in seconds; the film is named, not located."""
    analysis, piece = result.analysis, result.composition
    film = analysis.film
    return {
        "emsync": emsync.__version__,
        "libraries": _versions(),
        "film": {
            "name": film.path.name,
            "seconds": film.duration,
            "width": film.width,
            "height": film.height,
            "rotation": film.rotation,
            "frames": film.frame_count,
            "frames_per_second": film.frame_rate,
            "variable_frame_rate": film.variable_frame_rate,
            "codec": film.video_codec,
            "has_audio": film.has_audio,
        },
        "settings": asdict(result.settings),
        "cuts": [asdict(cut) for cut in analysis.cuts],
        "emotion": {
            "source": analysis.reading.source,
            "probabilities": dict(zip(EMOTIONS, analysis.reading.probabilities, strict=True)),
            "scenes": [
                {
                    "start": scene.start,
                    "end": scene.end,
                    **dict(zip(EMOTIONS, scene.probabilities, strict=True)),
                }
                for scene in analysis.reading.scenes
            ],
            "modalities": [
                {
                    "modality": report.modality,
                    "status": report.status,
                    "detail": report.detail,
                    "findings": dict(report.findings),
                    "transcript": [
                        {"start": start, "end": end, "text": text}
                        for (start, end), text in report.transcript
                    ],
                    "pictures": [picture.caption for picture in report.pictures],
                    "seconds": report.seconds,
                    "device": report.device,
                }
                for report in analysis.reading.reports
            ],
            "pooled_from": [
                {
                    "modality": voice.modality,
                    "reliability": voice.reliability,
                    **dict(zip(EMOTIONS, voice.probabilities, strict=True)),
                }
                for voice in analysis.reading.voices
            ],
        },
        "mood": {
            **asdict(result.mood),
            "given_by_user": result.mood_given,
            "nearest_by_mahalanobis": nearest_category(result.mood, result.settings.mood),
            "nearest_by_likelihood": nearest_category(
                result.mood, result.settings.mood, "likelihood"
            ),
            "curve": [
                {"start": start, "end": end, **asdict(mood)}
                for start, end, mood in result.curve.stretches(float(film.duration))
            ],
        },
        "music": {
            "seed": piece.seed,
            "weights": piece.weights,
            "weights_sha256": piece.weights_sha256,
            "regressor_sha256": piece.regressor_sha256,
            "weights_tiers": list(piece.weights_tiers),
            "tokens": len(piece.tokens),
            "notes": len(piece.notes),
            "notes_by_group": _notes_by_group(result),
            "beats_per_minute": piece.beats_per_minute,
            "chord_token_times": list(piece.chords),
            "boundaries": [{**asdict(hit), "offset": hit.offset} for hit in piece.boundaries],
            "hits": {
                "with_boundaries": asdict(piece.score),
                "same_seed_without": (
                    None if piece.score_without is None else asdict(piece.score_without)
                ),
            },
            "ended_on_chord": piece.ended_on_chord,
            "quality": asdict(piece.quality),
            "faults": list(piece.faults),
            "candidates": [asdict(candidate) for candidate in piece.candidates],
            "kept_candidate": piece.kept,
            "compose_seconds": piece.compose_seconds,
            "tokens_per_second": piece.tokens_per_second,
            "remarks": list(piece.remarks),
        },
        "sound": {"soundfont": result.soundfont},
        "picture": asdict(result.mux),
        "seconds_per_stage": result.seconds,
    }


def write_report(result: Result) -> None:
    """Write `report_of(result)` to `result.report`; it appears whole or not at all."""
    partial = result.report.with_suffix(".partial")
    text = json.dumps(report_of(result), indent=1, default=_plain, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(result.report)


def _plain(value: object) -> float | str:
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, Path):
        return value.name
    raise TypeError(f"{type(value).__name__} has no place in a report")


def _notes_by_group(result: Result) -> dict[str, int]:
    groups = [note.group for note in result.composition.notes]
    return {group: groups.count(group) for group in sorted(set(groups))}


def _versions() -> dict[str, str]:
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
