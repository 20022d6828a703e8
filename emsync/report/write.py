"""Write the report: everything that went into a scored film, as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import emsync
from emsync.emotion.analysis import Analysis
from emsync.emotion.mapping import nearest_category
from emsync.emotion.reading import EMOTIONS, EmotionReading
from emsync.film.film import Film, choose_sound
from emsync.music.planning.plan import PITCH_NAMES
from emsync.presets import to_plain
from emsync.process.files import digest, written_whole
from emsync.report.versions import VERSION, digest_of, machine, versions
from emsync.results import Result
from emsync.settings import MusicSettings
from emsync.weights import store as weights

if TYPE_CHECKING:
    from emsync.music.composition import Composition


def report_of(result: Result) -> dict[str, Any]:
    """Return plain values for JSON. Times in seconds; the film is named, not located."""
    settings = result.settings
    film = choose_sound(result.analysis.film, settings.sound.audio_track)
    return {
        "emsync_report": VERSION,
        "emsync": emsync.__version__,
        "libraries": versions(),
        "machine": machine(),
        "film": _film(film),
        "settings": to_plain(settings, "name"),
        "cuts": [asdict(cut) for cut in result.analysis.cuts],
        "emotion": _emotion(result.analysis),
        "mood": {
            **asdict(result.mood),
            "given_by_user": result.mood_given,
            "nearest_by_mahalanobis": nearest_category(result.mood, settings.mood),
            "nearest_by_likelihood": nearest_category(result.mood, settings.mood, "likelihood"),
            "curve": [
                {"start": start, "end": end, **asdict(mood)}
                for start, end, mood in result.curve.stretches(float(film.duration))
            ],
        },
        "music": _music(result.composition, settings.music),
        "performance": asdict(result.performance),
        "sound": {
            "soundfont": result.soundfont,
            "soundfont_sha256": digest_of(settings.sound.soundfont),
            "mix": asdict(result.mix),
        },
        "picture": asdict(result.mux),
        "seconds_per_stage": result.seconds,
    }


def write_report(result: Result) -> None:
    """Write `report_of(result)` to `result.report`.

    Raises:
        ToolError: it cannot be written, for example because the disk is full.
    """
    text = json.dumps(report_of(result), indent=1, default=_plain, allow_nan=False)
    with written_whole(result.report) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _plain(value: object) -> float:
    """Return a fraction as JSON can hold it."""
    if isinstance(value, Fraction):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no place in a report")


def _film(film: Film) -> dict[str, Any]:
    return {
        "name": film.path.name,
        "bytes": film.path.stat().st_size,
        "sha256": digest(film.path),
        "seconds": film.duration,
        "width": film.width,
        "height": film.height,
        "rotation": film.rotation,
        "frames": film.frame_count,
        "frames_per_second": film.frame_rate,
        "variable_frame_rate": film.variable_frame_rate,
        "codec": film.video_codec,
        "has_audio": film.has_audio,
        "seconds_of_picture": film.picture_seconds,
        "sound_tracks": [asdict(track) for track in film.sound_tracks],
        "sound_choice": film.sound_choice,
    }


def _emotion(analysis: Analysis) -> dict[str, Any]:
    """Return who read the film's emotion, and what every modality saw."""
    reading = analysis.reading
    return {
        "source": reading.source,
        "weights": _expert_weights(analysis),
        "probabilities": _six(reading.probabilities),
        "scenes": [
            {"start": scene.start, "end": scene.end, **_six(scene.probabilities)}
            for scene in reading.scenes
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
            for report in reading.reports
        ],
        "pooled_from": [
            {
                "modality": voice.modality,
                "reliability": voice.reliability,
                **_six(voice.probabilities),
            }
            for voice in reading.voices
        ],
        **_others(reading),
    }


def _others(reading: EmotionReading) -> dict[str, list[dict[str, Any]]]:
    """Return what classifiers of other labels make of the film; nothing if there are none."""
    others = [
        {
            "classifier": other.classifier,
            "source": other.source,
            "probabilities": dict(zip(other.labels, other.probabilities, strict=True)),
        }
        for other in reading.others
    ]
    return {"others": others} if others else {}


def _six(probabilities: Sequence[float]) -> dict[str, float]:
    return dict(zip(EMOTIONS, probabilities, strict=True))


def _music(piece: "Composition", settings: MusicSettings) -> dict[str, Any]:
    """Return what was composed, what with, and how well it met what was asked for."""
    return {
        "seed": piece.seed,
        "weights": piece.weights,
        "weights_sha256": piece.weights_sha256,
        "regressor_sha256": piece.regressor_sha256,
        "primer_sha256": digest_of(settings.primer),
        "theme_sha256": digest_of(settings.theme),
        "weights_tiers": list(piece.weights_tiers),
        "tokens": len(piece.written),
        "notes": len(piece.notes),
        "notes_by_group": _notes_by_group(piece),
        "beats_per_minute": piece.beats_per_minute,
        "plan": _plan(piece),
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
        "opening": piece.opening,
        "compose_seconds": piece.compose_seconds,
        "tokens_per_second": piece.tokens_per_second,
        "remarks": list(piece.remarks),
        **_passages(piece),
    }


def _passages(piece: "Composition") -> dict[str, Any]:
    """Return the passages that were composed anew, in their order; nothing if there are none."""
    told = [
        {"bars": [one.first, one.last], "groups": list(one.groups), "seed": one.seed}
        for one in piece.passages
    ]
    return {"passages": told} if told else {}


def _plan(piece: "Composition") -> dict[str, Any] | None:
    """Return what was planned, and the beat grid; None for a piece drawn freely.

    Nothing of it is read back: the settings and the seed give the same plan again.
    """
    plan, grid = piece.plan, piece.grid
    if plan is None or grid is None:
        return None

    def second(step: int) -> float:
        return float(grid.seconds_of(step))

    return {
        "style": plan.style,
        "metre": plan.metre.name,
        "tempi": [
            {"start": second(step), "beats_per_minute": grid.tempo_at(step)}
            for step, _ in grid.tempos
        ],
        "warp": piece.warp,
        "sections": [
            {
                "start": second(section.step),
                "letter": section.letter,
                "tonic": PITCH_NAMES[section.key],
                "mode": section.mode,
                "energy": section.energy,
                "groups": list(section.groups),
                "lead": section.lead,
            }
            for section in plan.sections
        ],
        "chords": [{"start": at, "symbol": symbol} for at, symbol in piece.symbols],
        "chart": piece.chart,
        "cadence": None if plan.cadence is None else second(plan.cadence),
        "melody_notes": sum(piece.lead),
    }


def _notes_by_group(piece: "Composition") -> dict[str, int]:
    groups = [note.group for note in piece.notes]
    return {group: groups.count(group) for group in sorted(set(groups))}


def _expert_weights(analysis: Analysis) -> dict[str, dict[str, str]]:
    """Return the SHA-256 of every file of the weights that the experts found installed.

    They are none if no expert looked, or if the reading is out of another report.
    """
    if not analysis.seconds or not any(
        report.status == "ran" and report.modality != "cues" for report in analysis.reading.reports
    ):
        return {}
    return {
        name: {file.path: file.sha256 for file in weights.installed(name)}
        for name in weights.REGISTRY
        if weights.status_of(name).installed
    }
