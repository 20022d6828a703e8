"""From a `Film` to an `EmotionReading` and a `Mood` (thesis 5.2 and 6.1)."""
