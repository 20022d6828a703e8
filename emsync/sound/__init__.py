"""From MIDI to sound, and from sound and picture to the scored film."""
