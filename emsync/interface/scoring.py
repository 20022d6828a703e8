"""What a job does: compose a take or one version more, play a version anew, pack it up.

All of it runs in the thread of a job; `studio` decides when.
"""

import secrets
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emsync.errors import ToolError
from emsync.interface import views
from emsync.interface.analyses import AnalysisCache, AnalysisKey
from emsync.interface.diagnostics import diagnostics
from emsync.interface.disk_quota import (
    DiskQuota,
    bundle_bytes,
    mix_bytes,
    size_of,
    version_bytes,
    wav_bytes,
)
from emsync.interface.records import Job, Mix, Outcome, Playing, Source, Take, Version
from emsync.interface.work_queue import WorkQueue
from emsync.limits import HostLimits
from emsync.progress import CancelToken
from emsync.settings import RANGES, Settings

if TYPE_CHECKING:
    from emsync.emotion.analysis import Analysis
    from emsync.emotion.features.panel import Panel
    from emsync.music.composer import Composer
    from emsync.music.passage import Passage
    from emsync.results import Piece, Result
    from emsync.sound.mixing import MixLevels

LABELS = "ABCDEFGH"
"""Of the versions of a take, as many as are kept side by side."""
BUNDLED = ("scored.mp4", "music.mid", "music.wav", "report.json", "music.musicxml")
"""What the files of a result are called in its ZIP."""
_LONGEST_STEM = 60
"""Letters of a file's name, without its ending."""
_SEEDS = int(RANGES["seed"].high) + 1
_ANOTHER_PIECE = 0.2
"""What a further piece takes beside the first, in parts of it: four at once took 1.6 times as long
as one."""
_SLOWEST, _FASTEST = 10.0, 0.2
"""Bounds on how long this machine is believed to take, in parts of what is expected of others."""


class Scorer:
    """Scores films; what it loads stays loaded for the next."""

    def __init__(self, panel: "Panel", quota: DiskQuota, host: HostLimits) -> None:
        """
        Args:
            panel: the experts that look at films.
            quota: of the disk.
            host: limits on all requests together.
        """
        self.analyses = AnalysisCache()
        # A film is looked at while another's music is written: who only changes a setting does not
        # wait for somebody's long film.
        self.analysing = WorkQueue(most_waiting=host.waiting)
        self.composing = WorkQueue(most_waiting=host.waiting)
        self._panel, self._quota, self._host = panel, quota, host
        # Always the same thread: Matplotlib opens its fonts anew for each that plots, and keeps 64.
        self._plotting = ThreadPoolExecutor(1)
        self._levelling = ThreadPoolExecutor(1)
        self._composers: dict[str, Composer] = {}
        self._pace = 1.0
        """Seconds that a take takes here, in parts of those expected elsewhere."""

    # What it will take --------------------------------------------------------------------------

    def waiting(self) -> int:
        """Return how many are at work or wait."""
        return max(len(self.analysing), len(self.composing))

    def expected_seconds(self, source: Source, settings: Settings) -> float:
        """Return about how long a take of this film will take here, once it is its turn.

        Not for the thread of the event loop: the first time it imports PyTorch, to see what there
        is to compute with.
        """
        from emsync.stages import STAGES, expected_seconds

        names, seconds = list(STAGES), float(source.film.duration)
        at = names.index("compose")
        looking = 0.0
        if self.analyses.get(AnalysisKey.of(source, settings), source.film) is None:
            looking = expected_seconds(seconds, names[:at])
            looking += self._panel.expected_seconds(seconds, settings.experts)
        # Pieces are written side by side, and played one after the other.
        more = settings.music.candidates - 1
        writing = expected_seconds(seconds, names[at : at + 1]) * (1 + _ANOTHER_PIECE * more)
        playing = expected_seconds(seconds, names[at + 1 :]) * (1 + more)
        return self._pace * (looking + writing + playing)

    def learn(self, job: Job) -> None:
        """Follow the pace of a take that did not have to wait; later estimates are nearer."""
        if not job.waited and job.expected > 0:
            ratio = (time.monotonic() - job.started) / (job.expected / self._pace)
            self._pace = min(max((self._pace + ratio) / 2, _FASTEST), _SLOWEST)

    def bytes_of(self, take: Take) -> int:
        """Return about how much disk the next work on a take needs: all pieces of a new one, or
        one version more."""
        film, wav = take.source.film, wav_bytes(take.settings.sound)
        pieces = 1 if take.versions else take.settings.music.candidates
        return version_bytes(size_of(film.path), float(film.duration), wav) * pieces

    def mix_bytes_of(self, take: Take) -> int:
        """Return about how much disk the sounds of a version need, to be mixed."""
        return mix_bytes(float(take.source.film.duration), wav_bytes(take.settings.sound))

    def bundle_bytes_of(self, take: Take) -> int:
        """Return about how much disk stems and ZIP of a version need."""
        film, result = take.source.film, take.result
        sound = take.settings.sound if result is None else result.settings.sound
        return bundle_bytes(size_of(film.path), float(film.duration), wav_bytes(sound))

    # Work ---------------------------------------------------------------------------------------

    def score(self, job: Job) -> None:
        """Make a take from the beginning."""
        from emsync.sound.synth import load_library

        load_library()
        take = job.take
        job.expected = self.expected_seconds(take.source, take.settings)
        analysis = self._analysis(job)
        job.stage_seconds |= analysis.seconds
        with self.composing.turn(job.cancel, job.on_position):
            pieces = self._pieces(job, analysis, take.settings)
            take.versions = [
                Version(piece, label) for label, piece in zip(LABELS, pieces, strict=False)
            ]
            for version in take.versions:
                self.perform(job, version)
        self.learn(job)

    def another(self, job: Job) -> None:
        """Compose one version more, and show it."""
        job.outcome = Outcome.ADDED
        take = job.take
        analysis = take.versions[0].piece.analysis
        settings = replace(
            take.settings,
            music=replace(take.settings.music, candidates=1, keep=None, opening=None),
            seed=take.next_seed,
        )
        job.stage_seconds |= analysis.seconds
        with self.composing.turn(job.cancel, job.on_position):
            (piece,) = self._pieces(job, analysis, settings)
            self._add(job, piece)

    def recompose(self, job: Job, slot: int, passage: "Passage") -> None:
        """Compose a part of a version's piece anew, as one version more, and show it."""
        from emsync.pipeline import recompose

        job.outcome = Outcome.ADDED
        piece = job.take.versions[slot].piece
        job.stage_seconds |= piece.analysis.seconds
        with self.composing.turn(job.cancel, job.on_position):
            made = recompose(
                piece,
                passage,
                job.on_progress,
                job.cancel,
                self._composer(piece.settings.music.composer),
                job.on_sketch,
                self._host.stages,
            )
            self._add(job, made)

    def _add(self, job: Job, piece: "Piece") -> None:
        """Play a piece as one version more of the take, and show it."""
        take = job.take
        take.next_seed = (take.next_seed + 1) % _SEEDS
        taken = {version.label for version in take.versions}
        version = Version(piece, next(label for label in LABELS if label not in taken))
        self.perform(job, version)
        take.versions.append(version)
        take.shown = len(take.versions) - 1
        take.revision += 1

    def replay(self, job: Job, slot: int) -> None:
        """Play the piece of a version anew, in another way, and show it."""
        job.outcome = Outcome.REPLAYED
        job.stage_seconds |= job.take.versions[slot].piece.seconds
        with self.composing.turn(job.cancel, job.on_position):
            self.perform(job, job.take.versions[slot])
            job.take.shown = slot

    def bundle(self, job: Job) -> None:
        """Make the stems of the version that is shown, and a ZIP of everything."""
        from emsync.sound.bundle import bundle
        from emsync.sound.stems import write_stems
        from emsync.stages import bounded

        job.outcome = Outcome.BUNDLED
        version = job.take.versions[job.take.shown]
        result = version.result
        assert result is not None
        job.stage_seconds |= result.seconds
        folder = result.video.parent
        stems = folder / "stems"
        with self.composing.turn(job.cancel, job.on_position):
            seconds = float(result.analysis.film.duration)
            token = bounded(job.cancel, "bundle", seconds, self._host.stages)
            stems.mkdir(exist_ok=True)
            sounds = write_stems(
                result.midi,
                result.analysis.film.duration,
                result.settings.sound,
                result.settings.sound.soundfont,
                stems,
                token,
                space=result.mix.space,
            )
            pages, words = _pages(result, token)
            files = [
                *zip(BUNDLED, views.files_of(result), strict=True),
                *(() if pages is None else (("score.pdf", pages),)),
                *((f"stems/{group}.wav", path) for group, path in sounds.items()),
            ]
            archive = folder / f"{_stem(job.take.source)} everything.zip"
            version.bundle = bundle(folder, archive, files, token, views.about(result, words))
            version.stems, version.pages = sounds, pages
        job.take.revision += 1

    def open_mix(self, job: Job) -> None:
        """Make the sounds of the version that is shown, to be mixed in the browser."""
        from emsync.stages import bounded

        job.outcome = Outcome.MIXABLE
        version = job.take.versions[job.take.shown]
        result = version.result
        assert result is not None
        job.stage_seconds |= result.seconds
        folder = job.take.folder / f"mix-{secrets.token_urlsafe(6)}"
        folder.mkdir(mode=0o700)
        try:
            with self.composing.turn(job.cancel, job.on_position):
                seconds = float(result.analysis.film.duration)
                token = bounded(job.cancel, "bundle", seconds, self._host.stages)
                version.mix = mix_of(result, folder, token, job.on_share)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        # What was heard need not be listened for again.
        version.result = replace(result, speech=version.mix.speech)
        job.take.revision += 1

    def mix_levels(self, mix: Mix, playing: Playing, cancel: CancelToken) -> "Future[MixLevels]":
        """Begin to find the levels of sounds that are mixed as `playing` says, one at a time."""
        from emsync.sound.mixing import levels_of

        return self._levelling.submit(
            levels_of, mix.sources, mix.film, playing.sound, mix.speech, cancel
        )

    def perform(self, job: Job, version: Version) -> None:
        """Play a version into a folder of its own; what was played before goes.

        Raises:
            EmsyncError: the disk is full, or what was made of this film takes all that it may.
        """
        from emsync.pipeline import perform

        take, before = job.take, version.result
        self._quota.check(take.folder)
        earlier = next((one.result for one in take.versions if one.result is not None), None)
        folder = take.folder / secrets.token_urlsafe(6)
        folder.mkdir(mode=0o700)
        try:
            result = perform(
                version.piece,
                folder,
                job.playing.sound,
                job.on_progress,
                job.cancel,
                earlier,
                self._host.stages,
                job.playing.performance,
            )
            result = _named_after(take.source, result)
            # Here, because plotting in the event loop would hold up everybody's page.
            figures = self._plotting.submit(diagnostics, result).result()
            job.cancel.check()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        version.result, version.diagnostics = result, figures
        version.stems, version.pages, version.bundle = {}, None, None
        if version.mix is not None and not version.mix.fits(job.playing):
            shutil.rmtree(version.mix.sources.folder, ignore_errors=True)
            version.mix = None
        job.sketch = None
        take.revision += 1
        if before is not None:
            shutil.rmtree(before.video.parent, ignore_errors=True)

    def close(self) -> None:
        """Plot nothing any more, and let the experts go."""
        self._plotting.shutdown(wait=False, cancel_futures=True)
        self._levelling.shutdown(wait=False, cancel_futures=True)
        self._panel.release()

    # Parts of it --------------------------------------------------------------------------------

    def _analysis(self, job: Job) -> "Analysis":
        """Return the analysis of the take's film: remembered, or made when it is its turn."""
        from emsync.pipeline import analyse

        source, settings = job.take.source, job.take.settings
        probed = {"probe": source.probe_seconds}  # when it was chosen, and not again
        job.stage_seconds |= probed
        key = AnalysisKey.of(source, settings)
        known = self.analyses.get(key, source.film)
        if known is None:
            with self.analysing.turn(job.cancel, job.on_position):
                # Somebody else may have brought the same film.
                known = self.analyses.get(key, source.film)
                if known is None:
                    known = analyse(
                        source.film,
                        settings,
                        job.on_progress,
                        job.cancel,
                        self._panel,
                        self._host.stages,
                    )
                    known = replace(known, seconds=probed | known.seconds)
                    self.analyses.put(key, known)
        return known

    def _pieces(self, job: Job, analysis: "Analysis", settings: Settings) -> tuple["Piece", ...]:
        """Compose for the mood that the take asks for."""
        from emsync.pipeline import compose_pieces

        return compose_pieces(
            analysis,
            settings,
            job.on_progress,
            job.cancel,
            self._composer(settings.music.composer),
            job.take.request,
            job.on_sketch,
            self._host.stages,
        )

    def _composer(self, name: str) -> "Composer":
        """Return a composer, which stays loaded for the next request."""
        from emsync.music.composer import open_composer

        if name not in self._composers:
            self._composers[name] = open_composer(name)
        return self._composers[name]


def mix_of(
    result: "Result", folder: Path, cancel: CancelToken, tell: Callable[[float], None]
) -> Mix:
    """Write the sounds of a result into `folder`, and listen for when somebody speaks in the film.

    Args:
        result: whose sounds.
        folder: receives them.
        cancel: stops it within a second or so.
        tell: told the share that is done.

    Raises:
        SoundError, ToolError: something that is needed is missing, or the disk is full.
        Cancelled: the owner asked to stop.
    """
    from emsync.film.film import choose_sound
    from emsync.film.footage import SOUND_RATE
    from emsync.film.frames import read_audio
    from emsync.film.speech import VoiceDetector
    from emsync.sound.mixing import write_sources

    sound = result.settings.sound
    film = choose_sound(result.analysis.film, sound.audio_track)
    speech = result.speech
    if speech is None:
        heard = film.has_audio
        speech = (
            tuple(VoiceDetector().speech(read_audio(film, SOUND_RATE, cancel), cancel))
            if heard
            else ()
        )
    sources = write_sources(
        result.midi, film, sound, sound.soundfont, folder, cancel, tell, result.mix.space
    )
    return Mix(sources, film, speech, Playing.of(result.settings))


def _pages(result: "Result", cancel: CancelToken) -> tuple[Path | None, str]:
    """Engrave the score of a result beside it, where this machine can, and return the PDF with a
    line to say of it."""
    from emsync.performance.notation.pdf import can_write_pdf, write_pdf

    if not can_write_pdf():
        return None, ""
    pages = result.score.with_suffix(".pdf")
    try:
        write_pdf(result.score, pages, cancel)
    except ToolError as problem:
        return None, f"There is no PDF of it. {problem}\n"
    return pages, "score.pdf       the same as pages to print\n"


def _stem(source: Source) -> str:
    """Return what the files of a film are called, without endings."""
    return source.film.path.stem[:_LONGEST_STEM]


def _named_after(source: Source, result: "Result") -> "Result":
    """Return the result with its files named after the film, as people download them."""
    stem = _stem(source)
    names = (
        f"{stem} (scored).mp4",
        f"{stem}.mid",
        f"{stem}.wav",
        f"{stem} report.json",
        f"{stem}.musicxml",
    )
    video, midi, wav, report, score = (
        path.rename(path.with_name(name))
        for path, name in zip(views.files_of(result), names, strict=True)
    )
    return replace(result, video=video, midi=midi, wav=wav, report=report, score=score)
