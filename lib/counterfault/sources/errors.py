"""The one error of this package."""


class SourceError(ValueError):
    """A source that cannot be read; the message says what is wrong, where, and the way out."""
