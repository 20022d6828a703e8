"""Chords for a film, one a second, drawn from the transformer.

As the published code draws them: one plain sample a second from the softmax, without `N`, and
without the chord that was there for the last two seconds.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from emsync.music.video2music.model import ChordTransformer, DecoderState
from emsync.music.video2music.vocabulary import ALL, CHORDS, Chord, as_drawn
from emsync.progress import CancelToken

Draws = Iterator[float]
"""Uniform numbers in [0, 1), one for every chord."""


@dataclass(frozen=True)
class DrawingRules:
    """What may not be drawn."""

    repeats: int = 2
    """Seconds that one chord may hold."""
    silence: bool = False
    """Whether `N`, no chord, may be drawn."""


def generate(
    model: ChordTransformer,
    features: Tensor,
    primer: Sequence[Chord],
    key: float,
    seconds: int,
    rules: DrawingRules,
    draws: Draws | None,
    cancel: CancelToken,
    show: Callable[[list[Chord]], None] = lambda chords: None,
) -> list[Chord]:
    """Return `seconds` chords, those of the primer first.

    Args:
        model: on any device, in eval mode.
        features: (frames, features) of the film, on any device.
        primer: chords that the piece begins with, at least one, see `vocabulary.read_primer`.
        key: 0 for major, 1 for minor.
        seconds: chords in all; at most `model.settings.chords`.
        rules: what may not be drawn.
        draws: one number a chord; None always takes the most probable chord.
        cancel: stops within a chord.
        show: shown the chords so far after each one.

    Raises:
        Cancelled: the owner asked to stop.
    """
    device = model.head.weight.device
    chords = list(primer[:seconds])
    with torch.inference_mode(), _one_thread():
        state = model.start(model.encode(features[None].to(device)))
        fed = 0
        while len(chords) < seconds:
            cancel.check()
            logits = _decode(model, chords[fed:], key, state)
            fed = len(chords)
            probabilities = allowed(logits.softmax(-1), chords, rules)
            chords.append(
                as_drawn(ALL[pick(probabilities, None if draws is None else next(draws))])
            )
            show(chords)
    return chords


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: a chord is too little work to share, and threads wait busily."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _decode(
    model: ChordTransformer, chords: Sequence[Chord], key: float, state: DecoderState
) -> Tensor:
    """Return the logits (159,) of the chord after `chords`, which `state` then holds too."""
    device = model.head.weight.device
    roots = torch.tensor([[chord.root for chord in chords]], device=device)  # (1, new)
    qualities = torch.tensor([[chord.quality for chord in chords]], device=device)  # (1, new)
    return model.decode(roots, qualities, torch.tensor([key], device=device), state)[0, -1]


def allowed(probabilities: Tensor, chords: Sequence[Chord], rules: DrawingRules) -> Tensor:
    """Return the probabilities (157,) of the chords, with zeros for those that may not come next.

    END and PAD are cut off after the softmax, so they do not add up to 1.

    Args:
        probabilities: (159,), of everything that the model knows.
        chords: so far.
        rules: what may not be drawn.
    """
    chosen = probabilities[:CHORDS].clone()  # (157,)
    if not rules.silence:
        chosen[0] = 0.0
    last = {chord.id for chord in chords[-rules.repeats :]}
    if len(chords) >= rules.repeats and len(last) == 1:
        chosen[last.pop()] = 0.0
    return chosen


def pick(probabilities: Tensor, draw: float | None) -> int:
    """Return the id of a chord.

    Args:
        probabilities: (157,); they need not add up to 1.
        draw: in [0, 1): the first chord up to which the probabilities exceed this share of their
            sum; None for the most probable.
    """
    if draw is None:
        return int(probabilities.argmax())
    running = probabilities.double().cumsum(0)  # (157,)
    # A draw just below 1 could come out as the sum itself; then the last chord that may come is it.
    exceeded = (running > draw * running[-1]).nonzero()
    return int(exceeded[0]) if len(exceeded) else int(probabilities.nonzero()[-1])
