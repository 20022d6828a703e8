"""A deeper model out of a trained one, so that what was learned is not learned again."""

import re

from torch import Tensor

_LAYER = re.compile(r"layers\.(\d+)\.(.+)")
_RESIDUAL_OUTPUTS = ("out.weight", "narrow.weight")
"""Of a rotary layer: what its two branches add to the stream comes out of these alone."""


def deepened(state: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Return the weights of a rotary model with `layers` layers that computes the same as `state`.

    Each trained layer is followed by copies of itself, as evenly as the numbers allow, whose
    branches add nothing yet: their output matrices are zero, so the copies begin as the identity
    and learn from the first step on (as the zero-initialised blocks of Gong et al. 2019, "Efficient
    training of BERT by progressively stacking", and LLaMA Pro, Wu et al. 2024).

    Raises:
        ValueError: `state` has more layers than asked for.
    """
    known = 1 + max(int(found[1]) for name in state if (found := _LAYER.fullmatch(name)))
    if layers < known:
        raise ValueError(f"a model of {known} layers cannot be made into one of {layers}")
    sources = [place * known // layers for place in range(layers)]
    grown = {name: value for name, value in state.items() if not _LAYER.fullmatch(name)}
    for place, source in enumerate(sources):
        is_copy = place > 0 and sources[place - 1] == source
        for name, value in state.items():
            found = _LAYER.fullmatch(name)
            if found and int(found[1]) == source:
                blank = is_copy and found[2] in _RESIDUAL_OUTPUTS
                grown[f"layers.{place}.{found[2]}"] = value * 0 if blank else value.clone()
    return grown
