"""From a composition to a performance, and to the MIDI file that it is written down in."""
