"""A score as MusicXML 4.0, which all notation programs open."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import emsync
from emsync.performance.notation.metre import DIVISIONS, Bar
from emsync.performance.notation.percussion import drum_of
from emsync.performance.notation.placing import Tone
from emsync.performance.notation.rhythm import Symbol
from emsync.performance.notation.score import (
    Clef,
    Dynamic,
    Harmony,
    Mark,
    Part,
    Score,
    Tempo,
    Wedge,
)
from emsync.performance.notation.spelling import Key, letter, octave
from emsync.process.files import written_whole
from emsync.text import one_line

COMPRESSED: Final = ".mxl"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles><rootfile '
    'full-path="score.musicxml" media-type="application/vnd.recordare.musicxml+xml"/></rootfiles>'
    "</container>\n"
)
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a ZIP knows: the same score gives the same bytes."""
_NAMES: Mapping[str, tuple[str, str]] = {
    "guitar": ("Guitar", "Gtr."),
    "piano": ("Piano", "Pno."),
    "strings": ("Strings", "Str."),
    "bass": ("Bass", "Bass"),
    "drums": ("Drums", "Dr."),
}
_CLEFS: Mapping[Clef, tuple[str, int | None, int]] = {
    "treble": ("G", 2, 0),
    "treble 8vb": ("G", 2, -1),
    "bass": ("F", 4, 0),
    "percussion": ("percussion", None, 0),
}
"""Sign, line and change of octave."""
_KINDS: Mapping[str, str] = {
    "": "major", "m": "minor", "dim": "diminished", "aug": "augmented", "sus2": "suspended-second",
    "sus4": "suspended-fourth", "6": "major-sixth", "m6": "minor-sixth", "7": "dominant",
    "maj7": "major-seventh", "m7": "minor-seventh", "m7b5": "half-diminished",
    "dim7": "diminished-seventh", "add9": "major",
}  # fmt: skip
"""Qualities of chords as MusicXML names them."""
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_STAFF_MILLIMETRES: Final = 4.6
"""Height of a staff, between those of pocket scores and of single parts."""
_PAGE_MILLIMETRES, _MARGIN_MILLIMETRES = (210, 297), 13
_VOICES_A_STAFF = 4
"""Numbers that each staff has for its voices, by convention."""
_FULL_VELOCITY = 90
"""MIDI velocity that MusicXML calls a loudness of 100 %."""


def write_musicxml(score: Score, path: Path) -> None:
    """Write a score; the file appears whole or not at all."""
    text = musicxml(score)
    with written_whole(path) as partial:
        partial.write_bytes(text)


def compress(score: Path, path: Path) -> None:
    """Write a score, given as MusicXML, as compressed MusicXML; the same gives the same bytes."""
    text = score.read_bytes()
    with written_whole(path) as partial, zipfile.ZipFile(partial, "x") as package:
        for name, content in (
            ("META-INF/container.xml", _CONTAINER.encode()),
            ("score.musicxml", text),
        ):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, content)


def musicxml(score: Score) -> bytes:
    """Return a score as MusicXML."""
    root = Element("score-partwise", version="4.0")
    _add(_add(root, "work"), "work-title", one_line(score.title))
    about = _add(root, "identification")
    _add(about, "creator", "Made with EMSYNC", type="composer")
    encoding = _add(about, "encoding")
    _add(encoding, "software", f"EMSYNC {emsync.__version__}")
    for element in ("accidental", "beam", "stem"):
        # Programs then draw these as they stand here.
        _add(encoding, "supports", element=element, type="yes" if element != "stem" else "no")
    _layout(root)
    listing = _add(root, "part-list")
    for number, part in enumerate(score.parts, 1):
        _list_part(listing, f"P{number}", part)
    for number, part in enumerate(score.parts, 1):
        _write_part(root, f"P{number}", part, score, number == 1)
    indent(root, " ")
    return _HEAD.encode() + tostring(root, encoding="utf-8") + b"\n"


def _add(parent: Element, tag: str, content: object = None, /, **attributes: object) -> Element:
    """Add an element with a text; underscores in names of attributes stand for hyphens."""
    found = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
    child = SubElement(parent, tag, found)
    if content is not None:
        child.text = str(content)
    return child


def _layout(root: Element) -> None:
    """Say how large page and staves are."""
    defaults = _add(root, "defaults")
    scaling = _add(defaults, "scaling")
    _add(scaling, "millimeters", _STAFF_MILLIMETRES)
    _add(scaling, "tenths", 40)
    tenths = 40 / _STAFF_MILLIMETRES
    page = _add(defaults, "page-layout")
    width, height = _PAGE_MILLIMETRES
    _add(page, "page-height", f"{height * tenths:.1f}")
    _add(page, "page-width", f"{width * tenths:.1f}")
    margins = _add(page, "page-margins", type="both")
    for side in ("left", "right", "top", "bottom"):
        _add(margins, f"{side}-margin", f"{_MARGIN_MILLIMETRES * tenths:.1f}")


def _list_part(listing: Element, name: str, part: Part) -> None:
    """Write the name and the instruments of a part."""
    row = _add(listing, "score-part", id=name)
    title, short = _NAMES[part.group]
    _add(row, "part-name", title)
    _add(row, "part-abbreviation", short)
    keys = _keys_struck(part)
    if part.group != "drums":
        _add(_add(row, "score-instrument", id=f"{name}-I1"), "instrument-name", title)
        midi = _add(row, "midi-instrument", id=f"{name}-I1")
        _add(midi, "midi-channel", int(name[1:]))
        _add(midi, "midi-program", part.program + 1)
        return
    for key in keys:
        instrument = _add(row, "score-instrument", id=f"{name}-I{key + 1}")
        _add(instrument, "instrument-name", drum_of(key).name)
    for key in keys:
        midi = _add(row, "midi-instrument", id=f"{name}-I{key + 1}")
        _add(midi, "midi-channel", 10)
        _add(midi, "midi-program", part.program + 1)
        _add(midi, "midi-unpitched", key + 1)


def _keys_struck(part: Part) -> list[int]:
    return sorted(
        {
            tone.pitch
            for staff in part.staves
            for bar in staff.bars
            for voice in bar
            for symbol in voice
            for tone in symbol.tones
        }
    )


# Bars ---------------------------------------------------------------------------------------------


def _write_part(root: Element, name: str, part: Part, score: Score, on_top: bool) -> None:
    """Write the bars of a part; the uppermost one has what stands over the score."""
    element = _add(root, "part", id=name)
    keys = dict(score.keys)
    key = keys.get(0, Key(0, False))
    before: Bar | None = None
    for number, bar in enumerate(score.page.bars):
        key = keys.get(number, key)
        measure = _add(element, "measure", number=bar.number)
        if bar.number == 0:
            measure.set("implicit", "yes")
        following = score.page.bars[min(number + 1, len(score.page.bars) - 1)]
        _attributes(
            measure, part, bar, before, following, key if number in keys or not number else None
        )
        over = list(_over(score, bar)) if on_top else []
        signs: tuple[Over, ...] = (*part.wedges, *part.dynamics)
        over += [(one.at, one) for one in signs if bar.start <= one.at < bar.end]
        over += [
            (at, Mark(at, "words", text)) for at, text in part.words if bar.start <= at < bar.end
        ]
        _write_bar(measure, name, part, number, bar, key, sorted(over, key=lambda row: row[0]))
        if number == len(score.page.bars) - 1:
            _add(_add(measure, "barline", location="right"), "bar-style", "light-heavy")
        before = bar


def _attributes(
    measure: Element,
    part: Part,
    bar: Bar,
    before: Bar | None,
    following: Bar,
    key: Key | None,
) -> None:
    """Write what changes with a bar: key and time signature; clefs with the first."""
    # A pickup has the time signature of the bar that it leads to.
    metre = following.metre if bar.number == 0 else bar.metre
    known = before is not None and (before.number == 0 or before.metre == metre)
    if before is not None and key is None and known:
        return
    row = _add(measure, "attributes")
    if before is None:
        _add(row, "divisions", DIVISIONS)
    if key is not None:
        signature = _add(row, "key")
        _add(signature, "fifths", 0 if part.group == "drums" else key.fifths)
        _add(signature, "mode", "minor" if key.minor else "major")
    if not known:
        time = _add(row, "time")
        _add(time, "beats", metre.beats)
        _add(time, "beat-type", metre.unit)
    if before is not None:
        return
    if len(part.staves) > 1:
        _add(row, "staves", len(part.staves))
    for number, staff in enumerate(part.staves, 1):
        sign, line, change = _CLEFS[staff.clef]
        clef = _add(row, "clef", number=number)
        _add(clef, "sign", sign)
        if line is not None:
            _add(clef, "line", line)
        if change:
            _add(clef, "clef-octave-change", change)
    if part.group == "bass":
        transpose = _add(row, "transpose")
        _add(transpose, "diatonic", 0)
        _add(transpose, "chromatic", 0)
        _add(transpose, "octave-change", -1)


Over = Tempo | Mark | Harmony | Dynamic | Wedge


def _over(score: Score, bar: Bar) -> Iterator[tuple[int, Over]]:
    """Yield what stands over a bar, each with its place."""
    rows: Sequence[Over] = (*score.tempos, *score.marks, *score.harmonies)
    yield from ((one.at, one) for one in rows if bar.start <= one.at < bar.end)


def _write_bar(
    measure: Element,
    name: str,
    part: Part,
    number: int,
    bar: Bar,
    key: Key,
    over: Sequence[tuple[int, Over]],
) -> None:
    """Write all voices of a bar, one after the other, each from its beginning."""
    waiting = list(over)
    is_first, is_kit = True, part.group == "drums"
    for staff_number, staff in enumerate(part.staves, 1):
        voices = staff.bars[number]
        signs = _signs(voices, key) if staff.clef != "percussion" else {}
        for voice_number, voice in enumerate(voices):
            if not is_first:
                _add(_add(measure, "backup"), "duration", bar.metre.length)
            for symbol in voice:
                while waiting and waiting[0][0] < symbol.end:
                    at, one = waiting.pop(0)
                    _write_over(measure, one, at - symbol.start)
                writer = _SymbolWriter(
                    measure,
                    symbol,
                    voice=(staff_number - 1) * _VOICES_A_STAFF + voice_number + 1,
                    staff=staff_number if len(part.staves) > 1 else None,
                    stem=("up", "down")[voice_number] if len(voices) > 1 or is_kit else None,
                    instrument=name if is_kit else None,
                )
                writer.write(signs)
            is_first = False


def _signs(voices: Sequence[Sequence[Symbol]], key: Key) -> dict[tuple[int, int], str]:
    """Return the accidentals that are drawn in a bar of a staff, by start and pitch of the note."""
    altered = {"FCGDAEB"[place]: 1 for place in range(max(key.fifths, 0))}
    altered |= {"BEADGCF"[place]: -1 for place in range(max(-key.fifths, 0))}
    now: dict[tuple[str, int], int] = {}
    signs: dict[tuple[int, int], str] = {}
    symbols = sorted((symbol for voice in voices for symbol in voice), key=lambda one: one.start)
    for symbol in symbols:
        if symbol.tied_back:
            continue
        for tone in symbol.tones:
            step, alter = letter(tone.name)
            line = step, octave(tone.pitch, tone.name)
            if now.get(line, altered.get(step, 0)) != alter:
                signs[symbol.start, tone.pitch] = _ACCIDENTALS[alter]
                now[line] = alter
    return signs


# Notes and rests ----------------------------------------------------------------------------------


class _SymbolWriter:
    """Writes one chord or rest."""

    def __init__(
        self,
        measure: Element,
        symbol: Symbol,
        voice: int,
        staff: int | None,
        stem: str | None,
        instrument: str | None,
    ) -> None:
        """
        Args:
            measure: to which it is added.
            symbol: what is written.
            voice, staff: their numbers; no staff where the part has but one.
            stem: "up" or "down" where there are two voices, or drums.
            instrument: of drums, the part whose instruments they are.
        """
        self.measure, self.symbol = measure, symbol
        self.voice, self.staff, self.stem, self.instrument = voice, staff, stem, instrument

    def write(self, signs: Mapping[tuple[int, int], str]) -> None:
        """Write it; `signs` are the accidentals of its bar."""
        symbol = self.symbol
        if symbol.is_rest:
            note = _add(self.measure, "note")
            _add(note, "rest", **({"measure": "yes"} if symbol.fills_bar else {}))
            self._finish(note, None, "")
        for place, tone in enumerate(symbol.tones):
            note = _add(self.measure, "note")
            if place:
                _add(note, "chord")
            if self.instrument is None:
                step, alter = letter(tone.name)
                pitch = _add(note, "pitch")
                _add(pitch, "step", step)
                if alter:
                    _add(pitch, "alter", alter)
                _add(pitch, "octave", octave(tone.pitch, tone.name))
            else:
                drum = drum_of(tone.pitch)
                unpitched = _add(note, "unpitched")
                _add(unpitched, "display-step", drum.step)
                _add(unpitched, "display-octave", drum.octave)
            self._finish(note, tone, signs.get((symbol.start, tone.pitch), ""), first=not place)

    def _finish(self, note: Element, tone: Tone | None, sign: str, first: bool = True) -> None:
        """Write what follows the pitch."""
        symbol = self.symbol
        _add(note, "duration", symbol.length)
        tied = tone is not None and self.instrument is None
        ties = [
            kind
            for kind, holds in (("stop", symbol.tied_back), ("start", symbol.tied_on))
            if holds and tied
        ]
        for kind in ties:
            _add(note, "tie", type=kind)
        if tone is not None and self.instrument is not None:
            _add(note, "instrument", id=f"{self.instrument}-I{tone.pitch + 1}")
        _add(note, "voice", self.voice)
        if not symbol.fills_bar:
            _add(note, "type", symbol.kind)
        for _ in range(symbol.dots):
            _add(note, "dot")
        if sign:
            _add(note, "accidental", sign)
        if symbol.tuplet is not None:
            ratio = _add(note, "time-modification")
            _add(ratio, "actual-notes", symbol.tuplet[0])
            _add(ratio, "normal-notes", symbol.tuplet[1])
        if tone is not None and self.stem is not None:
            _add(note, "stem", self.stem)
        if tone is not None and self.instrument is not None:
            head = drum_of(tone.pitch).head
            if head != "normal":
                _add(note, "notehead", head)
        if self.staff is not None:
            _add(note, "staff", self.staff)
        if first:
            for level, beam in enumerate(symbol.beams, 1):
                _add(note, "beam", beam, number=level)
        self._notations(note, ties, first)

    def _notations(self, note: Element, ties: Sequence[str], first: bool) -> None:
        """Write ties, edges of tuplets and articulations, if there are some."""
        symbol = self.symbol
        row = Element("notations")
        for kind in ties:
            _add(row, "tied", type=kind)
        if first and symbol.tuplet_edge:
            more = (
                {"bracket": "no" if symbol.beams else "yes"}
                if symbol.tuplet_edge == "start"
                else {}
            )
            _add(row, "tuplet", type=symbol.tuplet_edge, number=1, **more)
        if first and (symbol.accent or symbol.staccato):
            articulations = _add(row, "articulations")
            if symbol.accent:
                _add(articulations, "accent")
            if symbol.staccato:
                _add(articulations, "staccato")
        if len(row):
            note.append(row)


# What stands over and under the notes -------------------------------------------------------------


def _write_over(measure: Element, one: Over, offset: int) -> None:
    """Write one thing over or under the note that follows, `offset` divisions after it begins."""
    if isinstance(one, Harmony):
        _write_harmony(measure, one, offset)
        return
    if offset:
        # Time goes forward and back, as MuseScore passes over the offsets of directions.
        _add(_add(measure, "forward"), "duration", offset)
    is_below = isinstance(one, Dynamic | Wedge)
    row = _add(measure, "direction", placement="below" if is_below else "above")
    kind = _add(row, "direction-type")
    if isinstance(one, Dynamic):
        _add(_add(kind, "dynamics"), one.sign)
    elif isinstance(one, Wedge):
        _add(kind, "wedge", type="crescendo" if one.begins else "stop", number=1)
    elif isinstance(one, Tempo):
        metronome = _add(kind, "metronome", parentheses="no")
        _add(metronome, "beat-unit", "quarter")
        if one.compound:
            _add(metronome, "beat-unit-dot")
        _add(metronome, "per-minute", round(one.quarters / (1.5 if one.compound else 1)))
    elif one.kind == "section":
        _add(kind, "rehearsal", one.text)
    else:
        style: dict[str, str] = {"font_size": "9"}
        if one.kind == "hit":
            style |= {"font_weight": "bold"}
        elif one.kind == "scene":
            style |= {"font_style": "italic"}
        _add(kind, "words", one.text, **style)
    if is_below:
        _add(row, "staff", 1)
    if isinstance(one, Dynamic):
        _add(row, "sound", dynamics=f"{100 * one.velocity / _FULL_VELOCITY:.2f}")
    elif isinstance(one, Tempo):
        _add(row, "sound", tempo=f"{one.quarters:.3f}")
    if offset:
        _add(_add(measure, "backup"), "duration", offset)


def _write_harmony(measure: Element, one: Harmony, offset: int) -> None:
    """Write a chord symbol."""
    row = _add(measure, "harmony", print_frame="no")
    step, alter = letter(one.root)
    root = _add(row, "root")
    _add(root, "root-step", step)
    if alter:
        _add(root, "root-alter", alter)
    _add(row, "kind", _KINDS[one.quality], text=one.quality)
    if one.bass is not None:
        step, alter = letter(one.bass)
        bass = _add(row, "bass")
        _add(bass, "bass-step", step)
        if alter:
            _add(bass, "bass-alter", alter)
    if one.quality == "add9":
        degree = _add(row, "degree", print_object="no")
        _add(degree, "degree-value", 9)
        _add(degree, "degree-alter", 0)
        _add(degree, "degree-type", "add")
    if offset:
        _add(row, "offset", offset)
