"""What is written quickly is what the canonical writer writes, for whatever JSON can say."""

from random import Random

import pytest
import rfc8785

from mlsign.canonical import encode_json
from mlsign.errors import InputError

TEXTS = ("", "a", "é", "\u2028", '"', "\\", "\x00", "\x1f", "\x7f", "\ue000", "😀", "/", "\b\f\n\r\t", "<>&'")
NUMBERS = (
    0,
    1,
    -1,
    2**53 - 1,
    2**53,
    1 - 2**53,
    -(2**53),
    10**30,
    0.0,
    -0.0,
    1.5,
    1e21,
    1e-7,
    float("nan"),
    float("inf"),
    5e-324,
)


def drawn(rng: Random, depth: int):
    match rng.randrange(9 if depth else 7):
        case 0:
            return rng.choice((None, True, False))
        case 1:
            return rng.choice(NUMBERS)
        case 7:
            return [drawn(rng, depth - 1) for _ in range(rng.randrange(4))]
        case 8:
            return {text(rng): drawn(rng, depth - 1) for _ in range(rng.randrange(4))}
        case _:
            return text(rng)


def text(rng: Random) -> str:
    return "".join(rng.choices(TEXTS, k=rng.randrange(4)))


@pytest.mark.parametrize("seed", range(20))
def test_one_value_has_one_spelling(seed):
    rng = Random(seed)  # noqa: S311 - values, not secrets
    for _ in range(1000):
        value = drawn(rng, 4)
        try:
            wanted = rfc8785.dumps(value)
        except rfc8785.CanonicalizationError:
            with pytest.raises(InputError) as caught:
                encode_json(value)
            assert caught.value.code == "json.canonical"
        else:
            assert encode_json(value) == wanted
