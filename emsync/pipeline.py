"""A film goes in; the same film comes out with music composed for it.

    film ─ probe ─ scenes ─ emotion ─▶ Analysis ─ compose ─▶ Piece ─ render ─ mux ─▶ Result

`analyse` looks at the film once; `compose_pieces` composes for an analysis, as often as knobs are
turned; `perform` plays a piece, as often as the sound is changed; `score` does the last two.
"""

import errno
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from emsync.emotion.classifiers.read import read_emotion
from emsync.emotion.curve import MoodCurve, scene_curve
from emsync.emotion.features.cues import CueAccumulator
from emsync.emotion.features.panel import Panel
from emsync.emotion.mapping import Mood, mood_of
from emsync.emotion.reading import EmotionReading
from emsync.errors import EmsyncError, ToolError
from emsync.film.examine import Film, probe
from emsync.film.footage import SOUND_RATE, Footage, Still, StillCollector, Stretch, pictures_of
from emsync.film.frames import iter_audio, read_audio, stream_frames
from emsync.film.scenes import Cut, CutDetector
from emsync.film.speech import VoiceDetector
from emsync.process.gpu import GPU_FULL, free_gpu, gpu_is_full
from emsync.progress import CancelToken, Progress, ProgressCallback
from emsync.settings import Settings, SoundSettings, StageLimits

if TYPE_CHECKING:
    import torch

    from emsync.music.composition import Composition
    from emsync.music.transformer.checkpoint import Checkpoint
    from emsync.sound.mux import MuxReport

log = logging.getLogger(__name__)

STAGES = ("probe", "scenes", "emotion", "compose", "render", "mux")

EXPECTED_SECONDS = {
    "probe": (0.2, 0.002),
    "scenes": (0.3, 0.04),
    "emotion": (0.2, 0.01),
    "compose": (2.0, 0.2),
    "render": (1.0, 0.03),
    "mux": (0.5, 0.12),
}
"""Seconds a stage takes: a fixed part, and a part per second of film. Round figures from
`make bench` on two cores; they serve the first estimate only, later ones follow the pace."""

_DOING = {
    "probe": "Opening the film",
    "scenes": "Finding the cuts",
    "emotion": "Reading the film's sound",
    "compose": "Composing the music",
    "render": "Playing the instruments",
    "mux": "Writing the scored film",
    "bundle": "Making stems and ZIP",
}
"""How the sentence begins that says which stage took too long."""

PICTURE_WIDTH = 160
"""Pixels: enough for brightness, saturation and motion."""


@dataclass(frozen=True)
class Analysis:
    """All that is known of a film before a note is written."""

    film: Film
    cuts: tuple[Cut, ...]
    reading: EmotionReading
    seconds: dict[str, float]
    """Wall time of each stage."""
    pictures: tuple[Still, ...] = ()
    """A small one of each scene, to show; none where the reading is out of a report."""

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Kept cuts, in seconds: where strong chords are wanted."""
        return tuple(float(cut.time) for cut in self.cuts if cut.kept)


@dataclass(frozen=True)
class Piece:
    """Music composed for an analysed film, not played yet."""

    analysis: Analysis
    settings: Settings
    """Those that give this piece again, whichever of the candidates it is."""
    mood: Mood
    """Of the whole film, or the first of the caller's in its place."""
    mood_given: bool
    """The caller said what to compose for, at least to begin with."""
    curve: MoodCurve
    """What was composed for: `mood` throughout, unless scenes or the caller changed it."""
    composition: "Composition"
    seconds: dict[str, float]
    """Wall time of each stage, those of the analysis included."""


@dataclass(frozen=True)
class Result:
    """A scored film and everything that comes with it. Files lie in the request's own folder."""

    piece: Piece
    settings: Settings
    """The piece's, with those of the sound that was made of it."""
    mux: "MuxReport"
    soundfont: str
    speech: tuple[Stretch, ...] | None
    """When somebody speaks in the film, if that was listened for."""
    video: Path
    midi: Path
    wav: Path
    report: Path
    seconds: dict[str, float]
    """Wall time of each stage, those of the analysis included."""

    @property
    def analysis(self) -> Analysis:
        return self.piece.analysis

    @property
    def composition(self) -> "Composition":
        return self.piece.composition

    @property
    def mood(self) -> Mood:
        return self.piece.mood

    @property
    def mood_given(self) -> bool:
        return self.piece.mood_given

    @property
    def curve(self) -> MoodCurve:
        return self.piece.curve


class Advance(Protocol):
    """Told the share done of a stage, in [0, 1], and what of it is under way."""

    def __call__(self, fraction: float, detail: str = "") -> None: ...


class _Clock:
    """Times the stages and estimates what is left."""

    def __init__(self, tell: ProgressCallback, stages: tuple[str, ...]) -> None:
        self.seconds: dict[str, float] = {}
        self.film_seconds: float | None = None
        self.extra: dict[str, float] = {}
        """Seconds that a stage is expected to take beside `EXPECTED_SECONDS`."""
        self._tell = tell
        self._stages = stages
        self._pace = 1.0

    @contextmanager
    def stage(self, name: str) -> Iterator["Advance"]:
        """Time a stage; yields the function to which it tells its share done."""
        began = time.monotonic()

        def advance(fraction: float, detail: str = "") -> None:
            left = self._left(name, fraction, time.monotonic() - began)
            self._tell(Progress(name, fraction, left, detail))

        advance(0.0)
        yield advance
        self.learn({name: time.monotonic() - began})
        advance(1.0)

    def learn(self, seconds: dict[str, float]) -> None:
        """Take in what stages took; later estimates follow that pace."""
        self.seconds |= seconds
        # The experts say nothing of the pace: how long they take depends on who is installed.
        known = [stage for stage in self.seconds if stage != "emotion"]
        expected = sum(self._expected(stage) for stage in known)
        if self.film_seconds is not None and expected > 1.0:
            self._pace = sum(self.seconds[stage] for stage in known) / expected

    def _expected(self, stage: str) -> float:
        fixed, per_second = EXPECTED_SECONDS[stage]
        return fixed + per_second * (self.film_seconds or 0.0) + self.extra.get(stage, 0.0)

    def _left(self, stage: str, fraction: float, elapsed: float) -> float | None:
        if self.film_seconds is None:
            return None
        here = self._pace * self._expected(stage) * (1 - fraction)
        if fraction > 0.1:
            here = elapsed / fraction * (1 - fraction)
        later = self._stages[self._stages.index(stage) + 1 :]
        return here + self._pace * sum(self._expected(name) for name in later)


def allowed_seconds(stage: str, film_seconds: float, limits: StageLimits) -> float:
    """How long a stage may take for a film of this length."""
    at_least, per_second = getattr(limits, stage)
    seconds: float = at_least + per_second * film_seconds
    return seconds


def bounded(
    cancel: CancelToken, stage: str, film_seconds: float, limits: StageLimits
) -> CancelToken:
    """A request's token for one stage: it ends, with a sentence, when the stage's time is over."""
    seconds = allowed_seconds(stage, film_seconds, limits)
    most = f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
    return cancel.within(
        seconds,
        f"{_DOING[stage]} was stopped: it took longer than the {most} that it "
        "may take for a film of this length. Try a shorter or smaller film, or try again when this "
        "machine has less to do.",
    )


def analyse(
    path: Path,
    settings: Settings,
    tell: ProgressCallback,
    cancel: CancelToken,
    panel: Panel | None = None,
    stages: StageLimits = StageLimits(),  # noqa: B008 (frozen)
) -> Analysis:
    """Probe the film, find its cuts and read its emotion; it is decoded once.

    Args:
        path: of the film.
        settings: limits, cuts, and what the experts get to see.
        tell: receives the progress.
        cancel: stops every stage within a second or so.
        panel: the experts; without them the film is read by its cues alone.
        stages: seconds that each stage may take.

    Raises:
        FilmError: the film cannot be read or is outside the limits.
        ToolError: FFmpeg is missing or died.
        TooLong: a stage took longer than it may.
        EmsyncError: the experts shall run on a GPU that is not there.
        Cancelled: the owner asked to stop.
    """
    clock = _Clock(tell, STAGES)
    with clock.stage("probe"):
        film = probe(path, settings.limits, cancel)
    seconds = clock.film_seconds = float(film.duration)
    if panel is not None:
        clock.extra["emotion"] = panel.expected_seconds(seconds, settings.experts)
    detector = CutDetector(settings.cuts)
    cues = CueAccumulator(settings.cuts.threshold)
    stills = StillCollector(film, settings.experts)
    with clock.stage("scenes") as advance:
        token = bounded(cancel, "scenes", seconds, stages)
        for number, frame in enumerate(stream_frames(film, token, PICTURE_WIDTH, stills.request)):
            detector.see(frame)
            cues.add_frame(frame)
            stills.see(frame)
            if number % 25 == 0:
                advance(min(float(frame.time / film.duration), 1.0))
    with clock.stage("emotion") as advance:
        token = bounded(cancel, "emotion", seconds, stages)
        # The experts want it in one piece; the cues look at it as it goes by.
        heard = 0 if panel is None or not film.has_audio else round(film.duration * SOUND_RATE)
        sound, done = np.zeros(heard, np.float32), 0
        for block in iter_audio(film, SOUND_RATE, token):
            cues.add_audio(block, SOUND_RATE)
            if len(sound):
                sound[done : done + len(block)] = block
                done += len(block)
        reading = cues.reading(detector.cuts, film.duration)
        if panel is not None:
            footage = Footage(
                seconds=seconds,
                scenes=tuple((float(scene.start), float(scene.end)) for scene in reading.scenes),
                stills=stills.stills,
                sound=sound,
            )
            reports = panel.consult(
                footage, settings.experts, lambda title, share: advance(share, title), cancel
            )
            fusion = panel.fusion()
            reading = read_emotion(reading, reports, footage, settings.experts, fusion)
    scenes = [(float(scene.start), float(scene.end)) for scene in reading.scenes]
    pictures = pictures_of(stills.stills, scenes)
    return Analysis(film, detector.cuts, reading, clock.seconds, pictures)


def draw_mood(analysis: Analysis, settings: Settings) -> Mood:
    """The mood that the settings make of a reading (thesis 6.1)."""
    return mood_of(analysis.reading.probabilities, settings.mood, _generator(settings))


def draw_curve(
    analysis: Analysis,
    settings: Settings,
    mood: Mood | None = None,
    changes: Sequence[tuple[float, Mood]] = (),
) -> MoodCurve:
    """The moods to compose for, over the film.

    Args:
        analysis: of the film.
        settings: whether the scenes are followed.
        mood: throughout, instead of the film's own.
        changes: (seconds, mood) ascending: the caller's, each from there on; scenes are not
            followed then.
    """
    if changes and changes[0][0] == 0:
        return MoodCurve(*zip(*changes, strict=True))
    base = draw_mood(analysis, settings) if mood is None else mood
    if changes or mood is not None or settings.mood.curve == "constant":
        return MoodCurve(*zip((0.0, base), *changes, strict=True))
    return scene_curve(analysis.reading.scenes, settings.mood, _generator(settings))


def _generator(settings: Settings) -> "torch.Generator | None":
    if settings.mood.mode == "mean":
        return None
    import torch

    return torch.Generator().manual_seed(settings.seed)


def compose_pieces(
    analysis: Analysis,
    settings: Settings,
    tell: ProgressCallback,
    cancel: CancelToken,
    checkpoint: "Checkpoint | None" = None,
    mood: Mood | None = None,
    changes: Sequence[tuple[float, Mood]] = (),
    sketch: "Callable[[tuple[int, ...], str], None] | None" = None,
    stages: StageLimits = StageLimits(),  # noqa: B008 (frozen)
) -> tuple[Piece, ...]:
    """Compose for an analysed film: as many candidates as the settings ask for, the best first.

    Args:
        analysis: from `analyse`; used again when only later knobs change.
        settings: all knobs.
        tell: receives the progress.
        cancel: stops within a token.
        checkpoint: the generator; the shipped one is loaded when it is None.
        mood: composed for instead of the film's own mood.
        changes: (seconds, mood) ascending: from there on another mood, whatever the film's scenes.
        sketch: told the tokens so far of a piece that is being drawn, and what is under way.
        stages: seconds that each stage may take.

    A generator on a GPU whose memory is full stays there for the next piece; a copy of it on the
    CPU begins this one anew, and the piece has a remark then.

    Raises:
        EmsyncError: a change of mood is asked for after the film's end.
        WeightsError, SoundError: something that is needed, here or to play it, is missing.
        TooLong: it took longer than it may.
        Cancelled: the owner asked to stop.
    """
    from emsync.music.transformer.checkpoint import load
    from emsync.music.transformer.compose import compose_all
    from emsync.sound.synth import find_soundfont, load_library

    seconds = float(analysis.film.duration)
    if changes and changes[-1][0] >= seconds:
        raise EmsyncError(
            f"A mood is asked for from {changes[-1][0]:g} s on, but the film lasts only "
            f"{seconds:.2f} s. Give an earlier moment."
        )
    clock = _Clock(tell, STAGES)
    clock.film_seconds = seconds
    clock.learn(analysis.seconds)
    # What is missing is said before the long stages, not after them.
    load_library()
    if settings.sound.soundfont is None:
        find_soundfont()
    generator = checkpoint or load()
    given = mood is not None or bool(changes and changes[0][0] == 0)
    with clock.stage("compose") as advance:
        curve = draw_curve(analysis, settings, mood, changes)
        token = bounded(cancel, "compose", seconds, stages)

        def compose(generator: "Checkpoint") -> "tuple[Composition, ...]":
            return compose_all(
                generator,
                curve,
                analysis.boundaries,
                seconds,
                settings.music,
                settings.seed,
                token,
                advance,
                sketch,
            )

        compositions: tuple[Composition, ...] = ()
        try:
            compositions = compose(generator)
        except Exception as error:
            if not (gpu_is_full(error) and generator.device == "cuda"):
                raise
            log.warning("the GPU's memory is full, the piece is composed on the CPU: %s", error)
        if not compositions:  # the error is gone by now, and with it what it held on the GPU
            free_gpu()
            compositions = tuple(
                replace(one, remarks=(*one.remarks, f"Composed on the CPU: {GPU_FULL}."))
                for one in compose(generator.on_cpu())
            )
    first = curve.moods[0] if given else draw_mood(analysis, settings)
    return tuple(
        Piece(
            analysis,
            replace(settings, music=replace(settings.music, keep=composition.keep)),
            first,
            given,
            curve,
            composition,
            clock.seconds,
        )
        for composition in compositions
    )


def perform(
    piece: Piece,
    folder: Path,
    sound: SoundSettings,
    tell: ProgressCallback,
    cancel: CancelToken,
    earlier: Result | None = None,
    stages: StageLimits = StageLimits(),  # noqa: B008 (frozen)
) -> Result:
    """Play a piece and put it under the picture.

    Args:
        piece: from `compose_pieces`.
        folder: the request's own; receives scored.mp4, music.mid, music.wav and report.json.
        sound: how it is to sound; those of the piece's own settings count no more.
        tell: receives the progress.
        cancel: stops every stage within a second or so.
        earlier: the same film scored before; its picture and what was heard in the film are used
            again.
        stages: seconds that each stage may take.

    Raises:
        SoundError, ToolError: something that is needed is missing, or the disk is full; see its
            text.
        TooLong: a stage took longer than it may.
        Cancelled: the owner asked to stop.
    """
    from emsync.music.midi import write_midi
    from emsync.report.write import write_report
    from emsync.sound.mix import master, mix_with_original, write_wav
    from emsync.sound.mux import Scored, mux
    from emsync.sound.stems import render_music
    from emsync.sound.synth import SoundFont, find_soundfont

    film, composition = piece.analysis.film, piece.composition
    clock = _Clock(tell, STAGES)
    seconds = clock.film_seconds = float(film.duration)
    clock.learn(piece.seconds)
    soundfont = (
        find_soundfont()
        if sound.soundfont is None
        else SoundFont(sound.soundfont, sound.soundfont.name)
    )
    midi, wav, video = folder / "music.mid", folder / "music.wav", folder / "scored.mp4"
    speech = None if earlier is None else earlier.speech
    with clock.stage("render") as advance:
        token = bounded(cancel, "render", seconds, stages)
        with writing(midi.name):
            write_midi(
                composition.notes, midi, film.duration, composition.beats_per_minute, sound.programs
            )
        if sound.original_sound == "duck" and film.has_audio and speech is None:
            heard = VoiceDetector().speech(read_audio(film, SOUND_RATE, token), token)
            speech = tuple(heard)
        # The only thing that is as long as the film: of half an hour it has 635 MB.
        music = render_music(
            midi, film.duration, sound, soundfont.path, token, lambda share: advance(0.8 * share)
        )
        music = master(music, sound)
        music = mix_with_original(music, film, sound, token, speech or ())
        write_wav(music, wav)
        del music
    with clock.stage("mux") as advance:
        token = bounded(cancel, "mux", seconds, stages)
        picture = None if earlier is None else Scored(earlier.video, earlier.mux)
        joined = mux(film, wav, video, advance, token, picture)
    result = Result(
        piece,
        replace(piece.settings, sound=sound),
        joined,
        soundfont.name,
        speech,
        video,
        midi,
        wav,
        folder / "report.json",
        clock.seconds,
    )
    with writing(result.report.name):
        write_report(result)
    return result


@contextmanager
def writing(name: str) -> Iterator[None]:
    """What the system says of a file that cannot be written becomes a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ToolError(f"The disk is full. Make room for {name} and try again.") from error
        raise ToolError(f"“{name}” cannot be written: {error.strerror or error}.") from error


def score(
    analysis: Analysis,
    folder: Path,
    settings: Settings,
    tell: ProgressCallback,
    cancel: CancelToken,
    checkpoint: "Checkpoint | None" = None,
    mood: Mood | None = None,
    changes: Sequence[tuple[float, Mood]] = (),
) -> Result:
    """`compose_pieces`, of which the best is performed; arguments and errors as for both."""
    pieces = compose_pieces(analysis, settings, tell, cancel, checkpoint, mood, changes)
    return perform(pieces[0], folder, settings.sound, tell, cancel)


def expected_seconds(film_seconds: float, stages: Sequence[str] = STAGES) -> float:
    """About how long these stages take a machine such as `EXPECTED_SECONDS` was measured on, the
    experts not counted."""
    return sum(
        fixed + per_second * film_seconds
        for fixed, per_second in (EXPECTED_SECONDS[stage] for stage in stages)
    )
