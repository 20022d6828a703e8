"""Our way of playing with a pianist's touch: how loud notes are is learned from recordings.

What a score shows of pitches and rhythm is weighed by `emsync.performance.velocity_network` in
place of the rules for it; phrases, melody, cuts, moods and drums are played by rule. The network
was fitted to recordings for research use (`weights/pianist`), so this is not the usual performer.
"""

import numpy as np

from emsync.performance.context import Context
from emsync.performance.expressive import ExpressivePerformer
from emsync.performance.loudness import intended_by
from emsync.performance.score_features import features_of
from emsync.performance.velocity_network import VelocityNetwork, load_network
from emsync.settings import PerformanceSettings

DEVIATION = 16.7
"""Median standard deviation of velocity within a recording of ASAP."""


def open_performer() -> ExpressivePerformer:
    """Return the performer.

    Raises:
        WeightsError: the network is missing or damaged.
    """
    network = load_network()

    def intention(context: Context, settings: PerformanceSettings) -> np.ndarray:
        return intended_by(DEVIATION * predicted(network, context), context, settings)

    return ExpressivePerformer(intention)


def predicted(network: VelocityNetwork, context: Context) -> np.ndarray:
    """Return by how many standard deviations a pianist would play each note louder.

    float64 (notes,); 0 for drums.
    """
    out = np.zeros(len(context))
    notes, features = features_of(context)
    if len(notes):
        answer = network(features)
        out[notes] = answer - answer.mean()
    return out
