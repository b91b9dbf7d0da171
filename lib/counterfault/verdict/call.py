"""What the data may say, with the words used for it."""

from __future__ import annotations

from enum import Enum


class Call(Enum):
    """What the data say, with the words used for it."""

    MORE = ("more", "AI-assisted changes fail more often, by enough to act on")
    MORE_SIZE_UNSETTLED = ("more_size_unsettled", "AI-assisted changes fail more often; by how much is not settled")
    NO_MATERIAL_DIFFERENCE = ("no_material_difference", "any difference is too small to act on")
    FEWER_SIZE_UNSETTLED = ("fewer_size_unsettled", "AI-assisted changes fail less often; by how much is not settled")
    FEWER = ("fewer", "AI-assisted changes fail less often, by enough to act on")
    CANNOT_TELL = ("cannot_tell", "the data cannot tell")

    def __init__(self, code: str, words: str) -> None:
        self.code = code
        self.words = words
