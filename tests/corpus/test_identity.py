import hashlib

from hypothesis import given
from hypothesis import strategies as st

from getmore_assets.config import Budget
from getmore_assets.corpus.identity import content_id, fingerprint, hash_lines, sampling_number


def test_white_space_and_composition_do_not_change_a_row():
    assert content_id("caf\u00e9  au\nlait ") == content_id("cafe\u0301 au lait")
    assert content_id("Cafe") != content_id("cafe")
    assert len(content_id("x")) == 32


@given(st.dictionaries(st.text(max_size=3), st.integers(), max_size=4))
def test_a_fingerprint_ignores_the_order_of_keys(values):
    assert fingerprint(values) == fingerprint(dict(reversed(values.items())))


def test_a_fingerprint_sees_models():
    assert fingerprint(Budget(rows=1)) != fingerprint(Budget(rows=2))


def test_the_order_of_lines_counts():
    assert hash_lines(["a", "b"]) != hash_lines(["b", "a"]) != hash_lines(["ab"])


def test_draws_are_even_and_repeatable():
    numbers = [sampling_number(str(i), "salt") for i in range(4000)]
    assert numbers == [sampling_number(str(i), "salt") for i in range(4000)]
    assert 0.48 < sum(numbers) / len(numbers) < 0.52
    assert sampling_number("1", "salt") != sampling_number("1", "pepper")


def test_lines_are_hashed_in_order_however_many():
    lines = [f"line {number}\udcff" for number in range(10_000)]
    state = hashlib.blake2b("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"), digest_size=16)
    assert hash_lines(iter(lines)) == state.hexdigest()
    assert hash_lines([]) == hashlib.blake2b(digest_size=16).hexdigest()
    assert hash_lines(lines[::-1]) != state.hexdigest()
