"""Video2Music as a composer: the film's pictures, cuts and motion in, a piano part out.

film ─ look ─▶ features ─┬─ chord transformer ─▶ a chord a second ─┐
                         └─ regression ─▶ loudness, note density ──┴─ arpeggios ─▶ notes
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from emsync.errors import EmsyncError
from emsync.film.film import Film
from emsync.film.scenes import Cut
from emsync.music.composer import Commission, ComposerWeights, Draft, Sketch
from emsync.music.composition import SEED_STEP, Composition, by_rank
from emsync.music.judging.emotion_regressor import load_regressor
from emsync.music.notes import NoteTable, table_of
from emsync.music.video2music import clip
from emsync.music.video2music.arpeggio import BEATS_PER_MINUTE
from emsync.music.video2music.checkpoint import Checkpoint
from emsync.music.video2music.features import FilmFeatures
from emsync.music.video2music.generate import DrawingRules
from emsync.music.video2music.installed import find, folder_of
from emsync.music.video2music.looking import clip_device, look, seconds_between, with_mood
from emsync.music.video2music.mood import is_of_film, key_of
from emsync.music.video2music.piece import Judged, bar_times, changes_of, judge, notes_of
from emsync.music.video2music.vocabulary import KEYS, Chord, key_value, read_primer
from emsync.music.video2music.writing import (
    Dynamics,
    draws_of,
    dynamics_of,
    window_of,
    write_chords,
)
from emsync.progress import CancelToken
from emsync.text import listed
from emsync.weights import store

WRITING = "Writing the chords"
_LOOKING = 0.6
"""Share of the time that looking at a film takes. A guess."""
_TONICS = {"major": "C", "minor": "A"}
_ENHARMONIC = {"Db minor": "C# minor", "Ab minor": "G# minor", "F# major": "Gb major"}
"""Keys that Video2Music writes otherwise."""


class Video2MusicComposer:
    """Composes with one pair of networks; keeps what it saw of the last film."""

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu") -> None:
        """
        Args:
            checkpoint: of both networks.
            device: where CLIP looks at pictures: "cpu" or "cuda".
        """
        self.checkpoint = checkpoint
        self.device = device
        self._eye: clip.Eye | None = None
        self._seen: tuple[Film, tuple[Cut, ...], int] | None = None
        """The film that was looked at last, its scenes, and the seconds between pictures."""
        self._features: FilmFeatures | None = None
        """What was seen then."""

    @property
    def weights(self) -> ComposerWeights:
        """Return what the report names."""
        one, judge = self.checkpoint, load_regressor()
        return ComposerWeights(one.name, one.sha256, one.device, judge.sha256)

    def compose(
        self,
        commission: Commission,
        advance: Callable[[float], None],
        cancel: CancelToken,
        sketch: Sketch | None = None,
    ) -> tuple[Composition, ...]:
        """Compose, see `Composer.compose`.

        Raises:
            EmsyncError: the key or the primer is none; fewer candidates than `settings.keep`.
            WeightsError: the weights of CLIP are missing or damaged.
            FilmError, ToolError: the film cannot be decoded.
            Cancelled: the owner asked to stop.
        """
        began, count = time.monotonic(), commission.settings.candidates
        own = commission.settings.video2music
        keep = commission.settings.keep
        if keep is not None and keep > count:
            raise EmsyncError(
                f"Candidate {keep} is asked for, but the number of those drawn is {count}. Ask for "
                "another, or for the best."
            )
        key = _key(commission)
        primer = read_primer(own.primer, key)
        features = self._look(commission, cancel, lambda share: advance(_LOOKING * share))
        rows = features.rows(own.smooth_emotion)
        dynamics = dynamics_of(self.checkpoint, rows)
        rules = DrawingRules(own.repeats, own.silence)
        show = self._shows(sketch, dynamics, key, commission)
        pieces: list[Judged] = []
        for seed in (commission.seed + SEED_STEP * number for number in range(count)):

            def told(share: float, done: int = len(pieces)) -> None:
                advance(_LOOKING + (1 - _LOOKING) * (done + share) / count)

            chords = write_chords(
                self.checkpoint, rows, primer, key_value(key), rules, draws_of(seed), cancel, told,
                show,
            )  # fmt: skip
            pieces.append(self._judged(chords, dynamics, key, commission, seed))
        return self._compositions(commission, pieces, time.monotonic() - began)

    def _look(
        self, commission: Commission, cancel: CancelToken, advance: Callable[[float], None]
    ) -> FilmFeatures:
        """Return the features of the film, looked at once however often it is composed for."""
        analysis = commission.analysis
        if self.checkpoint.semantic and self._eye is None:
            self._eye = clip.open_eye(self.device)
        every = self._seconds_between(commission)
        now = (analysis.film, analysis.cuts, every)
        if self._features is None or self._seen != now:
            self._features = look(analysis, self._eye, every, cancel, advance)
            self._seen = now
        if self._follows_mood(commission):
            return with_mood(self._features, commission.curve)
        return self._features

    def _follows_mood(self, commission: Commission) -> bool:
        """Return whether the mood asked for, not what CLIP sees, is the emotion of the film."""
        own = is_of_film(commission.curve, commission.analysis.reading)
        counts = commission.settings.video2music.mood_counts
        return not self.checkpoint.semantic or (counts and not own)

    def _seconds_between(self, commission: Commission) -> int:
        """Return the seconds between the pictures that CLIP looks at."""
        own = commission.settings.video2music
        return seconds_between(own, commission.seconds, self.device)

    def _shows(
        self, sketch: Sketch | None, dynamics: Dynamics, key: str, commission: Commission
    ) -> Callable[[Sequence[Chord]], None]:
        """Return what shows a piece while its chords are written."""
        own = commission.settings.video2music

        def show(chords: Sequence[Chord]) -> None:
            if sketch is None:
                return
            so_far = tuple(chords)
            end = min(float(len(so_far)), commission.seconds)

            def notes() -> NoteTable:
                return table_of(notes_of(so_far, dynamics, key, own, end))

            sketch(Draft(notes, WRITING))

        return show

    def _judged(
        self,
        chords: Sequence[Chord],
        dynamics: Dynamics,
        key: str,
        commission: Commission,
        seed: int,
    ) -> Judged:
        """Return a piece, played and judged."""
        seconds, own = commission.seconds, commission.settings.video2music
        accents = commission.hit_points if own.accents else ()
        notes = notes_of(chords, dynamics, key, own, seconds, accents)
        return judge(
            chords, notes, commission.curve, commission.hit_points, seconds, commission.settings,
            load_regressor(), seed,
        )  # fmt: skip

    def _compositions(
        self, commission: Commission, pieces: Sequence[Judged], elapsed: float
    ) -> tuple[Composition, ...]:
        """Return the pieces, the one that is kept first and the others by rank."""
        candidates = tuple(one.candidate for one in pieces)
        best, *_ = ranking = by_rank(candidates)
        keep = commission.settings.keep
        first = best if keep is None else keep - 1
        drawn = sum(len(one.chords) for one in pieces)
        tiers = self.checkpoint.card.get("tiers")

        def composition(number: int) -> Composition:
            one = pieces[number]
            return Composition(
                written=tuple(chord.id for chord in one.chords),
                notes=one.notes,
                lead=(False,) * len(one.notes),
                plan=None,
                grid=None,
                bars=tuple(bar_times(commission.seconds)),
                symbols=tuple(changes_of(one.chords)),
                sections=(),
                chart="",
                chords=tuple(hit.hit for hit in one.boundaries if hit.hit is not None),
                boundaries=one.boundaries,
                score=one.score,
                score_without=None,
                ended_on_chord=False,
                quality=one.quality,
                faults=one.candidate.faults,
                candidates=candidates,
                curve=commission.curve,
                seed=commission.seed,
                kept=number,
                seconds=commission.seconds,
                beats_per_minute=BEATS_PER_MINUTE,
                weights=self.checkpoint.name,
                weights_sha256=self.checkpoint.sha256,
                weights_tiers=tuple(map(str, tiers)) if isinstance(tiers, list) else (),
                regressor_sha256=self.weights.judge_sha256,
                compose_seconds=elapsed,
                tokens_per_second=drawn / elapsed,
                remarks=tuple(self._remarks(commission, one)),
            )

        order = [first, *(number for number in ranking if number != first)]
        return tuple(composition(number) for number in order)

    def _remarks(self, commission: Commission, piece: Judged) -> list[str]:
        """Return what the user should know of how a piece came about."""
        remarks = []
        every = self._seconds_between(commission)
        if self.checkpoint.semantic and every > 1:
            remarks.append(
                f"One picture every {every} s was looked at, not one a second as published: on a "
                "CPU that would take long."
            )
        if not self.checkpoint.semantic:
            remarks.append("These weights know no pictures: mood, cuts and motion lead the chords.")
        elif self._follows_mood(commission):
            remarks.append("The mood asked for takes the place of the emotion seen.")
        if commission.hit_points and not commission.settings.video2music.accents:
            remarks.append("Video2Music has no hit points: its chords change on whole seconds.")
        if len(piece.chords) > window_of(self.checkpoint):
            remarks.append(
                f"Films of more than {window_of(self.checkpoint)} s are composed in parts that "
                "overlap."
            )
        if piece.candidate.faults:
            remarks.append(
                f"A fault stayed: {listed(piece.candidate.faults)}. Another seed may do better."
            )
        return remarks


def open_composer(weights: Path | None) -> Video2MusicComposer:
    """Load Video2Music.

    Args:
        weights: folder of its weights; None for the published ones where they are installed, else
            for those that come with EMSYNC.

    Raises:
        WeightsNotInstalled: its weights, or those of CLIP, are not on this machine; with a
            sentence that says how to get them.
        WeightsError: they are damaged.
    """
    checkpoint = find(weights)
    if not checkpoint.semantic:
        return Video2MusicComposer(checkpoint)
    store.installed(clip.WEIGHTS)  # said now, not after the film was decoded
    return Video2MusicComposer(checkpoint, clip_device())


def weights_folder(name: str) -> Path | None:
    """Return the folder of the weights that a report calls `name`; None if they are not here."""
    return folder_of(name)


def _key(commission: Commission) -> str:
    """Return the key that is asked for, or that the mood suggests.

    Raises:
        EmsyncError: it is none that Video2Music knows.
    """
    asked, own = commission.settings, key_of(commission.curve, commission.seconds)
    if asked.tonic == "auto" and asked.mode == "auto":
        return own
    mode = own.split()[1] if asked.mode == "auto" else asked.mode
    if mode not in _TONICS:
        raise EmsyncError(
            f"Video2Music knows major and minor, not {mode}. Choose one of them, or leave the mode "
            "to the mood."
        )
    tonic = _TONICS[mode] if asked.tonic == "auto" else asked.tonic
    key = _ENHARMONIC.get(f"{tonic} {mode}", f"{tonic} {mode}")
    if key not in KEYS:
        raise EmsyncError(f"Video2Music does not know {key}. Choose one of {listed(KEYS)}.")
    return key
