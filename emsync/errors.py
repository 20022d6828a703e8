"""Failures that a person can cause or mend. Their text is shown as it is."""


class EmsyncError(Exception):
    """A sentence for the user: what is wrong, and what to do about it."""


class FilmError(EmsyncError):
    """The film cannot be read or is outside the stated limits."""


class SoundError(EmsyncError):
    """The music cannot be turned into sound (library or SoundFont missing)."""


class WeightsError(EmsyncError):
    """Model weights are missing, damaged, or of another format."""


class WeightsNotInstalled(WeightsError):
    """Weights that can be installed are not on this machine; the text says how."""


class ToolError(EmsyncError):
    """A program that the pipeline needs, such as FFmpeg, is missing or failed."""


class TooLong(EmsyncError):
    """A stage took longer than it may, and was stopped; the text names it."""


class Cancelled(Exception):
    """The request was cancelled by its owner. Not an error; nothing is shown."""
