"""A film goes in; the same film comes out with music composed for it.

    film ─ probe ─ scenes ─ emotion ─▶ Analysis ─ compose ─▶ Piece ─ render ─ mux ─▶ Result

`analyse` looks at the film once; `compose_pieces` composes for an analysis, as often as knobs are
turned; `perform` plays a piece, as often as the sound is changed; `score` does the last two.
"""

import errno
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emsync.emotion.classifiers.read import read_emotion
from emsync.emotion.curve import MoodCurve, scene_curve
from emsync.emotion.features.cues import CueAccumulator
from emsync.emotion.features.panel import Panel
from emsync.emotion.mapping import Mood, mood_of
from emsync.errors import EmsyncError, ToolError
from emsync.film.examine import probe
from emsync.film.footage import SOUND_RATE, Footage, StillCollector, pictures_of
from emsync.film.frames import iter_audio, read_audio, stream_frames
from emsync.film.scenes import CutDetector
from emsync.film.speech import VoiceDetector
from emsync.process.gpu import GPU_FULL, free_gpu, gpu_is_full
from emsync.progress import CancelToken, ProgressCallback
from emsync.results import Analysis, Piece, Result
from emsync.settings import Settings, SoundSettings
from emsync.stages import StageClock, TimeLimits, bounded

if TYPE_CHECKING:
    import torch

    from emsync.music.composition import Composition
    from emsync.music.transformer.checkpoint import Checkpoint

log = logging.getLogger(__name__)


PICTURE_WIDTH = 160
"""Pixels: enough for brightness, saturation and motion."""


def analyse(
    path: Path,
    settings: Settings,
    tell: ProgressCallback,
    cancel: CancelToken,
    panel: Panel | None = None,
    limits: TimeLimits | None = None,
) -> Analysis:
    """Probe the film, find its cuts and read its emotion; it is decoded once.

    Args:
        path: of the film.
        settings: limits, cuts, and what the experts get to see.
        tell: receives the progress.
        cancel: stops every stage within a second or so.
        panel: the experts; without them the film is read by its cues alone.
        limits: what each stage may take; None for the usual times.

    Raises:
        FilmError: the film cannot be read or is outside the limits.
        ToolError: FFmpeg is missing or died.
        TooLong: a stage took longer than it may.
        EmsyncError: the experts shall run on a GPU that is not there.
        Cancelled: the owner asked to stop.
    """
    clock = StageClock(tell)
    with clock.stage("probe"):
        film = probe(path, settings.limits, cancel)
    seconds = clock.film_seconds = float(film.duration)
    if panel is not None:
        clock.extra["emotion"] = panel.expected_seconds(seconds, settings.experts)
    detector = CutDetector(settings.cuts)
    cues = CueAccumulator(settings.cuts.threshold)
    stills = StillCollector(film, settings.experts)
    with clock.stage("scenes") as advance:
        token = bounded(cancel, "scenes", seconds, limits)
        for number, frame in enumerate(stream_frames(film, token, PICTURE_WIDTH, stills.request)):
            detector.see(frame)
            cues.add_frame(frame)
            stills.see(frame)
            if number % 25 == 0:
                advance(min(float(frame.time / film.duration), 1.0))
    with clock.stage("emotion") as advance:
        token = bounded(cancel, "emotion", seconds, limits)
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
    limits: TimeLimits | None = None,
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
        limits: what each stage may take; None for the usual times.

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
    clock = StageClock(tell)
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
        token = bounded(cancel, "compose", seconds, limits)

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
    limits: TimeLimits | None = None,
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
        limits: what each stage may take; None for the usual times.

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
    clock = StageClock(tell)
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
        token = bounded(cancel, "render", seconds, limits)
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
        token = bounded(cancel, "mux", seconds, limits)
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
