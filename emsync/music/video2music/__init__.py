"""Video2Music (Kang, Poria, Herremans 2024): chords that follow what a film shows, one a second."""
