"""The expert of sound: BEATs, which knows the 527 classes of AudioSet."""
