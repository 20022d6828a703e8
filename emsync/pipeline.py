"""A film goes in; the same film comes out with music composed for it.

    film ─ probe ─ scenes ─ emotion ─▶ Analysis
    Analysis ─ compose ─▶ Piece ─ perform ─ render ─ mux ─▶ Result

`analyse` looks at the film once; `compose_pieces` composes for an analysis, as often as knobs are
turned, and `recompose` a part of a piece; `perform` plays a piece, as often as the sound is
changed; `score` composes and performs.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emsync.emotion.analysis import Analysis
from emsync.emotion.classifiers.read import read_emotion
from emsync.emotion.curve import MoodRequest, draw_curve, draw_mood
from emsync.emotion.features.cues import CueAccumulator
from emsync.emotion.features.panel import Panel
from emsync.errors import EmsyncError
from emsync.film.film import Film, choose_sound
from emsync.film.footage import SOUND_RATE, Footage, StillCollector, Stretch, pictures_of
from emsync.film.frames import iter_audio, read_audio, stream_frames
from emsync.film.probe import probe
from emsync.film.scenes import open_detector
from emsync.film.speech import VoiceDetector
from emsync.progress import CancelToken, ProgressCallback
from emsync.results import Piece, Result
from emsync.settings import PerformanceSettings, Settings, SoundSettings
from emsync.stages import STAGES, Advance, StageClock, TimeLimits, bounded

if TYPE_CHECKING:
    from emsync.music.composer import Composer, Sketch
    from emsync.music.passage import Passage
    from emsync.performance.performance import PerformanceSummary
    from emsync.sound.desk import Desk
    from emsync.sound.mix import MixSummary
    from emsync.sound.synth import SoundFont

PICTURE_WIDTH = 160
"""Pixels: enough for brightness, saturation and motion."""


def analyse(
    film: Path | Film,
    settings: Settings,
    tell: ProgressCallback,
    cancel: CancelToken,
    panel: Panel | None = None,
    limits: TimeLimits | None = None,
) -> Analysis:
    """Probe the film, find its cuts and read its emotion; it is decoded once.

    Args:
        film: its path; or the film as it was probed already, which is not done again.
        settings: limits, cuts, what the experts get to see, and for which composer.
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
    from emsync.music.composer import open_watcher

    clock = StageClock(tell)
    if isinstance(film, Path):
        with clock.stage("probe"):
            film = probe(film, settings.limits, cancel)
    film = choose_sound(film, settings.sound.audio_track)
    seconds = clock.film_seconds = float(film.duration)
    if panel is not None:
        clock.extra["emotion"] = panel.expected_seconds(seconds, settings.experts)
    detector = open_detector(settings.cuts)
    cues = CueAccumulator(settings.cuts.threshold)
    stills = StillCollector(film, settings.experts)
    watcher = open_watcher(settings, film)
    wanted = None if watcher is None else watcher.request
    with clock.stage("scenes") as advance:
        token = bounded(cancel, "scenes", seconds, limits)
        frames = stream_frames(film, token, PICTURE_WIDTH, stills.request, wanted)
        for number, frame in enumerate(frames):
            detector.add_frame(frame)
            cues.add_frame(frame)
            stills.add_frame(frame)
            if watcher is not None:
                watcher.add_frame(frame)
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
            reading = read_emotion(reading, reports, footage, settings.experts, panel.classifiers)
    scenes = [(float(scene.start), float(scene.end)) for scene in reading.scenes]
    pictures = pictures_of(stills.stills, scenes)
    features = None if watcher is None else watcher.features
    return Analysis(film, detector.cuts, reading, clock.seconds, pictures, features)


def compose_pieces(
    analysis: Analysis,
    settings: Settings,
    tell: ProgressCallback,
    cancel: CancelToken,
    composer: "Composer | None" = None,
    request: MoodRequest = MoodRequest(),  # noqa: B008 (frozen)
    sketch: "Sketch | None" = None,
    limits: TimeLimits | None = None,
) -> tuple[Piece, ...]:
    """Compose for an analysed film: as many candidates as the settings ask for, the best first.

    Args:
        analysis: from `analyse`; used again when only later knobs change.
        settings: all knobs.
        tell: receives the progress.
        cancel: stops within a token.
        composer: the one that the settings name, if it is loaded already.
        request: the mood to compose for, where it is not the film's own.
        sketch: shown the music while it is written.
        limits: what each stage may take; None for the usual times.

    Raises:
        EmsyncError: a change of mood is asked for after the film's end, or what the composer
            cannot be asked for.
        WeightsError, SoundError: something that is needed, here or to play it, is missing.
        TooLong: it took longer than it may.
        Cancelled: the owner asked to stop.
    """
    from emsync.music.composer import Commission, check_obeyed, open_composer
    from emsync.sound.synth import find_soundfont, load_library

    settings = request.in_settings(settings)
    seconds = float(analysis.film.duration)
    if request.changes and request.changes[-1][0] >= seconds:
        raise EmsyncError(
            f"A mood is asked for from {request.changes[-1][0]:g} s on, but the film lasts only "
            f"{seconds:.2f} s. Give an earlier moment."
        )
    check_obeyed(settings.music)
    clock = StageClock(tell)
    clock.film_seconds = seconds
    clock.learn(analysis.seconds)
    # What is missing is said before the long stages, not after them.
    load_library()
    if settings.sound.soundfont is None:
        find_soundfont()
    composer = composer or open_composer(settings.music.composer)
    with clock.stage("compose") as advance:
        curve = draw_curve(analysis.reading, settings, request)
        commission = Commission(analysis, curve, analysis.boundaries, settings.music, settings.seed)
        token = bounded(cancel, "compose", seconds, limits)
        compositions = composer.compose(commission, advance, token, sketch)
    first = curve.moods[0] if request.is_given else draw_mood(analysis.reading, settings)
    return tuple(
        Piece(
            analysis,
            replace(settings, music=replace(settings.music, keep=composition.keep)),
            first,
            request.is_given,
            curve,
            composition,
            clock.seconds,
        )
        for composition in compositions
    )


def recompose(
    piece: Piece,
    passage: "Passage",
    tell: ProgressCallback,
    cancel: CancelToken,
    composer: "Composer | None" = None,
    sketch: "Sketch | None" = None,
    limits: TimeLimits | None = None,
) -> Piece:
    """Compose a part of a piece anew; everything else of it stays note for note.

    Args:
        piece: from `compose_pieces`, or from here.
        passage: which bars, who plays anew there, and the seed.
        tell: receives the progress.
        cancel: stops within a token.
        composer: that of the piece, if it is loaded already.
        sketch: shown the piece while the passage is written.
        limits: what each stage may take; None for the usual times.

    Raises:
        EmsyncError: the piece has no such bars, nobody who is asked for plays there, or its
            composer cannot do that.
        WeightsError: what it was composed with is missing.
        TooLong: it took longer than it may.
        Cancelled: the owner asked to stop.
    """
    from emsync.music.composer import COMPOSERS, Recomposer, open_composer

    music, seconds = piece.settings.music, float(piece.analysis.film.duration)
    composer = composer or open_composer(music.composer)
    if not isinstance(composer, Recomposer):
        raise EmsyncError(
            f"{COMPOSERS[music.composer].title} cannot compose a part of a piece anew. Choose "
            "another composer, or compose the whole piece with another seed."
        )
    clock = StageClock(tell)
    clock.film_seconds = seconds
    clock.learn(piece.seconds)
    bars = (*piece.composition.bars, seconds)
    part = bars[min(passage.last, len(bars) - 1)] - bars[min(passage.first, len(bars)) - 1]
    clock.extra["compose"] = STAGES["compose"].expected[1] * (part - seconds)
    with clock.stage("compose") as advance:
        token = bounded(cancel, "compose", seconds, limits)
        made = composer.recompose(piece.composition, passage, music, advance, token, sketch)
    spent = piece.seconds.get("compose", 0.0) + clock.seconds["compose"]
    return replace(piece, composition=made, seconds=piece.seconds | {"compose": spent})


def perform(
    piece: Piece,
    folder: Path,
    sound: SoundSettings,
    tell: ProgressCallback,
    cancel: CancelToken,
    earlier: Result | None = None,
    limits: TimeLimits | None = None,
    performance: PerformanceSettings | None = None,
) -> Result:
    """Play a piece and put it under the picture.

    Args:
        piece: from `compose_pieces`.
        folder: the request's own; receives scored.mp4, music.mid, music.musicxml, music.wav and
            report.json.
        sound: how it is to sound; those of the piece's own settings count no more.
        tell: receives the progress.
        cancel: stops every stage within a second or so.
        earlier: the same film scored before; its picture and what was heard in the film are used
            again.
        limits: what each stage may take; None for the usual times.
        performance: how it is to be played; None for as the piece's own settings say.

    Raises:
        SoundError, ToolError: something that is needed is missing, or the disk is full; see its
            text.
        TooLong: a stage took longer than it may.
        Cancelled: the owner asked to stop.
    """
    from emsync.report.write import write_report
    from emsync.sound.desk import desk_of
    from emsync.sound.mux import Scored, mux

    film = choose_sound(piece.analysis.film, sound.audio_track)
    settings = replace(
        piece.settings, sound=sound, performance=performance or piece.settings.performance
    )
    clock = StageClock(tell)
    seconds = clock.film_seconds = float(film.duration)
    clock.learn(piece.seconds)
    soundfont = _soundfont(sound)
    midi, wav, video = folder / "music.mid", folder / "music.wav", folder / "scored.mp4"
    speech = None if earlier is None else earlier.speech
    if earlier is not None and earlier.settings.sound.audio_track != sound.audio_track:
        speech = None  # it was listened for in another track
    with clock.stage("perform"):
        bounded(cancel, "perform", seconds, limits).check()
        desk = desk_of(sound, soundfont.path, piece.curve.mean(seconds))
        summary = _write_notes(piece, settings, midi, midi.with_suffix(".musicxml"), desk)
    with clock.stage("render") as advance:
        token = bounded(cancel, "render", seconds, limits)
        if sound.original_sound == "duck" and film.has_audio and speech is None:
            heard = VoiceDetector().speech(read_audio(film, SOUND_RATE, token), token)
            speech = tuple(heard)
        mix = _write_sound(midi, wav, film, sound, soundfont.path, desk, speech, token, advance)
    with clock.stage("mux") as advance:
        token = bounded(cancel, "mux", seconds, limits)
        picture = None if earlier is None else Scored(earlier.video, earlier.mux)
        joined = mux(film, wav, video, advance, token, picture)
    result = Result(
        piece,
        settings,
        summary,
        mix,
        joined,
        soundfont.name,
        speech,
        video,
        midi,
        midi.with_suffix(".musicxml"),
        wav,
        folder / "report.json",
        clock.seconds,
    )
    write_report(result)
    return result


def _soundfont(sound: SoundSettings) -> "SoundFont":
    """Return the SoundFont that is asked for, or the one that is installed."""
    from emsync.sound.synth import SoundFont, find_soundfont

    if sound.soundfont is None:
        return find_soundfont()
    return SoundFont(sound.soundfont, sound.soundfont.name)


def _write_notes(
    piece: Piece, settings: Settings, midi: Path, score: Path, desk: "Desk"
) -> "PerformanceSummary":
    """Have the piece performed as `settings` say, into `midi`, write what was composed as a score,
    and return what to tell of the performance."""
    from emsync.performance.midi_file import write_performance
    from emsync.performance.notation.engrave import engrave
    from emsync.performance.notation.musicxml import write_musicxml
    from emsync.performance.performance import summary_of
    from emsync.performance.performer import perform as play
    from emsync.performance.quantise import quantised

    played = play(piece.composition, settings.performance, settings.seed)
    title = piece.analysis.film.path.stem
    programs = settings.sound.programs
    write_performance(played, midi, title, programs, desk=desk.controls)
    write_musicxml(engrave(piece.composition, played, title, programs), score)
    return summary_of(piece.composition, played, quantised(played)[1])


def _write_sound(
    midi: Path,
    wav: Path,
    film: Film,
    sound: SoundSettings,
    soundfont: Path,
    desk: "Desk",
    speech: Sequence[Stretch] | None,
    cancel: CancelToken,
    advance: Advance,
) -> "MixSummary":
    """Play `midi` into `wav`: mastered, and with the film's own sound as `sound` has it."""
    from emsync.sound.mix import MixSummary, heard_as, master, mix_with_original, write_wav
    from emsync.sound.stand_in import lacking
    from emsync.sound.stems import render_music
    from emsync.sound.synth import read_score

    # The only thing that is as long as the film: of half an hour it has 635 MB.
    def tell(share: float) -> None:
        advance(0.8 * share)

    music = render_music(midi, film.duration, sound, soundfont, cancel, tell, desk.space)
    music = mix_with_original(master(music, sound), film, sound, cancel, speech or ())
    write_wav(music, wav, sound.bit_depth)
    score = read_score(midi, sound.sample_rate)
    playing = {group: desk.strips[group] for group in score.stems}
    missing = lacking(score, sound.soundfont)
    return MixSummary(playing, desk.space, music.reduction, heard_as(music), missing)


def score(
    analysis: Analysis,
    folder: Path,
    settings: Settings,
    tell: ProgressCallback,
    cancel: CancelToken,
    composer: "Composer | None" = None,
    request: MoodRequest = MoodRequest(),  # noqa: B008 (frozen)
) -> Result:
    """Perform the best of `compose_pieces`; arguments and errors as for both."""
    pieces = compose_pieces(analysis, settings, tell, cancel, composer, request)
    return perform(pieces[0], folder, settings.sound, tell, cancel)
