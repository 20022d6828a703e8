"""Learning curves: `python -m emsync.training.plot RUN/log.jsonl [more logs] -o curves.png`.

Left the held-out negative log-likelihood over the tokens seen, beside what counting two and three
tokens in a row would reach; right the share of tokens that were the likeliest, or among the five
likeliest. Where a moving average of the weights was evaluated too, it is dashed.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emsync.process.command import parser_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENTROPIES = {"bigrams": 4.0, "trigrams": 2.3}
"""Nats a token of the mixed corpus, given the one or the two before: above the second, nothing of
music has been learned that counting would not know."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe & Ito (2008): apart in every common form of colour blindness."""

Row = dict[str, Any]


def read_log(path: Path) -> list[Row]:
    """Return the rows of a log, oldest first, without what a later command did over again."""
    rows: list[Row] = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        while rows and rows[-1]["step"] >= row["step"]:
            rows.pop()
        rows.append(row)
    return rows


def learning_curves(logs: Mapping[str, Sequence[Row]]) -> "Figure":
    """Return a figure of the logs, by name; see the module."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    likelihood, hits = figure.subplots(1, 2)
    for i, (name, rows) in enumerate(logs.items()):
        colour = COLOURS[i % len(COLOURS)]
        _curve(likelihood, rows, "nll", color=colour, label=name)
        _curve(likelihood, rows, "nll_ema", color=colour, linestyle="--")
        _curve(hits, rows, "top5", color=colour, label=f"{name}, among five")
        _curve(hits, rows, "top1", color=colour, linestyle=":", label=f"{name}, the likeliest")
    for name, nats in ENTROPIES.items():
        likelihood.axhline(nats, color="#6B7280", linewidth=1, zorder=0)
        likelihood.annotate(
            name, (1, nats), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8
        )
    likelihood.set(xlabel="million tokens seen", ylabel="held-out NLL, nats a token", ylim=(0, 7.2))
    hits.set(xlabel="million tokens seen", ylabel="share of held-out tokens", ylim=(0, 1))
    for axes in (likelihood, hits):
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8)
    return figure


def _curve(axes: "Axes", rows: Sequence[Row], key: str, **style: Any) -> None:
    shown = [row for row in rows if key in row]
    tokens = [row["tokens"] / 1e6 for row in shown]
    if shown:
        axes.plot(tokens, [row[key] for row in shown], linewidth=1.6, **style)


def main(arguments: list[str] | None = None) -> None:
    parser = parser_of("emsync.training.plot", __doc__)
    parser.add_argument("logs", type=Path, nargs="+", help="log.jsonl of one run or several")
    parser.add_argument("-o", "--out", type=Path, required=True, help="picture to write")
    options = parser.parse_args(arguments)
    logs: dict[str, list[Row]] = {}
    for path in options.logs:
        try:
            name = path.resolve().parent.name
            if name in logs:
                name = f"{name}/{path.stem}"
            logs[name] = read_log(path)
        except (OSError, ValueError, KeyError, TypeError) as problem:
            sys.exit(f"{path} is no log of a training: {problem!r}.")
    learning_curves(logs).savefig(options.out, dpi=120)


if __name__ == "__main__":
    main()
