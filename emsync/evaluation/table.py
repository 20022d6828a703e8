"""The figures as Markdown: one table, and one of its own for the composers and the musicianship."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from emsync.evaluation.composers import side_by_side
from emsync.evaluation.musicianship.comparing import markdown_of

Row = tuple[str, str, str]


def markdown(figures: dict[str, Any]) -> str:
    """Write a table: measure, value, what to hold it against; then those that have more columns.

    Args:
        figures: as written to `evaluation.json`, but with NaN for what could not be measured;
            sections that were not run are absent.
    """
    sections: dict[str, Callable[[Any], Iterator[Row]]] = {
        "likelihood": _likelihood,
        "boundaries": _boundaries,
        "emotion": _emotion,
        "statistics": _statistics,
        "av-align": _av_align,
        "speed": _speed,
        "tags": _tags,
    }
    rows: list[Row] = [("measure", "value", "beside it"), ("---", "---", "---")]
    for name, section in sections.items():
        if name in figures:
            rows += section(figures[name])
    # What could not be measured is a dash, however it would have been written.
    lines = (f"| {' | '.join(row)} |\n" for row in rows)
    text = "".join(re.sub(r"[+-]?\bnan\b%?", "–", line) for line in lines)
    tables = [text] if len(rows) > 2 else []
    if "composers" in figures:
        tables.append(side_by_side(figures["composers"]))
    if "musicianship" in figures:
        tables.append(markdown_of(figures["musicianship"]))
    return "\n".join(tables) or text


def _likelihood(tiers: list[dict[str, Any]]) -> Iterator[Row]:
    for tier in tiers:
        quality = tier["quality"]
        yield (
            f"test split, {tier['tier']} ({tier['pieces']} pieces): NLL / top-1 / top-5",
            f"{quality['nll']:.3f} / {quality['top1']:.3f} / {quality['top5']:.3f}",
            "thesis, 145 M parameters on Lakh: 0.712 / 0.790 / 0.955 (other tokens a second)",
        )


def _boundaries(found: dict[str, Any]) -> Iterator[Row]:
    told, printed, untold, chance = (
        found[way] for way in ("told", "as_printed", "untold", "random")
    )
    for name, key in (("1 s", "within_1s"), ("0.25 s", "within_quarter")):
        about = f" ({found['films']} films, {found['boundaries']} boundaries)"
        yield (
            f"boundaries hit within {name}" + (about if key == "within_1s" else ""),
            f"{told[key]:.0%}",
            f"Algorithm 1 as printed {printed[key]:.0%}, untold {untold[key]:.0%}, "
            f"random placement {chance[key]:.0%}",
        )
        key = f"sounding_{key}"
        yield (
            "… by the notes alone",
            f"{told[key]:.0%}",
            f"as printed {printed[key]:.0%}, untold {untold[key]:.0%}",
        )
    yield (
        "median offset of the hits",
        _seconds(told["median_offset"]),
        f"as printed {_seconds(printed['median_offset'])}, "
        f"random placement {_seconds(chance['median_offset'])}",
    )


def _emotion(found: dict[str, Any]) -> Iterator[Row]:
    """Single draws as the value; pieces whose openings were chosen beside it."""
    for way, label in (
        ("single", "single draws"),
        ("chosen", "openings chosen, and judged, by the regressor"),
    ):
        if way not in found:
            continue
        control, steps = found[way], found[way]["monotonicity"]
        yield (
            f"mood, {label} ({control['pieces']} pieces): normalised L1 error",
            f"{control['normalised_error']:.3f}",
            f"if 0 were always heard {control['neutral_error']:.3f}; "
            "thesis, by another regressor: 0.195",
        )
        for axis, other in (("valence", "arousal"), ("arousal", "valence")):
            yield (
                f"… asked {axis} and heard {axis}: correlation, monotonicity",
                f"{control[f'{axis}_with_heard_{axis}']:+.2f}, {steps[axis]:+.2f}",
                f"asked {axis} and heard {other}: {control[f'{axis}_with_heard_{other}']:+.2f}",
            )
        yield (
            "… asked arousal and tempo",
            f"{control['arousal_with_tempo']:+.2f}, {steps['tempo']:+.2f}",
            f"asked valence and tempo: {control['valence_with_tempo']:+.2f}",
        )
        for axis, what in (("arousal", "density"), ("valence", "majorness")):
            yield (
                f"… asked {axis} and {what.replace('density', 'notes a second')}",
                f"{control[f'{axis}_with_{what}']:+.2f}, {steps[what]:+.2f}",
                "",
            )


def _statistics(found: dict[str, Any]) -> Iterator[Row]:
    for number, one in enumerate(found["comparisons"]):
        about = (
            f" ({found['generated']} pieces, {found['crops']} crops of {found['seconds']:g} s "
            f"of the test split)"
        )
        yield (
            one["statistic"].replace("_", " ") + ("" if number else about),
            f"{one['generated']:.2f}, distance {one['distance']:.2f} σ",
            f"real {one['real']:.2f}, between halves of it {one['floor']:.2f} σ",
        )


def _av_align(films: list[dict[str, Any]]) -> Iterator[Row]:
    for film in films:
        for window in ("one frame", "one second"):
            found = film[f"at_{window.replace(' ', '_')}"]
            yield (
                f"AV-Align of {film['film']} at {window}".replace("|", "/"),
                f"{found['score']:.3f}",
                f"onsets moved at random {found['by_chance']:.3f}",
            )


def _speed(contexts: list[dict[str, Any]]) -> Iterator[Row]:
    for one in contexts:
        yield (
            f"tokens a second at {one['context']} of context, one piece",
            f"{1 / one['cached']:.0f}",
            f"recomputed in full {1 / one['naive']:.1f}: {one['ratio']:.0f} times slower",
        )


def _tags(found: dict[str, Any]) -> Iterator[Row]:
    floor = found["floor"]
    yield (
        f"KL of the tags of {found['generated']} from {found['reference']}".replace("|", "/"),
        f"{found['divergence']:.3f}",
        "" if floor is None else f"between halves of the reference {floor:.3f}",
    )


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f} s"
