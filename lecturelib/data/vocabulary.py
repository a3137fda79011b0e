"""Characters and their numbers."""

from collections.abc import Iterable

import numpy as np


class Vocabulary:
    """Number the characters of an alphabet: encode text, decode numbers.

    Raises: ValueError for an empty alphabet or one with a character twice.

    >>> abc = Vocabulary("abc")
    >>> abc.encode("cab"), abc.decode([2, 0, 1]), len(abc)
    (array([2, 0, 1]), 'cab', 3)
    """

    def __init__(self, characters: str) -> None:
        if not characters or len(set(characters)) != len(characters):
            raise ValueError(f"characters={characters!r}: expected at least one, and none twice")
        self.characters = characters
        self._number = {character: n for n, character in enumerate(characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """Return the numbers of the characters of a text, (T,) int64.

        Raises: ValueError for a character outside the alphabet.
        """
        if unknown := sorted(set(text) - set(self._number)):
            raise ValueError(
                f"the characters {unknown} are not in the vocabulary: expected some of {self.characters!r}; replace or "
                "leave them out"
            )
        return np.array([self._number[character] for character in text], dtype=np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of these numbers.

        Raises: ValueError for a number that no character has.
        """
        listed = [int(n) for n in numbers]
        if wrong := sorted({n for n in listed if not 0 <= n < len(self)}):
            raise ValueError(f"numbers {wrong} stand for no character: expected 0 to {len(self) - 1}")
        return "".join(self.characters[n] for n in listed)
