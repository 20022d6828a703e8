"""The expert of text on the screen: title cards, captions, signs."""
