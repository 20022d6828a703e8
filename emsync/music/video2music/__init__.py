"""Video2Music (Kang, Poria, Herremans 2024): chords, one a second, that follow what a film shows."""
