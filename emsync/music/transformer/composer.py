"""EMSYNC's composer: the transformer, told of mood, hit points and the plan's chords."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from emsync.music.composer import Commission, ComposerWeights, Draft, Sketch
from emsync.music.composition import Composition
from emsync.music.judging.emotion_regressor import load_regressor
from emsync.music.transformer.checkpoint import SHIPPED, Checkpoint, load
from emsync.music.transformer.compose import compose_all
from emsync.music.transformer.tokens import decode
from emsync.process.gpu import GPU_FULL, free_gpu, gpu_is_full
from emsync.progress import CancelToken

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
        compositions: tuple[Composition, ...] = ()
        try:
            compositions = _compose(self.checkpoint, commission, advance, cancel, sketch)
        except Exception as error:
            if not (gpu_is_full(error) and self.checkpoint.device == "cuda"):
                raise
            log.warning("the GPU's memory is full, the piece is composed on the CPU: %s", error)
        if compositions:
            return compositions
        # The error is gone by now, and with it what it held on the GPU.
        free_gpu()
        remark = f"Composed on the CPU: {GPU_FULL}."
        return tuple(
            replace(one, remarks=(*one.remarks, remark))
            for one in _compose(self.checkpoint.on_cpu(), commission, advance, cancel, sketch)
        )


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
