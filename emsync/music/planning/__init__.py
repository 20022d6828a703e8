"""The plan of a piece: beat grid, form, chords, energy, before any note."""
