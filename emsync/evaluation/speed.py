"""Decoding with a cache against the full recomputation of the published code.

`python -m emsync.evaluation.speed` prints a Markdown table for the shipped weights,
`--weights FOLDER` for others, `--parameters 37m` for random weights in the published shape.
"""

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from emsync.music.transformer.checkpoint import load

if TYPE_CHECKING:
    from emsync.music.transformer.model import MusicTransformer, Positions

CONTEXTS = (128, 512, 1216)
REPEATS = 5
STEPS = 10
"""Cached steps that are timed together, as one alone is over in a millisecond."""


@dataclass(frozen=True)
class Speed:
    """Seconds for one token of one piece; medians over the repeats."""

    context: int
    """Positions that the token's logits depend on, those of the mood among them."""
    cached: float
    """One step of the decoder, which is what composing takes."""
    naive: float
    """The whole sequence anew without a cache, as the published code does for each token."""
    repeats: int
    way: str
    """How the decoder computes on this machine; see `stepping`."""

    @property
    def ratio(self) -> float:
        """How many times faster the cached step is."""
        return self.naive / self.cached


def speed(
    model: "MusicTransformer",
    contexts: Sequence[int] = CONTEXTS,
    repeats: int = REPEATS,
    seed: int = 0,
) -> list[Speed]:
    """Time both ways with the same weights, by turns, on tokens drawn at random.

    The cached way computes as `decoding.generate` does, on one core of a CPU. The naive way is
    timed with one thread and with all that torch was given, and the faster counts.

    Args:
        model: in eval mode; its device is used.
        contexts: those longer than the model's are cut to it.
        repeats: of each measurement.
        seed: of the tokens.
    """
    import torch

    from emsync.music.transformer import vocabulary as v
    from emsync.music.transformer.decoding import one_thread
    from emsync.music.transformer.stepping import stepper_for

    device = model.head.weight.device
    alone = one_thread if device.type == "cpu" else nullcontext
    lengths = sorted({min(context, model.settings.context) for context in contexts})
    count = max(lengths) - model.settings.prefix
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(v.BAR, v.FEWER_INSTRUMENTS, (1, count), generator=generator)
    offsets = 8.0 * torch.rand(1, count, generator=generator)
    mood = torch.tensor([[0.3, 0.2]], device=device)
    here, told = tokens.to(device), offsets.to(device)
    seconds: dict[tuple[int, str], list[float]] = {}

    with torch.inference_mode():
        stepper = stepper_for(model, 1)

        def naive(new: int) -> None:
            model(here[:, :new], told[:, :new], mood)[:, -1].cpu()

        def cached(new: int) -> None:
            for _ in range(STEPS):
                stepper.pasts[0].length = new - 1 + model.settings.prefix
                stepper.step([0], [int(tokens[0, new - 1])], [float(new % 8)])

        with alone():
            stepper.read_in(
                0, tokens[0, : count - 1].tolist(), offsets[0, : count - 1].tolist(), (0.3, 0.2)
            )
        for repeat in range(repeats + 1):  # the first warms up
            for length in lengths:
                new = length - model.settings.prefix
                with alone():
                    times = {"cached": _timed(cached, new) / STEPS, "alone": _timed(naive, new)}
                # Two threads are twice as fast on an idle machine, and far slower on a busy one.
                times["together"] = _timed(naive, new)
                for way, taken in times.items():
                    if repeat:
                        seconds.setdefault((length, way), []).append(taken)
    return [
        Speed(
            length,
            cached=median(seconds[length, "cached"]),
            naive=min(median(seconds[length, way]) for way in ("alone", "together")),
            repeats=repeats,
            way=stepper.way,
        )
        for length in lengths
    ]


def _timed(work: Callable[[int], None], new: int) -> float:
    """Return seconds that `work` takes; it ends with its result on the CPU."""
    began = time.perf_counter()
    work(new)
    return time.perf_counter() - began


def of_published_size(positions: "Positions" = "relative") -> "MusicTransformer":
    """37 million random weights, in half precision as saved ones are, in the published shape."""
    import torch

    from emsync.music.transformer.model import MusicTransformer, TransformerSettings

    settings = TransformerSettings(
        positions, layers=11, heads=8, width=512, inner_width=2048, context=1216
    )
    torch.manual_seed(0)
    model = MusicTransformer(settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    return model


def markdown(found: Sequence[Speed]) -> str:
    """Write one table, a line a context."""
    rows = [
        "| context | cached, tokens/s | recomputed, tokens/s | ratio |",
        "| --: | --: | --: | --: |",
    ]
    rows += [
        f"| {one.context} | {1 / one.cached:.0f} | {1 / one.naive:.2f} | {one.ratio:.0f} × |"
        for one in found
    ]
    return "".join(f"{row}\n" for row in rows)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m emsync.evaluation.speed", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--weights", type=Path, help="folder (default: the shipped weights)")
    which.add_argument("--parameters", choices=["37m"], help="random weights of the paper's size")
    parser.add_argument("--positions", choices=["relative", "rotary"], default="relative")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args(arguments)
    if options.parameters:
        name, model = f"37 M, {options.positions}", of_published_size(options.positions)
    else:
        checkpoint = load(options.weights)
        name, model = checkpoint.name, checkpoint.model
    import torch

    found = speed(model, repeats=options.repeats)
    print(
        f"{name} on {model.head.weight.device.type} ({platform.machine()}, "
        f"{torch.get_num_threads()} threads; cached: {found[0].way}), medians of "
        f"{options.repeats}:\n"
    )
    print(markdown(found), end="")


if __name__ == "__main__":
    main()
