"""The command `python -m emsync batch FOLDER -o RESULTS`: score every film of a folder."""

import argparse
import sys
from pathlib import Path

from emsync.commands.checks import check_files, check_free
from emsync.commands.interrupt import cancelled_by_signals
from emsync.commands.options import mood_request, settings_of
from emsync.commands.progress import StatusLine
from emsync.presets import write_preset
from emsync.settings import Settings
from emsync.text import one_line


def run(options: argparse.Namespace, standard: Settings) -> int:
    """Score the films of a folder; return the exit status.

    Args:
        options: of `emsync.commands.options.batch_parser`.
        standard: the settings of what is no option.

    Raises:
        EmsyncError: there is nothing to begin with; with the sentence to show.
        Cancelled: interrupted.
    """
    settings = settings_of(options, standard)
    check_files(settings)
    if options.save_preset is not None:
        check_free(options.save_preset, options.overwrite)
        write_preset(settings, options.save_preset, allow_paths=True)
    from emsync.batch.films import BatchRequest, films_in, score_films
    from emsync.batch.table import table, write_table
    from emsync.emotion.features.panel import Panel, standard_experts
    from emsync.music.composer import open_composer
    from emsync.sound.synth import load_library

    films = films_in(options.folder, options.output)
    request = BatchRequest(settings, mood_request(options), options.stems, options.overwrite)
    load_library()
    composer = open_composer(settings.music.composer, options.weights)
    panel = Panel(standard_experts()) if options.experts else None
    line = StatusLine(options.quiet)

    def announce(number: int, film: Path) -> None:
        line.clear()
        if not options.quiet:
            print(f"{one_line(film.name)} ({number} of {len(films)})", file=sys.stderr, flush=True)

    try:
        with cancelled_by_signals() as cancel:
            rows = score_films(
                films,
                options.output,
                request,
                composer,
                panel,
                announce,
                line.show_progress,
                cancel,
            )
    finally:
        line.clear()
    write_table(rows, options.output / "table.csv")
    letters = sys.stdout.encoding or "utf-8"
    print(table(rows).encode(letters, "replace").decode(letters))
    return 1 if any(row.problem for row in rows) else 0
