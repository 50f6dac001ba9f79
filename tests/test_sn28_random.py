"""SN-2.8's generator of random numbers, against the original's own numbers and its statement in small steps."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sn28_programs import fault, printed

from snsim.errors import Source
from snsim.program import read_program
from snsim.runtime.random_numbers import RandomGenerator

# What the original printed: (rand) after (seed n), (gauss) and (rand -1 1) after (seed 0)
RANDS = {
    0: (0.054242599755525589, 0.83961623907089233, 0.12692753970623016, 0.71939021348953247, 0.89228284358978271),
    1: (0.79657918214797974, 0.90650570392608643, 0.46183940768241882, 0.04976697638630867, 0.69884932041168213),
    42: (0.23237988352775574, 0.64897298812866211, 0.19322648644447327, 0.59521365165710449, 0.76807647943496704),
    12345: (0.1995936781167984, 0.58983570337295532, 0.61408144235610962, 0.220349982380867, 0.95591056346893311),
}
GAUSSES = (0.12814980745315552, -0.62977051734924316, 0.43276345729827881, -0.59167784452438354, -1.0162463188171387)
SYMMETRIC = (-0.89151480048894882, 0.67923247814178467, -0.74614492058753967, 0.43878042697906494, 0.78456568717956543)


def seeded(n):
    randomness = RandomGenerator()
    randomness.seed(n)
    return randomness


@pytest.mark.parametrize("n", RANDS)
def test_rand(n):
    randomness = seeded(n)
    assert tuple(randomness.rand() for _ in range(5)) == RANDS[n] == tuple(seeded(n).rands(5))


def test_gauss_and_ranges():
    randomness = seeded(0)
    assert tuple(randomness.gauss() for _ in range(5)) == GAUSSES
    ends, one_by_one = np.ones(5), seeded(0)
    assert tuple(seeded(0).rand_ranges(-ends, ends)) == SYMMETRIC
    assert tuple(one_by_one.rand_range(-1, 1) for _ in range(5)) == SYMMETRIC


@given(st.integers(-(2**40), 2**40), st.lists(st.booleans(), max_size=60))
@settings(max_examples=40, deadline=None)
def test_the_recurrence(n, kinds):
    """Uniform and normal draws mixed, against the rule written out with its table and its two places."""
    mask, table = 2**31 - 1, [0] * 56
    j, k = (161803398 - abs(n)) & mask, 1
    table[55] = j
    for i in range(1, 55):
        table[21 * i % 55] = k
        k, j = (j - k) & mask, k
    for _ in range(4):
        for i in range(1, 55):
            table[i] = (table[i] - table[1 + (i + 30) % 55]) & mask
    a, b = 0, 31
    randomness = seeded(float(n))
    for normal in kinds:
        total = 0
        for _ in range(12 if normal else 1):
            a, b = a % 55 + 1, b % 55 + 1
            v = (table[a] - table[b]) & mask
            if normal:
                low = v & 0xFFFFFF
                total += low - 2**24 if low >= 2**23 else low
                table[a] = v
        table[a] = (
            (v * 84589 + 45989) & mask
            if not normal
            else ((low - 2**24 if low >= 2**23 else low) * 84589 + 45989) & mask
        )
        expected = np.float32(total) * np.float32(2**-24) if normal else np.float32(table[a]) * np.float32(2**-31)
        assert (randomness.gauss() if normal else randomness.rand()) == float(expected)


def test_moments():
    randomness = seeded(7)
    uniform, normal = randomness.rands(20_000), np.array([randomness.gauss() for _ in range(20_000)])
    assert abs(uniform.mean() - 0.5) < 0.01 and abs(uniform.var() - 1 / 12) < 0.002 and uniform.min() >= 0
    assert abs(normal.mean()) < 0.03 and abs(normal.std() - 1) < 0.03


WORDS = [
    ('(seed 0) (printf "%.17g %.17g\\n" (rand) (rand -1 1))', f"{RANDS[0][0]:.17g} {2 * RANDS[0][1] - 1:.17g}\n"),
    ('(seed 0.87) (printf "%.17g\\n" (rand 1))', f"{SYMMETRIC[0]:.17g}\n"),
    ('(seed 0) (printf "%.17g\\n" (gauss))', f"{GAUSSES[0]:.17g}\n"),
    ('(seed 0) (printf "%.17g\\n" (gauss 3 2))', f"{3 + 2 * GAUSSES[0]:.17g}\n"),
    ("(seed -1.9) (setq a (rand)) (seed 1) (print (= a (rand)))", "t\n"),
]


@pytest.mark.parametrize(("text", "expected"), WORDS)
def test_words(text, expected):
    assert printed(text) == expected


def test_what_is_refused():
    assert "seed: a is not a number" in fault("(seed 'a)")[0]
    assert fault("(rand 0 'a)")[1:] == (1, 9)


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("(rand)", True),
        ("(seed 1) (rand)", False),
        ("(rand) (seed 1)", True),
        ("(seed 1) (seed 2)", False),
        ("(print 1)", False),
        ("(gauss)", True),
    ],
)
def test_numbers_without_a_seed_are_said(text, warns):
    warnings = [fault.message for fault in read_program(Source("<test>", text), port=io.StringIO()).warnings]
    assert any("without a seed" in message for message in warnings) is warns
