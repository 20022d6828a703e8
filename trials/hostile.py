"""Files that were made, or damaged, to do harm: `python -m trials.hostile`.

Each gets a sentence, or is what it seems to be; what it must not open is in `trials.lures`.
"""

import sys

from trials import hostile_files, hostile_films, hostile_midi, hostile_soundfonts, hostile_text
from trials.trial import case, main

QUICK = {
    "hls-secret-mp4", "hls-web", "hls-relative", "concat-script", "dash-mpd", "session",
    "vobsub", "hls-system", "reference-url",
    "reference-alias", "linked-segments", "attachments", "png-wide", "png-lies-wide",
    "h264-claims-wide", "vp9-claims", "gif-large", "changes-size", "cmov-bomb", "packed-blocks",
    "streams-mkv", "frames-hours", "frames-claimed", "time-2^62", "time-gaps", "time-jumps",
    "time-still", "timebase-0", "timebase-2^32", "edits-2^62", "mkv-scale-2^62",
    "mkv-length-nan", "atom-huge", "atoms-nested", "elements-nested", "no-film-pdf",
    "no-film-empty", "no-film-program", "place-fifo", "place-folder", "place-link-passwd",
    "place-link-zero", "place-nul", "place-too-long", "place-missing", "cut-front.mp4",
    "cut-end.mp4", "cut-film.mkv", "cut-film.avi", "noise-mp4", "name-quotes", "name-long",
    "name-option", "name-pattern", "name-bytes", "name-scored-newline", "midi-sound",
    "midi-division-0", "midi-division-smpte", "midi-tempo-0", "midi-status-garbage",
    "midi-delta-huge", "midi-form-9", "midi-meta-claimed", "midi-too-large", "midi-fifo",
    "midi-nul", "midi-text", "font-empty",
    "font-half", "font-chunks-million", "font-no-instruments",
    "font-sound", "sound-hours", "sound-rate-0", "sound-channels-255", "noise-none",
    "name-of-preset", "name-of-report", "name-of-font", "preset-whole", "report-whole",
    "preset-wrong-everywhere", "report-lies", "address", "mood-editor", "tokens",
    "preset-deep", "preset-huge-number", "preset-elsewhere", "preset-twice", "report-deep",
    "report-huge-text", "report-many-names", "report-version", "report-utf-16",
}  # fmt: skip
"""Those that `make test` tries."""

CASES = [
    case(name, run, seconds, slow=name not in QUICK)
    for name, run, seconds in (
        *hostile_films.films(), *hostile_files.in_places(), *hostile_files.damaged(),
        *hostile_files.with_names(), *hostile_midi.midis(), *hostile_soundfonts.fonts(),
        *hostile_text.texts(), *hostile_text.named_otherwise(),
    )
]  # fmt: skip

if __name__ == "__main__":
    sys.exit(main("hostile"))
