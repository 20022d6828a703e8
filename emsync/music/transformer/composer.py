"""EMSYNC's composer: the transformer, told of mood, hit points and the plan's chords."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from emsync.music.composer import Commission, ComposerWeights, Draft, Sketch
from emsync.music.composition import Composition
from emsync.music.judging.emotion_regressor import load_regressor
from emsync.music.notes import NoteTable
from emsync.music.passage import Passage
from emsync.music.transformer.checkpoint import SHIPPED, Checkpoint, load
from emsync.music.transformer.compose import compose_all
from emsync.music.transformer.passage import recompose
from emsync.music.transformer.tokens import decode
from emsync.process.gpu import GPU_FULL, free_gpu, gpu_is_full
from emsync.progress import CancelToken
from emsync.settings import MusicSettings

Made = TypeVar("Made")

log = logging.getLogger(__name__)


class TransformerComposer:
    """Composes with one checkpoint.

    A generator on a GPU whose memory is full stays there for the next piece; a copy of it on the
    CPU begins this one anew, and the piece has a remark then.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    @property
    def weights(self) -> ComposerWeights:
        one, judge = self.checkpoint, load_regressor()
        return ComposerWeights(one.name, one.sha256, one.device, judge.sha256)

    def compose(
        self,
        commission: Commission,
        advance: Callable[[float], None],
        cancel: CancelToken,
        sketch: Sketch | None = None,
    ) -> tuple[Composition, ...]:
        """Compose, see `Composer.compose`."""
        remark = f"Composed on the CPU: {GPU_FULL}."
        return self._on_what_fits(
            lambda checkpoint: _compose(checkpoint, commission, advance, cancel, sketch),
            lambda made: tuple(replace(one, remarks=(*one.remarks, remark)) for one in made),
        )

    def recompose(
        self,
        piece: Composition,
        passage: Passage,
        settings: MusicSettings,
        advance: Callable[[float], None],
        cancel: CancelToken,
        sketch: Sketch | None = None,
    ) -> Composition:
        """Compose a passage anew, see `Recomposer.recompose`."""

        def show(notes: NoteTable, doing: str) -> None:
            assert sketch is not None
            sketch(Draft(lambda: notes, doing))

        shown = None if sketch is None else show
        return self._on_what_fits(
            lambda checkpoint: recompose(
                checkpoint, piece, passage, settings, cancel, advance, shown
            ),
            lambda made: made,
        )

    def _on_what_fits(
        self, work: Callable[[Checkpoint], Made], told: Callable[[Made], Made]
    ) -> Made:
        """Return what `work` makes, on the CPU where the GPU's memory is full, and then `told`."""
        try:
            return work(self.checkpoint)
        except Exception as error:
            if not (gpu_is_full(error) and self.checkpoint.device == "cuda"):
                raise
            log.warning("the GPU's memory is full, the piece is composed on the CPU: %s", error)
        # The error is gone by now, and with it what it held on the GPU.
        free_gpu()
        return told(work(self.checkpoint.on_cpu()))


def open_composer(weights: Path | None) -> TransformerComposer:
    """Load the generator in the folder `weights`; None for the one that comes with EMSYNC.

    Raises:
        WeightsError: it is missing or damaged.
    """
    return TransformerComposer(load(weights))


def weights_folder(name: str) -> Path | None:
    """Return the folder of the weights `name` that come with EMSYNC; None if there are none."""
    return next((folder for folder in SHIPPED.iterdir() if folder.name == name), None)


def _compose(
    checkpoint: Checkpoint,
    commission: Commission,
    advance: Callable[[float], None],
    cancel: CancelToken,
    sketch: Sketch | None,
) -> tuple[Composition, ...]:
    def show(tokens: tuple[int, ...], doing: str) -> None:
        assert sketch is not None
        sketch(Draft(lambda: decode(tokens).notes, doing))

    return compose_all(
        checkpoint,
        commission.curve,
        commission.hit_points,
        commission.seconds,
        commission.settings,
        commission.seed,
        cancel,
        advance,
        None if sketch is None else show,
    )
