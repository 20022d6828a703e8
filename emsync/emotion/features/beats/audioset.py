"""The names of the 527 kinds of sound that AudioSet tells apart.

`class_labels_indices.csv` is the list that Google publishes with the AudioSet dataset (Gemmeke et
al., "Audio Set: An ontology and human-labeled dataset for audio events", ICASSP 2017), unchanged;
Copyright Google Inc., licence CC BY 4.0, https://creativecommons.org/licenses/by/4.0/.
"""

import csv
from pathlib import Path

_LIST = Path(__file__).with_name("class_labels_indices.csv")


def class_names() -> dict[str, str]:
    """Return the display name, e.g. "Dog", of each machine identifier, e.g. "/m/0bt9lr".

    They are in AudioSet's order.

    Weights number the classes in an order of their own and say which identifier has which number.
    """
    with _LIST.open(newline="", encoding="utf-8") as lines:
        return {row["mid"]: row["display_name"] for row in csv.DictReader(lines)}
