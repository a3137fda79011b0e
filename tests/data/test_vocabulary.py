"""The vocabulary: there and back, and nothing that it does not hold."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lecturelib.data import vocabulary
from tests import strategies  # noqa: F401  (the profile of the property tests)
from tests.tools import refuses

ALPHABETS = st.sets(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).map(lambda s: "".join(s))


@given(ALPHABETS, st.data())
def test_the_numbers_are_the_places_in_the_alphabet_and_decode_undoes_encode(characters: str, data) -> None:
    numbered = vocabulary.Vocabulary(characters)
    assert len(numbered) == len(characters)
    assert numbered.encode(characters).tolist() == list(range(len(characters)))
    text = data.draw(st.text(characters, max_size=30))
    numbers = numbered.encode(text)
    assert numbers.dtype == np.int64 and numbers.shape == (len(text),)
    assert numbered.decode(numbers) == numbered.decode(iter(numbers.tolist())) == text


test_bad_input_is_refused_in_words = refuses(
    (lambda: vocabulary.Vocabulary(""), ["''", "at least one"]),
    (lambda: vocabulary.Vocabulary("abca"), ["'abca'", "none twice"]),
    (lambda: vocabulary.Vocabulary("abc").encode("bzaé"), ["['z', 'é']", "'abc'", "leave them out"]),
    (lambda: vocabulary.Vocabulary("abc").decode([-1, 0, 7]), ["[-1, 7]", "0 to 2"]),
)
