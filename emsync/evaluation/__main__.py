"""`python -m emsync.evaluation --shards SHARDS --weights FOLDER -o FOLDER`: one table, one JSON."""

import argparse
import json
import math
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emsync.evaluation.alignment import adherence
from emsync.evaluation.emotion_control import emotion_control
from emsync.evaluation.likelihood import likelihood
from emsync.music.checkpoint import load
from emsync.settings import MusicSettings
from emsync.training.corpus import read_shard


def markdown(figures: dict[str, Any]) -> str:
    """One table: measure, value, and what to hold it against."""
    rows = [("measure", "value", "beside it"), ("---", "---", "---")]
    for tier in figures.get("likelihood", []):
        quality = tier["quality"]
        rows.append(
            (
                f"test split, {tier['tier']} ({tier['pieces']} pieces): NLL / top-1 / top-5",
                f"{quality['nll']:.3f} / {quality['top1']:.3f} / {quality['top5']:.3f}",
                "thesis, 145 M parameters on Lakh: 0.712 / 0.790 / 0.955 (other tokens a second)",
            )
        )
    hits = figures["alignment"]
    rows += [
        (
            f"boundaries hit within 1 s ({hits['films']} films, {hits['boundaries']} boundaries)",
            f"{hits['within_1s']:.0%}",
            f"same seeds untold {hits['untold_within_1s']:.0%}, "
            f"random placement {hits['random_within_1s']:.0%}",
        ),
        ("boundaries hit within 0.25 s", f"{hits['within_quarter']:.0%}", ""),
        ("median offset of the hits", _seconds(hits["median_offset"]), "thesis: 1 s window"),
    ]
    mood = figures["emotion_control"]
    rows += [
        ("correlation of asked arousal with tempo", f"{mood['arousal_with_tempo']:+.2f}", ""),
        ("… with notes a second", f"{mood['arousal_with_density']:+.2f}", ""),
        (
            "correlation of asked valence with majorness",
            f"{mood['valence_with_majorness']:+.2f}",
            "",
        ),
        ("… with tempo", f"{mood['valence_with_tempo']:+.2f}", "should be near 0"),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f} s"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m emsync.evaluation", description=__doc__)
    parser.add_argument(
        "--weights", type=Path, help="folder of a generator (default: the shipped one)"
    )
    parser.add_argument("--shards", type=Path, help="token shards, for the likelihood")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the two files")
    parser.add_argument("--films", type=int, default=20, help="films of a minute (default: 20)")
    parser.add_argument("--pieces", type=int, default=8, help="pieces a mood (default: 8)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    checkpoint, settings = load(options.weights), MusicSettings()
    began = time.monotonic()
    figures: dict[str, Any] = {
        "weights": checkpoint.name,
        "weights_sha256": checkpoint.sha256,
        "machine": f"{platform.machine()} {platform.system()}, torch on {checkpoint.device}",
        "sampling": asdict(settings),
        "seed": options.seed,
    }
    if options.shards:
        pieces = [p for path in sorted(options.shards.glob("*.npz")) for p in read_shard(path)]
        figures["likelihood"] = [asdict(tier) for tier in likelihood(checkpoint.model, pieces)]
    figures["alignment"] = asdict(adherence(checkpoint, settings, options.films, options.seed))
    figures["emotion_control"] = asdict(
        emotion_control(checkpoint, settings, options.pieces, options.seed)
    )
    figures["seconds"] = time.monotonic() - began
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_without_nan(figures), indent=1, allow_nan=False) + "\n"
    (options.out / "evaluation.json").write_text(text)
    table = markdown(figures)
    (options.out / "evaluation.md").write_text(table)
    print(table, end="")


if __name__ == "__main__":
    main()
