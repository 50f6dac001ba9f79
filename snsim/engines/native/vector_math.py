"""The operations of `snsim.network.expressions` on vectors: exp, log, tanh, powers, choices.

`VectorOperations` takes the function that is being written and returns a table of operations for `Program.bind`. The
table of docs/explanation/numbers.md has the errors (measured in tests/test_native_functions.py). NaN stays NaN; exp
stops at the largest number of its type, as everywhere in snsim.

The polynomials interpolate at Chebyshev nodes, computed with 60 digits. The rational function was fitted to the least
greatest relative error (2.1e-8) by reweighted least squares. Argument reduction: exp and log as usual (Cody and Waite
1980), tanh from exp(2x)-1, which loses nothing near 0. AVX-512 has instructions for exponents, which compute the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from snsim.engines.native.llvm_ir import Function, Value
from snsim.network.expressions import LARGEST_EXPONENT, Expression, compile_expressions

_LOG2_E = 1.44269504088896340736
_LN2 = {32: (0.69287109375, 0.00027608680994530941723), 64: (0.6931471803691238164901733, 1.9082149292705878161e-10)}

# (exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2
_EXP = {
    32: (0.5, 0.166665769896987757, 0.0416665546172045742, 0.00836317905272257737, 0.00139261835877134945),
    64: (
        0.5,
        0.16666666666666671,
        0.0416666666666666698,
        0.00833333333332613513,
        0.00138888888888837483,
        0.000198412698748206253,
        0.0000248015873255477412,
        2.75572554002064244e-6,
        2.75572736431102953e-7,
        2.51052170047207452e-8,
        2.09146869680868772e-9,
    ),
}
# (exp(r) - 1 - r - r^2/2) / r^3, for tanh in float64
_EXP_LESS_1 = (
    0.166666666666666675,
    0.0416666666666666672,
    0.00833333333333006183,
    0.00138888888888865525,
    0.000198412698630536169,
    0.000024801587317144499,
    2.75572684599970648e-6,
    2.75572829695499527e-7,
    2.51003854955103191e-8,
    2.09112366302615445e-9,
)
# log of 1+f from 3/4 to 3/2: in float32 (log(1+f) - f) / f^2 in f; in float64 (log((1+s)/(1-s))/s - 2) / s^2 in
# s^2 for s = f/(2+f)
_LOG = {
    32: (
        -0.5,
        0.333333331472922248,
        -0.25000056714357636,
        0.2000014089619763,
        -0.166608175306251139,
        0.142683059703325556,
        -0.126393111383376174,
        0.116806817905478406,
        -0.0956134001360367716,
        0.0428719780372938171,
    ),
    64: (
        0.666666666666666642,
        0.400000000000078006,
        0.285714285673391893,
        0.222222230378072419,
        0.181817384547230256,
        0.153888346778019151,
        0.132103604851326198,
        0.136040157071240775,
    ),
}
# tanh(x)/x = P(x^2)/Q(x^2) for |x| <= 9.02, in float32
_TANH_P = (0.9999999790268248, 0.13379718179676747, 0.003494034738174126, 2.0583480115063248e-05, 1.331906292309016e-08)
_TANH_Q = (1.0, 0.4671303342405947, 0.02587107415169634, 0.0003283092952612054, 7.762017314059559e-07)
_TANH_IS_1 = {32: 9.02, 64: 20.0}  # from here on tanh is 1 in the type, or so near that it rounds to it

_MANTISSA = {32: 23, 64: 52}
_BIAS = {32: 127, 64: 1023}
_LEAST = {32: -104.0, 64: -746.0}  # exp of this is 0
_GREATEST = {32: 89.0, 64: 710.0}  # exp of this is infinite
_LARGEST_INTEGER_POWER = 32


class VectorOperations:
    """Operations on vectors (and on truth values of lanes) inside one function."""

    def __init__(self, function: Function):
        self.f = function
        self.bits = function.machine.bits

    def table(self) -> Mapping[str, Callable[..., Any]]:
        """Return the operations by name. Arguments may be values or plain numbers."""
        return {
            "+": self._plain("fadd"),
            "-": self._plain("fsub"),
            "*": self._plain("fmul"),
            "/": self._plain("fdiv"),
            "negate": lambda a: -self.number(a),
            "**": self.power,
            "sqrt": lambda a: self.f.call("sqrt", self.number(a)),
            "exp": lambda a: self.exp(self.number(a)),
            "log": lambda a: self.log(self.number(a)),
            "tanh": lambda a: self.tanh(self.number(a)),
            "abs": lambda a: self.f.call("fabs", self.number(a)),
            "sgn": self.sign,
            "min": lambda a, b: self._extreme("olt", a, b),
            "max": lambda a, b: self._extreme("ogt", a, b),
            "if": self._choose,
            "<": self._compared("olt"),
            "<=": self._compared("ole"),
            ">": self._compared("ogt"),
            ">=": self._compared("oge"),
            "=": self._compared("oeq"),
            "and": self._logical("and"),
            "or": self._logical("or"),
            "not": lambda a: self._truth_op("xor", self.truth(a), self.f.mask([True] * self.f.machine.lanes)),
        }

    # ---- Numbers and truths --------------------------------------------------------------------------------------

    def number(self, value: Value | float) -> Value:
        """Return a vector: of a plain number, or 1 and 0 of a truth value."""
        if not isinstance(value, Value):
            return self.f.constant(value)
        if value.type == self.f.machine.mask_vector:
            return self.f.select(value, self.f.constant(1.0), 0.0)
        return value

    def truth(self, value: Value | float) -> Value:
        """Return whether each lane is not 0."""
        if isinstance(value, Value) and value.type == self.f.machine.mask_vector:
            return value
        return self.f.compare("une", self.number(value), 0.0)

    def _plain(self, name: str) -> Callable[..., Value]:
        """Return an operation; a sum or product may become part of a fused multiply-add ("contract")."""
        flags = "arcp" if name == "fdiv" and self.bits == 32 else "" if name == "fdiv" else "contract"
        return lambda a, b: self.f.op(name, self.number(a), self.number(b), flags)

    def _compared(self, how: str) -> Callable[..., Value]:
        return lambda a, b: self.f.compare(how, self.number(a), self.number(b))

    def _logical(self, name: str) -> Callable[..., Value]:
        return lambda a, b: self._truth_op(name, self.truth(a), self.truth(b))

    def _truth_op(self, name: str, a: Value, b: Value) -> Value:
        return self.f.instruction(f"{name} {a.type} {a.text}, {b.text}", a.type)

    def _choose(self, condition: Value | float, a: Value | float, b: Value | float) -> Value:
        return self.f.select(self.truth(condition), self.number(a), self.number(b))

    def _extreme(self, how: str, a: Value | float, b: Value | float) -> Value:
        """Emit the smaller or the larger; NaN if one of them is NaN."""
        left, right = self.number(a), self.number(b)
        chosen = self.f.select(self.f.compare(how, left, right), left, right)
        return chosen if not isinstance(a, Value) else self.f.select(self.f.compare("uno", left, left), left, chosen)

    def sign(self, a: Value | float) -> Value:
        x = self.number(a)
        below = self.f.select(self.f.compare("olt", x, 0.0), self.f.constant(-1.0), x)
        return self.f.select(self.f.compare("ogt", x, 0.0), self.f.constant(1.0), below)

    def _not_above(self, x: Value, limit: float) -> Value:
        return self.f.select(self.f.compare("ogt", x, limit), self.f.constant(limit), x)

    def _not_below(self, x: Value, limit: float) -> Value:
        return self.f.select(self.f.compare("olt", x, limit), self.f.constant(limit), x)

    # ---- Bits ----------------------------------------------------------------------------------------------------

    def _integer(self, number: int) -> Value:
        m = self.f.machine
        return Value(self.f, "<" + ", ".join([f"i{m.bits} {number}"] * m.lanes) + ">", m.integers)

    def _bits(self, x: Value) -> Value:
        return self.f.cast(x, self.f.machine.integers)

    def _floats(self, x: Value) -> Value:
        return self.f.cast(x, self.f.machine.vector)

    def _rounded(self, x: Value) -> tuple[Value, Value]:
        """Emit the nearest whole number, as a float and as an integer (|x| < 2^21).

        Adding 1.5 * 2^mantissa leaves it in the low bits.
        """
        f, magic = self.f, 1.5 * 2.0 ** _MANTISSA[self.bits]
        shifted = x + magic
        bits = f.op("sub", self._bits(shifted), self._bits(f.constant(magic)))
        return shifted - magic, bits

    def _times_power_of_2(self, x: Value, whole: Value, n: Value) -> Value:
        """Emit x * 2^n, which may be denormal: by one instruction from the float `whole`, or in two steps from n."""
        f, one = self.f, self._integer(1)
        if f.machine.has_avx512:
            return self._avx512("scalef", x, x, whole)
        half = f.op("ashr", n, one)
        for part in (half, f.op("sub", n, half)):
            biased = f.op("add", part, self._integer(_BIAS[self.bits]))
            x = x * self._floats(f.op("shl", biased, self._integer(_MANTISSA[self.bits])))
        return x

    def _avx512(self, name: str, like: Value, *args: Value | int) -> Value:
        """Emit an instruction for all lanes, with the rounding mode of the process; an int is an immediate operand."""
        m = self.f.machine
        given = [("i32", str(a)) if isinstance(a, int) else (a.type, a.text) for a in args]
        given += [(like.type, "zeroinitializer"), (f"i{max(8, m.lanes)}", "-1"), ("i32", "4")]
        symbol = f"@llvm.x86.avx512.mask.{name}.{'ps' if m.bits == 32 else 'pd'}.512"
        self.f.module.declare(f"declare {like.type} {symbol}({', '.join(type for type, _ in given)})")
        return self.f.instruction(f"call {like.type} {symbol}({', '.join(map(' '.join, given))})", like.type)

    def _exponent_and_mantissa(self, x: Value) -> tuple[Value, Value]:
        """Emit (k, m) with x = 2^k m, m from 3/4 to 3/2: m is NaN for x < 0, k is -inf for 0, and inf for inf."""
        f, width = self.f, _MANTISSA[self.bits]
        if f.machine.has_avx512:
            m = self._avx512("getmant", x, x, 0b1011)  # from 3/4 on, NaN below 0
            return self._avx512("getexp", x, x) - self._avx512("getexp", x, m), m
        tiny = f.compare("olt", x, float(np.finfo(f.machine.dtype).tiny))
        scaled = f.select(tiny, x * 2.0**width, x)
        # Subtracting 3/4 in bits moves the border between exponents there.
        offset = f.op("sub", self._bits(scaled), self._bits(f.constant(0.75)))
        exponent = f.op("ashr", offset, self._integer(width))
        mantissa = f.op("sub", self._bits(scaled), f.op("shl", exponent, self._integer(width)))
        magic = 1.5 * 2.0**width
        k = self._floats(f.op("add", exponent, self._bits(f.constant(magic)))) - magic
        k = f.select(f.compare("ueq", f.call("fabs", x), np.inf), x, f.select(tiny, k - float(width), k))
        k = f.select(f.compare("oeq", x, 0.0), f.constant(-np.inf), k)
        return k, f.select(f.compare("olt", x, 0.0), f.constant(np.nan), self._floats(mantissa))

    # ---- The functions -------------------------------------------------------------------------------------------

    def polynomial(self, coefficients: Sequence[float], x: Value) -> Value:
        """Emit a polynomial by Horner's rule, constant term first."""
        total = self.f.constant(coefficients[-1])
        for c in coefficients[-2::-1]:
            total = self.f.fma(total, x, self.f.constant(c))
        return total

    def _reduced(self, x: Value) -> tuple[Value, Value, Value]:
        """Emit (r, n as a float, n) with x = n ln 2 + r, |r| <= ln(2)/2."""
        whole, n = self._rounded(x * _LOG2_E)
        high, low = _LN2[self.bits]
        r = self.f.fma(whole, self.f.constant(-high), x)
        return self.f.fma(whole, self.f.constant(-low), r), whole, n

    def exp(self, x: Value, greatest: float | None = None) -> Value:
        """Emit exp of x, where numbers above `greatest` count as `greatest`."""
        limit = LARGEST_EXPONENT[self.f.machine.dtype.name] if greatest is None else greatest
        x = self._not_below(self._not_above(x, limit), _LEAST[self.bits])
        r, whole, n = self._reduced(x)
        tail = self.f.fma(r * r, self.polynomial(_EXP[self.bits], r), r)
        return self._times_power_of_2(tail + 1.0, whole, n)

    def log(self, x: Value) -> Value:
        """Emit the natural logarithm: -inf of 0, NaN below 0."""
        f = self.f
        high, low = _LN2[self.bits]
        k, mantissa = self._exponent_and_mantissa(x)
        excess = mantissa - 1.0
        square = excess * excess
        if self.bits == 32:
            near = f.fma(square, self.polynomial(_LOG[32], excess), f.fma(k, f.constant(low), excess))
        else:
            s, half = excess / (excess + 2.0), square * 0.5
            z = s * s
            near = excess - (half - f.fma(s, f.fma(z, self.polynomial(_LOG[64], z), half), k * low))
        return f.fma(k, f.constant(high), near)

    def tanh(self, x: Value) -> Value:
        limit = _TANH_IS_1[self.bits]
        if self.bits == 32:
            # A larger square would only make the ratio less than 1 again, or NaN.
            square = self._not_above(x * x, float(np.float32(limit) ** 2))
            ratio = self.f.op("fdiv", self.polynomial(_TANH_P, square) * x, self.polynomial(_TANH_Q, square), "arcp")
            return self._not_below(self._not_above(ratio, 1.0), -1.0)
        size = self._not_above(self.f.call("fabs", x), limit)
        r, _, n = self._reduced(size + size)
        square = r * r
        tail = self.f.fma(square * r, self.polynomial(_EXP_LESS_1, r), square * 0.5) + r
        biased = self.f.op("add", n, self._integer(_BIAS[64]))
        power = self._floats(self.f.op("shl", biased, self._integer(_MANTISSA[64])))
        grown = self.f.fma(power, tail, power - 1.0)  # exp(2|x|) - 1
        return self.f.call("copysign", grown / (grown + 2.0), x)

    def power(self, a: Value | float, b: Value | float) -> Value:
        """Emit a to the power b.

        Whole constants become products. Otherwise it is exp(b log a), with the sign of whole powers.
        """
        x = self.number(a)
        if not isinstance(b, Value):
            if b == 0.5:
                return self.f.call("sqrt", x)
            if b == int(b) and 0 < abs(b) <= _LARGEST_INTEGER_POWER:
                product = self._whole_power(x, int(abs(b)))
                return product if b > 0 else self.f.constant(1.0) / product
        f, y = self.f, self.number(b)
        size = self.exp(y * self.log(f.call("fabs", x)), _GREATEST[self.bits])
        whole = f.compare("oeq", f.call("rint", y), y)
        half = y * 0.5
        odd = f.compare("une", f.call("rint", half), half)
        signed = f.select(odd, -size, size)
        result = f.select(f.compare("olt", x, 0.0), f.select(whole, signed, f.constant(np.nan)), size)
        result = f.select(f.compare("oeq", y, 0.0), f.constant(1.0), result)
        return f.select(f.compare("oeq", x, 1.0), f.constant(1.0), result)

    def _whole_power(self, x: Value, n: int) -> Value:
        """Emit a whole power by squaring."""
        result = None
        while n:
            if n & 1:
                result = x if result is None else result * x
            n >>= 1
            x = x * x if n else x
        assert result is not None
        return result


def bound(f: Function, expressions: Sequence[Expression]) -> Callable[[Mapping[str, Value]], list[Value]]:
    """Return the function that emits the values of expressions, as vectors, from those of their variables."""
    ops = VectorOperations(f)
    run = compile_expressions(list(expressions)).bind(ops.table())
    return lambda variables: [ops.number(value) for value in run(variables)]


def sums_of(function: Function, vectors: Sequence[Value]) -> Value:
    """Emit the vector whose lane i is the sum of all lanes of vector i, by a tree of shuffles.

    With fewer vectors than lanes the other lanes are unspecified.
    """
    lanes = function.machine.lanes
    order = _tree_order(lanes)
    level = [vectors[k] if k < len(vectors) else None for k in order]
    for low, high in _tree_steps(lanes):
        level = [_paired(function, a, b, low, high) for a, b in zip(level[::2], level[1::2])]
    assert level[0] is not None
    return level[0]


def _paired(f: Function, a: Value | None, b: Value | None, low: list[int], high: list[int]) -> Value | None:
    if a is None:
        a, b, low, high = b, None, *([k - f.machine.lanes for k in side] for side in (low, high))
    if a is None:
        return None
    if b is None:
        low, high = ([k if 0 <= k < f.machine.lanes else -1 for k in side] for side in (low, high))
    return f.shuffle(a, b, low) + f.shuffle(a, b, high)


def _tree_steps(lanes: int) -> list[tuple[list[int], list[int]]]:
    """Return, for each level of the tree, the two shuffles of a pair: of the low and of the high half of each block.

    Halves of 4 lanes or more are exchanged first, whole. The rest happens inside each group of 4 lanes, where shuffles
    are cheap.
    """
    steps = []
    half = lanes // 2
    while half:
        group = lanes if half >= 4 else min(lanes, 4)
        order = [v * lanes + g + k for g in range(0, lanes, group) for v in (0, 1) for k in range(group)]
        steps.append(([k for k in order if not k & half], [k for k in order if k & half]))
        half //= 2
    return steps


def _tree_order(lanes: int) -> list[int]:
    """Return the order of the vectors for the tree, so that lane i holds the sum of vector i.

    The steps are run on the numbers of the vectors.
    """
    level = [[k] * lanes for k in range(lanes)]
    for low, _ in _tree_steps(lanes):
        level = [[(a + b)[k] for k in low] for a, b in zip(level[::2], level[1::2])]
    landed = level[0]  # lane l has the sum of the vector that was put in at position landed[l]
    return [landed.index(position) for position in range(lanes)]
