"""Read a report, so that its piece can be composed again. A report may come from a stranger."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StrictBool, ValidationError

import emsync
from emsync.emotion.analysis import Analysis
from emsync.emotion.curve import MoodRequest
from emsync.emotion.features.report import FeatureReport, Status
from emsync.emotion.mapping import Mood
from emsync.emotion.reading import EMOTIONS, EmotionReading, LabelledReading, SceneReading, Voice
from emsync.errors import EmsyncError
from emsync.film.film import Film
from emsync.film.scenes import Cut, CutKind
from emsync.music.notes import GROUPS
from emsync.music.passage import Passage
from emsync.presets import from_plain, of_its_time
from emsync.process.files import digest
from emsync.process.json_files import read_json
from emsync.report.versions import COMPOSING, VERSION, VERSIONS, digest_of, machine, versions
from emsync.settings import Settings
from emsync.text import one_line, quoted

if TYPE_CHECKING:
    from emsync.music.composer import ComposerWeights

LARGEST_REPORT = 5_000_000
"""Bytes; that of a film of half an hour has some 220,000."""
MOST_PASSAGES = 500
"""Composed anew in one piece; each takes seconds to compose again."""
_FROM_REPORT = " (out of a report)"


@dataclass(frozen=True)
class Recorded:
    """What a report holds of a piece, such that it can be composed again.

    Attributes:
        settings: all of them, but for files.
        cuts: as the film was found to be cut.
        reading: of the film's emotion; without pictures and vectors.
        mood, mood_given: of the whole film, and whether the user gave it.
        request: asks for the moods that were composed for.
        film, film_sha256: name and content.
        weights, weights_sha256, regressor_sha256: of the generator and of what chose its openings.
        primer, primer_sha256: name and content of the MIDI file it went on from, if any.
        theme, theme_sha256: name and content of the MIDI file that its theme is from, if any.
        soundfont, soundfont_sha256: of one that was asked for, if any.
        versions: of EMSYNC and of the libraries on which the MIDI depends.
        machine: what the rounding of its processor depends on.
        passages: composed anew on top of the piece, one after the other.
    """

    settings: Settings
    cuts: tuple[Cut, ...]
    reading: EmotionReading
    mood: Mood
    mood_given: bool
    request: MoodRequest
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
    passages: tuple[Passage, ...] = ()

    def analysis(self, film: Film) -> Analysis:
        """Return `film` as the one of the report was read.

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
        """Return sentences on what is not as it was, so that the piece may come out otherwise."""
        music, sound = settings.music, settings.sound
        compared = [
            (f"the film is not “{self.film}” of the report", self.film_sha256, digest(film.path)),
            ("the generator's weights are others", self.weights_sha256, weights.sha256),
            ("the emotion regressor is another", self.regressor_sha256, weights.judge_sha256),
            (
                "the MIDI file to continue from is another",
                self.primer_sha256,
                digest_of(music.primer),
            ),
            ("the MIDI file of the theme is another", self.theme_sha256, digest_of(music.theme)),
            ("the SoundFont is another", self.soundfont_sha256, digest_of(sound.soundfont)),
        ]
        found = [f"{what[0].upper()}{what[1:]}." for what, then, now in compared if then != now]
        here = {"emsync": emsync.__version__, **versions()}
        for name, before in sorted(self.versions.items()):
            if here.get(name) != before:
                now = here.get(name, "not installed")
                found.append(f"{name} was {before} then, and is {now} now.")
        for name, now in machine().items():
            before = self.machine.get(name, "not told")
            if now != before:
                found.append(f"The machine is another: {name} was {before}, and is {now} now.")
        return tuple(found)


def read_report(path: Path) -> Recorded:
    """Return what a report holds of its piece.

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
        settings = of_its_time(plain.get("settings"), version)
        return _recorded(_Report.model_validate(plain), settings)
    except (EmsyncError, ValueError) as problem:
        reason = _reason(problem) if isinstance(problem, ValidationError) else str(problem)
        raise EmsyncError(
            f"The report {quoted(path.name)} cannot be used. {reason.rstrip('.')}. "
            "Choose one that was not changed by hand."
        ) from problem


# What a report must hold ------------------------------------------------------------------------


def _writable(text: str) -> str:
    """Refuse text with half a letter in it, which JSON can hold but no file and no terminal."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("half a letter")
    return text


_Number = Annotated[float, Field(strict=True, gt=-1e9, lt=1e9)]
_Text = Annotated[str, Field(strict=True), AfterValidator(_writable)]
_BarNumber = Annotated[int, Field(strict=True, ge=1, lt=1e6)]
_Word = Annotated[_Text, AfterValidator(one_line)]
"""Text that can be shown."""


class _Film(BaseModel):
    name: _Word
    sha256: _Word


class _FilesOfMusic(BaseModel):
    primer: _Word | None
    # There were no themes when only the free method was there.
    theme: _Word | None = None


class _FilesOfSound(BaseModel):
    soundfont: _Word | None


class _Settings(BaseModel):
    """The files that settings name; `from_plain` looks at the settings themselves."""

    music: _FilesOfMusic
    sound: _FilesOfSound


class _Cut(BaseModel):
    time: _Number
    score: _Number
    kept: StrictBool
    kind: CutKind = "hard"  # reports of before there were others do not say


class _Six(BaseModel):
    """Probabilities of `EMOTIONS`."""

    anger: _Number
    disgust: _Number
    fear: _Number
    joy: _Number
    sadness: _Number
    surprise: _Number

    def probabilities(self) -> tuple[float, ...]:
        """Return them in the order of `EMOTIONS`."""
        return tuple(getattr(self, emotion) for emotion in EMOTIONS)


class _Scene(_Six):
    start: _Number
    end: _Number


class _Voice(_Six):
    modality: _Text
    reliability: _Number


class _Said(BaseModel):
    start: _Number
    end: _Number
    text: _Text


class _Modality(BaseModel):
    modality: _Text
    status: Status
    detail: _Text
    findings: dict[_Text, _Text]
    seconds: _Number
    device: _Text
    transcript: tuple[_Said, ...]


class _Labelled(BaseModel):
    classifier: _Text
    source: _Text
    probabilities: dict[_Text, _Number]


class _Emotion(BaseModel):
    source: _Text
    probabilities: _Six
    scenes: tuple[_Scene, ...]
    modalities: tuple[_Modality, ...]
    pooled_from: tuple[_Voice, ...]
    others: tuple[_Labelled, ...] = ()


class _Mood(BaseModel):
    valence: _Number
    arousal: _Number

    def mood(self) -> Mood:
        """Return the mood.

        Raises:
            ValueError: it does not lie in [-1, 1].
        """
        return Mood(self.valence, self.arousal)


class _Stretch(_Mood):
    start: _Number


class _Moods(_Mood):
    given_by_user: StrictBool
    curve: tuple[_Stretch, ...]


class _Passage(BaseModel):
    bars: tuple[_BarNumber, _BarNumber]
    groups: tuple[_Text, ...]
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)]

    def passage(self) -> Passage:
        """Return the passage.

        Raises:
            ValueError: there can be none such.
        """
        unknown = [group for group in self.groups if group not in GROUPS]
        if unknown:
            raise ValueError("music.passages names a group that is none")
        return Passage(*self.bars, self.groups, self.seed)


class _Music(BaseModel):
    weights: _Word
    weights_sha256: _Word
    regressor_sha256: _Word
    primer_sha256: _Word | None = None
    theme_sha256: _Word | None = None
    passages: Annotated[tuple[_Passage, ...], Field(max_length=MOST_PASSAGES)] = ()


class _Sound(BaseModel):
    soundfont_sha256: _Word | None = None


class _Report(BaseModel):
    """What is read of a report; whatever else stands in it is passed over."""

    emsync: _Word
    libraries: dict[_Text, _Word]
    machine: dict[_Text, _Word]
    film: _Film
    settings: _Settings
    cuts: tuple[_Cut, ...]
    emotion: _Emotion
    mood: _Moods
    music: _Music
    sound: _Sound = _Sound()


_WANTED = {
    "model_type": "a group of names with values",
    "dict_type": "a group of names with values",
    "tuple_type": "a list",
    "float_type": "a number",
    "int_type": "a whole number",
    "greater_than_equal": "a number of reasonable size",
    "too_long": "a shorter list",
    "too_short": "a list of two",
    "greater_than": "a number of reasonable size",
    "less_than": "a number of reasonable size",
    "string_type": "text",
    "string_unicode": "text that can be written",
    "value_error": "text that can be written",  # of `_writable`
    "bool_type": "true or false",
}
"""What had to stand where Pydantic found an error of this type."""


def _reason(problem: ValidationError) -> str:
    """Return a sentence on the first thing that is wrong with a report."""
    error = problem.errors(include_url=False)[0]
    name = ""
    for step in error["loc"]:
        if step != "[key]":  # which stands behind a name that is itself at fault
            name += f"[{step}]" if isinstance(step, int) else f".{one_line(step)}"
    name = name.removeprefix(".")
    if error["type"] == "missing":
        return f"{name} is missing."
    if error["type"] == "literal_error":
        return f"{name} must be {error['ctx']['expected']}."
    return f"{name} must be {_WANTED.get(error['type'], 'something else')}."


# From what it holds to what composes --------------------------------------------------------------


def _recorded(report: _Report, settings: Any) -> Recorded:
    """Return what a report says of its piece.

    Args:
        report: the report.
        settings: as they stand in it.

    Raises:
        EmsyncError, ValueError: it says something that cannot be.
    """
    music, primer = report.music, report.settings.music.primer
    theme, soundfont = report.settings.music.theme, report.settings.sound.soundfont
    without_files = {
        **settings,
        "music": {**settings["music"], "primer": None, "theme": None},
        "sound": {**settings["sound"], "soundfont": None},
    }
    return Recorded(
        settings=from_plain(without_files),
        cuts=_cuts(report.cuts),
        reading=_reading(report.emotion),
        mood=report.mood.mood(),
        mood_given=report.mood.given_by_user,
        request=_request(report.mood.curve),
        film=report.film.name,
        film_sha256=report.film.sha256,
        weights=music.weights,
        weights_sha256=music.weights_sha256,
        regressor_sha256=music.regressor_sha256,
        primer=primer,
        primer_sha256=_digest(primer, music.primer_sha256, "music.primer_sha256"),
        theme=theme,
        theme_sha256=_digest(theme, music.theme_sha256, "music.theme_sha256"),
        soundfont=soundfont,
        soundfont_sha256=_digest(
            soundfont, report.sound.soundfont_sha256, "sound.soundfont_sha256"
        ),
        versions={
            "emsync": report.emsync,
            **{name: report.libraries[name] for name in report.libraries.keys() & COMPOSING},
        },
        machine=report.machine,
        passages=tuple(one.passage() for one in music.passages),
    )


def _digest(file: str | None, sha256: str | None, name: str) -> str | None:
    """Return the SHA-256 of a file that the settings name; None where they name none.

    Raises:
        EmsyncError: it is missing; `name` tells what it is called.
    """
    if file is not None and sha256 is None:
        raise EmsyncError(f"{name} is missing.")
    return None if file is None else sha256


def _cuts(cuts: Sequence[_Cut]) -> tuple[Cut, ...]:
    times = [Fraction(cut.time) for cut in cuts]
    if any(a >= b for a, b in pairwise([Fraction(0), *times])):
        raise EmsyncError("The times of the cuts must be above 0 and ascend.")
    return tuple(
        Cut(time, cut.score, cut.kept, cut.kind) for time, cut in zip(times, cuts, strict=True)
    )


def _request(curve: Sequence[_Stretch]) -> MoodRequest:
    changes = tuple((stretch.start, stretch.mood()) for stretch in curve)
    if not changes or changes[0][0] != 0 or any(a >= b for (a, _), (b, _) in pairwise(changes)):
        raise EmsyncError("mood.curve must begin at 0 and ascend.")
    return MoodRequest(changes=changes)


def _reading(emotion: _Emotion) -> EmotionReading:
    scenes = tuple(
        SceneReading(Fraction(scene.start), Fraction(scene.end), scene.probabilities())
        for scene in emotion.scenes
    )
    if not scenes or scenes[0].start != 0 or any(a.end != b.start for a, b in pairwise(scenes)):
        raise EmsyncError("emotion.scenes must begin at 0, and each where the last one ends.")
    return EmotionReading(
        probabilities=emotion.probabilities.probabilities(),
        source=emotion.source.removesuffix(_FROM_REPORT) + _FROM_REPORT,
        scenes=scenes,
        reports=tuple(_feature_report(modality) for modality in emotion.modalities),
        voices=tuple(
            Voice(voice.modality, voice.probabilities(), voice.reliability)
            for voice in emotion.pooled_from
        ),
        others=tuple(
            LabelledReading(
                other.classifier,
                other.source,
                tuple(other.probabilities),
                tuple(other.probabilities.values()),
            )
            for other in emotion.others
        ),
    )


def _feature_report(modality: _Modality) -> FeatureReport:
    return FeatureReport(
        modality=modality.modality,
        status=modality.status,
        detail=modality.detail,
        vectors=None,
        findings=tuple(modality.findings.items()),
        seconds=modality.seconds,
        device=modality.device,
        transcript=tuple(((said.start, said.end), said.text) for said in modality.transcript),
    )
