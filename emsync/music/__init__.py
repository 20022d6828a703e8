"""From a `Mood` and boundaries to MIDI: the generator and its decoding (thesis 4)."""
