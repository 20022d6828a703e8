"""Run the craft: `python -m emsync.training.craft -o SHARDS --pieces 20000 --seed 0`.

Writes `SHARDS/craft.npz`, a shard in the form of `emsync.training.corpus`, and with `--midi` some
of the pieces as MIDI files to listen to. The same seed writes the same pieces.
"""

import multiprocessing
import os
from functools import partial
from pathlib import Path

from emsync.process.command import parser_of
from emsync.training.corpus import write_shard
from emsync.training.craft.commission import commission
from emsync.training.craft.composing import compose
from emsync.training.craft.pieces import write_piece_midi, written


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = parser_of("emsync.training.craft", __doc__)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the shard")
    parser.add_argument("--pieces", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--midi", type=Path, help="folder for the first pieces as MIDI files")
    parser.add_argument("--midi-pieces", type=int, default=20)
    options = parser.parse_args(arguments)
    if options.pieces < 1:
        parser.error("at least one piece")
    options.out.mkdir(parents=True, exist_ok=True)
    write = partial(written, options.seed)
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        pieces = list(pool.imap(write, range(options.pieces), chunksize=32))
    write_shard(pieces, options.out / "craft.npz")
    tokens = sum(len(piece.tokens) for piece in pieces)
    print(f"craft: {len(pieces)} pieces, {tokens:,} tokens", flush=True)
    if options.midi is not None:
        options.midi.mkdir(parents=True, exist_ok=True)
        for number in range(min(options.midi_pieces, options.pieces)):
            job = commission(options.seed, number)
            name = f"{number:03d}-{job.manner.name}.mid"
            write_piece_midi(job, *compose(job), options.midi / name)


if __name__ == "__main__":
    main()
