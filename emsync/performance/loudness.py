"""How loud each note is played: the rules, one function each, and their sum.

Of the rules marked KTH the source is Friberg, Bresin & Sundberg, "Overview of the KTH rule system
for musical performance" (2006); they are stated there in decibels and milliseconds, and the amounts
here are ours. The system's final ritard has no place: the film goes on at its own pace.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emsync.music.composition import CHORD_VELOCITY, VELOCITY
from emsync.performance.context import STRINGS, Context
from emsync.performance.drumming import groove
from emsync.settings import PerformanceSettings

SOFTEST, LOUDEST = 16, 127
"""Velocities that are played; FluidR3's softest layers say nothing below."""
PEAK = 0.6
"""Place of the height of a phrase: performers reach it after the middle (Todd 1992; Repp 1992)."""
SHORT_SECONDS, LONG_SECONDS = 0.12, 0.6
"""Melody notes between these are the softer, the shorter they are (KTH, duration contrast)."""
BOWED = 0.6
"""Share of the rules that strings show in their velocity: the rest is in their swells, as velocity
is only the beginning of a bowed note."""
STEADY = 0.5
"""Share of phrasing that drums show: they keep the time."""
ON_HIT_WITH = 0.5
"""Share of the accent of a hit for what only sounds with its chord."""


@dataclass(frozen=True)
class Rule:
    """One reason to play a note louder or softer."""

    steps: Callable[[Context, PerformanceSettings], np.ndarray]
    """Steps of velocity, float64 (notes,)."""
    drums: float = 0.0
    """Share of it that holds for drums."""


def metrical_accent(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Play the stronger beats louder (Lerdahl & Jackendoff 1983; measured by Sloboda 1983)."""
    return settings.metrical_accent / 2 * context.strength


def phrase_arch(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Rise to the height of each phrase and fall to its end (KTH; Todd 1992)."""
    place = np.where(np.isnan(context.phrase), PEAK, context.phrase)
    up, down = (place - PEAK) / PEAK, (place - PEAK) / (1 - PEAK)
    arch = 1 - np.where(place < PEAK, up, down) ** 2
    # The mean of a parabola from 0 to 1 and back is two thirds.
    known = ~np.isnan(context.phrase)
    return np.where(known, settings.phrase_arch * (arch - 2 / 3), 0.0)


def high_loud(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Play higher notes louder, more so in bright moods (KTH; Juslin 2001)."""
    bright = 1 + settings.valence_brightness * context.valence
    return settings.high_loud * np.clip(context.register, -1.5, 1.5) * bright


def melodic_charge(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Stress the notes of a melody that are foreign to their chord (KTH; Friberg 1991)."""
    return settings.melodic_charge * (context.charge - 0.3) * context.melody


def duration_contrast(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Play a melody's short notes softer than its long ones (KTH)."""
    lasting = np.clip(context.end - context.start, SHORT_SECONDS, LONG_SECONDS)
    share = np.log(lasting / LONG_SECONDS) / np.log(LONG_SECONDS / SHORT_SECONDS)
    return settings.duration_contrast * (share + 0.5) * context.melody


def faster_louder(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Play louder where more happens: the faster, the louder (Todd 1992)."""
    return settings.faster_louder * context.density


def melody_above(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Play the melody above what accompanies it (Palmer 1996; Goebl 2001)."""
    pitched = context.melody[~context.is_drum]
    usual = float(pitched.mean()) if len(pitched) else 0.0
    return settings.melody * (context.melody - usual)


def voicing(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Let the highest note of a chord sound, and the inner ones step back (Repp 1996)."""
    return settings.voicing / 2 * context.in_chord


def crescendo(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Rise into a kept cut (Karlin & Wright 2004, "On the Track")."""
    return settings.crescendo * context.rise


def cut_accent(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Stress the chord on a kept cut, and less what sounds with it (thesis 4.2)."""
    chord = context.written >= CHORD_VELOCITY
    return settings.cut_accent * context.accent * np.where(chord, 1.0, ON_HIT_WITH)


def mood_level(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Play excited moods louder than calm ones (Juslin & Laukka 2003)."""
    return settings.arousal_level * context.arousal


def section_level(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Play the sections of the plan as loud as it says, compared with the whole piece.

    How loud that is says its mood already.
    """
    return settings.energy * (context.energy - float(context.energy.mean()))


def drummer(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Play the drums with a drummer's accents; see `emsync.performance.drumming.groove`."""
    return settings.groove * groove(context)


SCORE_RULES: tuple[Rule, ...] = (
    Rule(metrical_accent),
    Rule(high_loud),
    Rule(duration_contrast),
    Rule(faster_louder, STEADY),
    Rule(voicing),
)
"""What pitches and rhythm alone say."""
FORM_RULES: tuple[Rule, ...] = (
    Rule(phrase_arch, STEADY),
    Rule(melodic_charge),
    Rule(melody_above),
    Rule(crescendo, 1.0),
    Rule(drummer, 1.0),
)
"""What needs the piece's bars, plan or cuts. Arousal widens the sum of these and those above."""
LEVELS: tuple[Rule, ...] = (Rule(cut_accent, 1.0), Rule(mood_level, 1.0), Rule(section_level, 1.0))
"""How loud the moment is, whatever the notes."""


def intended(context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Return the velocity that the rules ask for, before it is rounded, float64 (notes,)."""

    return _summed(context, settings, (*SCORE_RULES, *FORM_RULES))


def intended_by(score: np.ndarray, context: Context, settings: PerformanceSettings) -> np.ndarray:
    """Return the velocity that is asked for where `score` stands for the sum of `SCORE_RULES`.

    Args:
        score: steps of velocity, float64 (notes,).
        context: the notes.
        settings: the amounts of the other rules.
    """
    return _summed(context, settings, (Rule(lambda *_: score), *FORM_RULES))


def _summed(context: Context, settings: PerformanceSettings, rules: tuple[Rule, ...]) -> np.ndarray:
    """Return the velocity that comes of `rules`, as wide as the arousal says, and of `LEVELS`."""

    def sum_of(some: tuple[Rule, ...]) -> np.ndarray:
        total = np.zeros(len(context))
        for rule in some:
            total += rule.steps(context, settings) * np.where(context.is_drum, rule.drums, 1.0)
        return total

    wide = 1 + settings.arousal_range * context.arousal
    bowed = np.where(context.group == STRINGS, BOWED, 1.0)
    # A composer that writes velocities of its own keeps them, but for the chords on hits.
    level = np.where(context.written >= CHORD_VELOCITY, VELOCITY, context.written)
    return level + wide * bowed * sum_of(rules) + sum_of(LEVELS)


def velocities(
    context: Context,
    settings: PerformanceSettings,
    rng: np.random.Generator,
    asked: np.ndarray,
) -> np.ndarray:
    """Return the velocity of each note, int64 in [`SOFTEST`, `LOUDEST`].

    Between what is written and what is `asked` for, `PerformanceSettings.expression` decides;
    nobody hits exactly what is intended (KTH, noise).
    """
    asked = asked + settings.variation * rng.standard_normal(len(context))
    played = context.written + settings.expression * (asked - context.written)
    return np.clip(np.round(played), SOFTEST, LOUDEST).astype(np.int64)
