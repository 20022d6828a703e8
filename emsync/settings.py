"""Every number that a user or a researcher may turn, with its default and its source.

"Thesis" is Sulun, "Video-based Music Generation"; "published code" is the inference code that its
authors released. All classes are frozen: a request carries its own settings and nobody else's.

What a setting may be stands beside its default: a `Literal`, or `Annotated` with a `Range`, `Names`
or `Text`. `emsync.presets` checks what strangers send against it; page and command line show it.
The bounds are ours: what costs time or memory ends where a request would take a host for itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

OriginalSound = Literal["replace", "keep", "duck"]
Loudness = Literal["peak", "lufs", "streaming", "ebu-r128", "atsc-a85", "podcast"]
SpaceChoice = Literal["mood", "dry", "room", "hall", "published"]
BitDepth = Literal["16-bit", "24-bit"]
InstrumentCount = Literal["fewer", "more"]
MoodMode = Literal["mean", "draw"]
CurveMode = Literal["constant", "scenes"]
UndecidedMode = Literal["neutral", "mean"]
Device = Literal["auto", "cpu", "cuda"]
ComposerName = Literal["emsync", "video2music"]
DetectorName = Literal["threshold"]
EnhancerName = Literal["none"]
ComposingMethod = Literal["planned", "free"]
MetreChoice = Literal["auto", "4/4", "3/4", "6/8"]
Tonic = Literal["auto", "C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
ModeChoice = Literal["auto", "major", "minor", "dorian", "mixolydian", "lydian", "phrygian"]
Style = Literal["auto", "cinematic", "piano", "pop", "rock", "jazz", "electronic", "folk", "waltz"]
Density = Literal["sparse", "auto", "full"]
PerformerName = Literal["expressive", "learned", "flat"]
PatternRule = Literal["published", "published-generate", "paper"]
VelocityRule = Literal["published", "paper"]


EXPERTS = ("clip", "beats", "face", "asr", "ocr")
"""Ways of looking at a film that have an expert, in the order in which they look."""
GROUPS = ("bass", "drums", "guitar", "piano", "strings")
"""Instrument groups of the generator."""


@dataclass(frozen=True)
class Range:
    """The numbers that a setting may be: from `low` to `high`, or only those above `low`."""

    low: float
    high: float
    above: bool = False

    def __contains__(self, value: float | Fraction) -> bool:
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        return f"{'above' if self.above else 'from'} {self.low:.12g} to {self.high:.12g}"


@dataclass(frozen=True)
class Names:
    """The names that a setting may list, each once, and how many at least."""

    known: tuple[str, ...]
    least: int = 0


@dataclass(frozen=True)
class Programs:
    """The groups that a setting may give a program of `PROGRAMS`, each once."""

    groups: tuple[str, ...]


@dataclass(frozen=True)
class Levels:
    """The groups that a setting may give decibels of `GAINS`, each once."""

    groups: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """How many characters a setting that is any text may have, and what it is like."""

    most: int
    example: str


LONGEST_TEXT = 4_000
"""Characters of a setting that is any text. Ours: chords for half an hour, two a bar."""
PROGRAMS = Range(0, 127)
"""General MIDI, counted from 0."""
DELIVERIES: Mapping[str, tuple[float, float]] = {
    "streaming": (-14.0, -1.0),
    "ebu-r128": (-23.0, -1.0),
    "atsc-a85": (-24.0, -2.0),
    "podcast": (-16.0, -1.0),
}
"""Integrated loudness in LUFS and highest true peak in dBTP that are asked for where sound goes:
what Spotify and YouTube play at; broadcasters in Europe (EBU R 128) and North America (ATSC A/85);
Apple's podcasts."""
GAINS = Range(-60, 12)
"""Decibels of a group in the mix. Ours."""
MUTED = GAINS.low
"""Decibels at which a group is not heard at all."""


@dataclass(frozen=True)
class FilmLimits:
    """What is accepted from a stranger. Ours: chosen so that a two-core host stays responsive."""

    seconds: Annotated[float, Range(0, 1800, above=True)] = 1800.0
    """Half an hour. Memory and time grow in proportion to it and no faster: 635 MB of sound are the
    only thing as long as the film that is held. `EMSYNC_MINUTES` gives strangers less."""
    pixels: Annotated[int, Range(0, 4096 * 2304, above=True)] = 4096 * 2304
    bytes: Annotated[int, Range(0, 500_000_000, above=True)] = 500_000_000
    side: Annotated[int, Range(0, 8192, above=True)] = 8192
    """Pixels of the longer side; H.264 knows no longer ones before its level 6."""
    frames: Annotated[int, Range(0, 450_000, above=True)] = 450_000
    """Half an hour at 240 a second, and some."""
    look_seconds: Annotated[float, Range(0, 60, above=True)] = 60.0
    """That it may take to find out what film it is (`emsync.film.probe`)."""
    look_memory: Annotated[int, Range(0, 2_000_000_000, above=True)] = 2_000_000_000
    """Bytes of address space for that; 4K films took 200 to 330 million."""


@dataclass(frozen=True)
class CutSettings:
    """Cut detection (thesis 5.1)."""

    threshold: Annotated[float, Range(0, 1)] = 0.27
    """FFmpeg scene score above which a frame starts a new scene, in [0, 1]."""
    minimum_gap: Annotated[Fraction, Range(0.5, 600)] = Fraction(4)
    """Seconds between two kept cuts, greedy from the first."""
    detector: DetectorName = "threshold"
    """Which of `emsync.film.scenes.DETECTORS` finds the cuts. "threshold": as the thesis does."""


@dataclass(frozen=True)
class ExpertSettings:
    """What the experts get to see of a film (thesis 5.2.1), and for how long."""

    names: Annotated[tuple[str, ...], Names(EXPERTS)] = EXPERTS
    """Modalities to consult, where their weights are installed; the cues always are."""
    device: Device = "auto"
    """"auto": the GPU if there is one."""
    frames: Annotated[int, Range(1, 16)] = 16
    """Equidistant frames over the whole film, and the longest sequence that VEMOCLAP takes."""
    per_scene: Annotated[int, Range(1, 16)] = 3
    """Frames of each scene at least. Ours: so that every scene can be read by itself."""
    most_frames: Annotated[int, Range(1, 128)] = 64
    """Frames that an expert looks at in all. Ours."""
    still_seconds: Annotated[float, Range(0.1, 60)] = 1.0
    """Between the stills out of which frames are chosen, in films not too long for it; VEMOCLAP
    looks at one frame a second."""
    most_stills: Annotated[int, Range(1, 480)] = 240
    """Stills kept of a film. Ours: some 30 MB."""
    still_side: Annotated[int, Range(64, 1920)] = 960
    """Pixels of the longer side of a still. Ours: what text detection works on."""
    chunk_seconds: Annotated[float, Range(0.5, 10)] = 3.0
    """Of sound, for BEATs; half of it overlaps with the next."""
    most_chunks: Annotated[int, Range(1, 512)] = 128
    """Chunks of sound listened to; longer films are sampled evenly. Ours."""
    patience: Annotated[float, Range(0, 600)] = 60.0
    """Seconds that one expert may take, and `patience_per_second` more per second of film; after
    that the film is read without it. Ours."""
    patience_per_second: Annotated[float, Range(0, 10)] = 2.0


@dataclass(frozen=True)
class MoodSettings:
    """From six probabilities to valence and arousal (thesis 6.1)."""

    valence_arousal_range: Annotated[float, Range(0, 1, above=True)] = 0.8
    """r in (0, 1]: category means are scaled to span [-r, r] on both axes."""
    mode: MoodMode = "mean"
    """"mean": mean of the mixture; "draw": pick a category, then draw from its Gaussian."""
    undecided: UndecidedMode = "neutral"
    """What the evenly spread part of the probabilities means. "neutral": valence and arousal 0, for
    whoever cannot tell says nothing. "mean": the mean of all six emotions as in the thesis, and
    that is unpleasant and excited, since four of them are."""
    curve: CurveMode = "constant"
    """"constant": one mood for the whole film, as in the paper; "scenes": the mood follows the
    readings of the scenes (`emsync.emotion.curve`)."""


@dataclass(frozen=True)
class QualityLimits:
    """What a piece may not exceed without being drawn anew (`emsync.music.judging.quality`).

    Ours, each so that 98 to 99.5 % of real music keeps it: measured on 2,558 stretches of a minute,
    one a piece, from every source of the corpus. 96 to 98 % of the free, the research and the
    copyleft tier keep all of them; of the synthetic tier, a tenth of which is drums alone, 74 %.
    """

    longest_silence: Annotated[float, Range(0, 600)] = 3.0
    """Seconds in which nothing sounds."""
    longest_loop: Annotated[float, Range(0, 600)] = 16.0
    """Seconds for which one bar repeats exactly. The strictest styles reach 8 to 16 s."""
    longest_note: Annotated[float, Range(0, 600)] = 12.5
    """Seconds."""
    lowest_density: Annotated[float, Range(0, 1000)] = 1.5
    """Notes that begin per second."""
    highest_density: Annotated[float, Range(0, 1000)] = 52.0
    """Notes that begin per second; full orchestras and drum kits reach 30."""
    empty_bars: Annotated[float, Range(0, 1)] = 0.15
    """Share of bars in which no note begins."""
    repeated_bars: Annotated[float, Range(0, 1)] = 0.5
    """Share of bars that repeat the one before."""
    clusters: Annotated[float, Range(0, 1)] = 0.5
    """Share of time in which three notes sound within three semitones."""
    register: Annotated[float, Range(0, 127)] = 10.0
    """Semitones between the 5th and 95th percentile of pitch, at least."""
    shortest: Annotated[float, Range(0, 600)] = 20.0
    """Seconds; in shorter pieces shares and the register vary too much to be judged."""


@dataclass(frozen=True)
class Video2MusicSettings:
    """What only the composer "video2music" can be asked for; as in its published code by default.

    "Paper" is Kang, Poria, Herremans, "Video2Music: Suitable music generation from videos using an
    affective multimodal transformer model" (Expert Systems with Applications 249, 2024).
    """

    primer: Annotated[str, Text(400, "C Am F G")] = ""
    """Chords to begin with, one a second, in C major or A minor whatever the key: "C Am F G".
    Empty: the tonic chord."""
    repeats: Annotated[int, Range(1, 300)] = 2
    """Seconds that one chord holds at most (`max_conseq_chord`)."""
    silence: bool = False
    """Whether `N`, no chord, may be drawn (`max_conseq_N` above 0)."""
    pattern: PatternRule = "published"
    """What chooses the arpeggio. "published": the loudness, with the steps of `video2music.py`;
    "published-generate": the loudness, with those of `generate.py`; "paper": the note density."""
    velocity: VelocityRule = "published"
    """How loudness becomes velocity. "published": by its power of 0.3; "paper": linearly."""
    transpose: bool = True
    """Whether the notes move to the key; `generate.py` leaves them in C major or A minor."""
    smooth_emotion: Annotated[float, Range(0, 60)] = 0.0
    """Seconds over which the emotion is averaged; 0 for not at all, as published. The paper: 5."""
    clip_every: Annotated[int | None, Range(1, 600)] = None
    """Seconds between the pictures that CLIP looks at; those between are taken to be like the one
    before. Published: 1. None: 1 on a GPU; on a CPU as many as let it look at `most_on_cpu`."""
    most_on_cpu: Annotated[int, Range(1, 300)] = 12
    """Pictures of a film that CLIP looks at on a CPU, where one takes some seconds. Ours."""
    mood_counts: bool = True
    """Whether a mood other than the film's own takes the place of the emotion seen. Ours."""
    accents: bool = False
    """Whether the chord of the moment is struck whole on each kept cut. Ours: what is published
    knows no cuts but as scenes."""


@dataclass(frozen=True)
class MusicSettings:
    """Boundary conditioning and sampling (thesis 4.2, Algorithm 1; published code)."""

    composer: ComposerName = "emsync"
    """Which of `emsync.music.composer.COMPOSERS` writes the piece."""
    method: ComposingMethod = "planned"
    """"planned": a plan of chords and form is written first, the notes are drawn on a beat grid,
    and grid time is stretched to the hit points. "free": Algorithm 1, token by token. Ours."""
    style: Style = "auto"
    """What kind of music the plan asks for; "auto" follows the mood. Ours."""
    metre: MetreChoice = "auto"
    """Time signature. "auto": 4/4, or 3/4 or 6/8 where the generator finds it as easy. Ours."""
    tonic: Tonic = "auto"
    """Key note; "auto": any, by the seed; with Video2Music C in major and A in minor. Ours."""
    mode: ModeChoice = "auto"
    """Scale; "auto" follows the valence. Ours."""
    slowest: Annotated[float | None, Range(40, 220)] = None
    """Quarters a minute, at least; None: as the arousal says. Ours."""
    fastest: Annotated[float | None, Range(40, 220)] = None
    """Quarters a minute, at most. Ours."""
    density: Density = "auto"
    """How many voices play at once; "auto" follows the arousal. Ours."""
    melody: bool = True
    """Whether a lead line is written over the accompaniment. Ours."""
    chords: Annotated[str, Text(LONGEST_TEXT, "Am | F C | G")] = ""
    """Chords in place of the plan's own, a bar between two strokes: "Am | F C | G"; they go round
    until the piece ends. Empty: the plan's. Ours."""
    theme: Path | None = None
    """MIDI file whose melody is the theme of the piece. Ours."""
    leitmotif: Annotated[str, Text(LONGEST_TEXT, "0:12 1:05")] = ""
    """Moments of the film in whose scenes the theme returns, or without one of the user's the
    first melody of the piece; empty: the theme is the main section's. Ours."""
    harmony: Annotated[float, Range(0, 10)] = 2.0
    """How strongly the plan's chords are preferred while notes are drawn, in nats; they are
    obeyed in the end in any case. Ours."""
    sensitivity: Annotated[float, Range(0, 8)] = 1.0
    """xi, seconds: a CHORD this close to a boundary ticks that boundary off."""
    instruments: InstrumentCount = "more"
    """Instrument-count token: FEWER or MORE of the five groups."""
    groups: Annotated[tuple[str, ...], Names(GROUPS, least=1)] = GROUPS
    """Groups that may play; at least one. Without guitar and piano there are no strong chords."""
    primer: Path | None = None
    """MIDI file whose last seconds the piece goes on from. Ours."""
    primer_seconds: Annotated[float, Range(0, 60, above=True)] = 15.0
    """Of the primer, at most."""
    temperature: Annotated[float, Range(0.1, 3)] = 0.9
    """Ours, as `top_p`, chosen from ten pairs (the card of `free-5m`): near real music in rhythm
    and repetition, with not too many notes. The published code has 1.35 and 0.6 for its own,
    larger model, the thesis 1.2 and 0.7; there ours loses the beat."""
    top_p: Annotated[float, Range(0, 1, above=True)] = 0.8
    """Probability of the tokens that are drawn from."""
    repetition_coefficient: Annotated[float, Range(0, 2)] = 0.0
    """How fast the temperature rises while the nucleus holds at most two tokens. The published code
    has 0.4, which breaks the beat: two bars in three then have the wrong length. Only "free"."""
    maximum_offset: Annotated[float, Range(1, 60)] = 8.0
    """Seconds: offsets to the next boundary are capped here."""
    late_tolerance: Annotated[float | None, Range(0, 1)] = 0.125
    """Seconds by which a chord may come after its cut to stay on the beat. A time shift that would
    jump past a boundary by no more than this takes the boundary along; a longer one is shortened to
    land on it. Ours: sound this late goes unnoticed (ITU-R BT.1359). None for Algorithm 1 as it
    stands, which lets the boundary pass."""
    openings: Annotated[int, Range(1, 32)] = 8
    """Beginnings of ten seconds that are drawn, of which those nearest to the mood are continued;
    with no more than `candidates` there is nothing to choose. Ours; the thesis draws one piece."""
    opening: Annotated[int | None, Range(1, 32)] = None
    """Which of the openings goes on, counted from 1; None: the most promising. With other chords
    and the same opening a planned piece keeps its tempo, its form and its rhythms. Ours."""
    candidates: Annotated[int, Range(1, 4)] = 1
    """Pieces composed side by side, of which the best is kept. Ours; the thesis draws one."""
    keep: Annotated[int | None, Range(1, 20)] = None
    """Which of all candidates drawn is taken, counted from 1 in the order of drawing; None: the
    best. Ours."""
    redraws: Annotated[int, Range(0, 4)] = 2
    """Times that as many candidates again are composed while even the best has faults. Ours."""
    quality: QualityLimits = field(default_factory=QualityLimits)
    """Beyond these a piece has faults."""
    end_on_chord: bool = True
    """Ask for a last strong chord shortly before the film ends, and let nothing begin after it.
    Ours: without it the music is cut off by the fade."""
    compare_untold: bool = False
    """Also compose the piece that the same seed gives without boundaries, to compare."""
    guidance: Annotated[float, Range(0, 5)] = 1.0
    """Weight w >= 0 of the mood: logits are taken as without mood + w (with mood - without), so 1
    is the model as it is and more exaggerates (classifier-free guidance, Ho & Salimans 2022). The
    cuts are told either way. Other than 1 it costs a second pass per token."""
    video2music: Video2MusicSettings = field(default_factory=Video2MusicSettings)
    """What only Video2Music can be asked for."""


@dataclass(frozen=True)
class PerformanceSettings:
    """How what is composed is played (`emsync.performance`). Ours; the thesis plays every note with
    velocity 80, and the chords on hit points with 120.

    Loudness is in steps of MIDI velocity, of which five are about one decibel around 80.
    """

    performer: PerformerName = "expressive"
    """Which of `emsync.performance.performer.PERFORMERS` plays; "flat": as in the thesis."""
    expression: Annotated[float, Range(0, 2)] = 1.0
    """Scales all that follows; 0 is "flat"."""
    metrical_accent: Annotated[float, Range(0, 40)] = 6.0
    """Steps from a note off the beat to the first of a bar; drums have `groove`."""
    phrase_arch: Annotated[float, Range(0, 40)] = 20.0
    """Steps from the edges of a phrase of four bars to its height."""
    high_loud: Annotated[float, Range(0, 40)] = 7.0
    """Steps an octave above what a group plays around a note."""
    melodic_charge: Annotated[float, Range(0, 40)] = 5.0
    """Steps at the melody note that is most foreign to its chord."""
    duration_contrast: Annotated[float, Range(0, 40)] = 6.0
    """Steps that a melody's short notes are softer than its long ones."""
    faster_louder: Annotated[float, Range(0, 40)] = 10.0
    """Steps for twice as many notes a second as the piece has on average."""
    melody: Annotated[float, Range(0, 40)] = 20.0
    """Steps between the melody and what accompanies it."""
    voicing: Annotated[float, Range(0, 40)] = 6.0
    """Steps between the highest note of a chord and those inside it."""
    groove: Annotated[float, Range(0, 2)] = 1.0
    """Share of the drummer's accents (`emsync.performance.drumming`)."""
    ghost_notes: bool = True
    """Whether the drummer adds soft strokes between the back-beats."""
    crescendo: Annotated[float, Range(0, 40)] = 14.0
    """Steps that the music rises by before a kept cut."""
    cut_accent: Annotated[float, Range(0, 40)] = 30.0
    """Steps by which the chord on a kept cut stands out."""
    arousal_level: Annotated[float, Range(0, 40)] = 9.0
    """Steps louder at arousal 1 than at 0."""
    arousal_range: Annotated[float, Range(0, 1)] = 0.25
    """Share by which all of the above is more at arousal 1, and less at -1."""
    energy: Annotated[float, Range(0, 40)] = 18.0
    """Steps between a section of the plan with no energy and one with all."""
    valence_brightness: Annotated[float, Range(0, 1)] = 0.5
    """Share by which high notes stand out more at valence 1, and less at -1."""
    variation: Annotated[float, Range(0, 20)] = 6.0
    """Standard deviation of the steps that nobody intends."""
    articulation: Annotated[float, Range(0, 0.5)] = 0.15
    """Share of their length by which notes are shorter in the most lively mood, and longer, up to
    the next note, in the calmest and saddest."""
    timing: Annotated[float, Range(0, 0.02)] = 0.006
    """Standard deviation of the seconds by which nobody is exact; none at hit points."""
    melody_lead: Annotated[float, Range(0, 0.03)] = 0.01
    """Seconds by which the melody comes before what accompanies it."""
    strum: Annotated[float, Range(0, 0.02)] = 0.009
    """Seconds from one string of a guitar to the next within a chord."""
    pedal: bool = True
    """Whether pianos use the right pedal, where the harmony allows it."""
    swell: Annotated[float, Range(0, 60)] = 18.0
    """Steps of controller 11 by which strings swell within a long note."""


@dataclass(frozen=True)
class SoundSettings:
    """Rendering and mixing (thesis 6.2 and published code)."""

    sample_rate: Annotated[int, Range(8_000, 48_000)] = 44_100
    """Of the WAV files in Hz; 48,000 where the sound goes on to a film's cutting room."""
    bit_depth: BitDepth = "16-bit"
    """Of the WAV files."""
    width: Annotated[float, Range(0, 2)] = 1.0
    """How far from the middle the groups sit, 1 as in `emsync.sound.desk`; 0: all in the middle,
    as in the published code. Ours."""
    group_balance: Annotated[float, Range(0, 1)] = 1.0
    """Share of the way from the SoundFont's own levels of the groups, as in the published code, to
    the balance of `emsync.sound.desk`. Ours."""
    space: SpaceChoice = "mood"
    """Reverb and chorus: "mood": the calmer the film, the larger the space
    (`emsync.sound.space`); "published": FluidSynth's own, as it comes. Ours."""
    compression: Annotated[float, Range(0, 2)] = 1.0
    """How much the compressor of the whole mix takes, 1 as in `emsync.sound.dynamics`; 0: nothing,
    as in the published code. Ours."""
    limiter: bool = True
    """Whether a limiter holds the true peak below `true_peak_decibels`. Ours."""
    peak_decibels: Annotated[float, Range(-60, 0)] = -3.0
    fade_seconds: Annotated[float, Range(0, 60)] = 3.0
    """Fade-out at the end; films shorter than this have none."""
    loudness: Loudness = "streaming"
    """"peak": the thesis's -3 dB; "lufs": the integrated loudness `lufs`; the others: that of
    `DELIVERIES`. Ours: a scored film is put online, where it plays beside others."""
    lufs: Annotated[float, Range(-60, -5)] = -14.0
    """Loudness units of full scale (ITU-R BS.1770), with "lufs"."""
    true_peak_decibels: Annotated[float, Range(-60, 0)] = -1.0
    """With any loudness nothing exceeds this (EBU R 128); music too peaky for it stays quieter.
    Between samples as well if there is a limiter."""
    enhancer: EnhancerName = "none"
    """Which of `emsync.sound.enhance.ENHANCERS` works on each stem."""
    original_sound: OriginalSound = "replace"
    """"replace": the film's own sound goes; "keep": it stays under the music; "duck": it stays as
    it is, and the music steps back while somebody speaks."""
    audio_track: Annotated[int | None, Range(0, 99)] = None
    """Which sound track of a film is its own sound, counted from 1; 0 for all of them mixed; None
    for the default one, else one that is not silent, else the largest."""
    original_gain_decibels: Annotated[float, Range(-60, 20)] = -6.0
    """Level of the original sound under the music when it is kept. Ours."""
    duck_decibels: Annotated[float, Range(-60, 0)] = -14.0
    """How far the music steps back under speech. Ours; broadcasters ask for 7 to 12 LU between
    speech and what lies under it, and music starts out about as loud."""
    balance_decibels: Annotated[float, Range(-24, 24)] = 0.0
    """Of the music against the original sound, beyond the above; where both sound."""
    programs: Annotated[tuple[tuple[str, int], ...], Programs(GROUPS)] = ()
    """(group, General MIDI program from 0) in place of the published code's; drums have kits."""
    gains: Annotated[tuple[tuple[str, float], ...], Levels(GROUPS)] = ()
    """(group, decibels) by which a group is louder or softer than it is played, before the level of
    all is set; at `MUTED` it is silent. Ours."""
    soundfont: Path | None = None
    """SF2 file; None for the one that is installed."""


@dataclass(frozen=True)
class Settings:
    """All that one request may choose."""

    limits: FilmLimits = field(default_factory=FilmLimits)
    cuts: CutSettings = field(default_factory=CutSettings)
    experts: ExpertSettings = field(default_factory=ExpertSettings)
    mood: MoodSettings = field(default_factory=MoodSettings)
    music: MusicSettings = field(default_factory=MusicSettings)
    performance: PerformanceSettings = field(default_factory=PerformanceSettings)
    sound: SoundSettings = field(default_factory=SoundSettings)
    seed: Annotated[int, Range(0, 2**31 - 1)] = 0
    """Seeds every draw of the request. 0 is a seed like any other."""


@dataclass(frozen=True)
class Kind:
    """What a setting may be."""

    type: Any
    """Without None."""
    optional: bool
    """Whether it may be None."""
    bound: Range | Names | Programs | Levels | Text | None
    """What stands beside its type."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The words to choose from; none if it is not chosen from words."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()


@cache
def kinds() -> Mapping[str, Kind]:
    """Return what every setting may be, by its name, such as "music.quality.register"."""

    def within(part: Any, prefix: str) -> Iterator[tuple[str, Kind]]:
        for name, hint in get_type_hints(part, include_extras=True).items():
            if is_dataclass(hint):
                yield from within(hint, f"{prefix}{name}.")
            else:
                yield prefix + name, _kind(hint)

    return dict(within(Settings, ""))


def _kind(hint: Any) -> Kind:
    hint, bound = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    optional = type(None) in get_args(hint)
    if optional:
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    return Kind(hint, optional, bound)


RANGES: Mapping[str, Range] = {
    name: kind.bound for name, kind in kinds().items() if isinstance(kind.bound, Range)
}
"""Of every setting that is a number."""


def choices_of(name: str) -> tuple[str, ...]:
    """Return the words that a setting has to choose from; none if it is not chosen from words."""
    return kinds()[name].choices
