"""Write expressions as lines of PyTorch."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from snsim.network.expressions import Expression, compile_expressions, number_text
from snsim.network.operations import LARGEST_EXPONENT

_BINARY = {"+": (1, "+"), "-": (1, "-"), "*": (2, "*"), "/": (2, "/")}
_COMPARISONS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=="}
_ATOM = 5


def expression_lines(
    expressions: Sequence[Expression], tensors: Collection[str], dtype: str, names: dict[str, str] | None = None
) -> tuple[list[str], list[str]]:
    """Return Python lines that assign values used more than once, and the Python text of each expression.

    `tensors` are the variables that are tensors; the others are numbers. `names` renames variables.
    """
    writer = _Writer(tensors, dtype, names or {})
    program = compile_expressions(expressions)
    uses = [0] * len(program.steps)
    for _, args, _, _ in program.steps:
        for arg in args:
            uses[arg] += 1
    for index, (op, args, value, name) in enumerate(program.steps):
        writer.add(op, args, value, name, uses[index])
    return writer.lines, [writer.text(index, 0) for index in program.results]


class _Writer:
    def __init__(self, tensors: Collection[str], dtype: str, names: dict[str, str]):
        self.lines: list[str] = []
        self._tensors, self._dtype, self._names = tensors, dtype, names
        self._prefix = "t"  # of the steps that have a name
        while any(name.startswith(self._prefix) and name[len(self._prefix) :].isdigit() for name in names.values()):
            self._prefix += "_"
        self._texts: list[tuple[str, int]] = []  # and how tightly the text binds
        self._like: list[str | None] = []  # a tensor of the type of this step; None for a plain number
        self._truth: list[bool] = []

    def add(self, op: str, args: tuple[int, ...], value: float, name: str, uses: int) -> None:
        like = next((self._like[arg] for arg in args if self._like[arg]), None)
        truth = False
        if op == "number":
            text, binds = number_text(value), _ATOM if value >= 0 else 3
        elif op == "variable":
            text, binds = self._names.get(name, name), _ATOM
            like = text if name in self._tensors else None
        elif op in _COMPARISONS or op in ("and", "or", "not"):
            text, binds, truth = *self._logical(op, args), True
        else:
            text, binds = self._operation(op, args, like is not None)
        if uses > 1 and args and not truth:
            local = f"{self._prefix}{len(self.lines) + 1}"
            self.lines.append(f"{local} = {text}")
            text, binds, like = local, _ATOM, local if like else None
        self._texts.append((text, binds))
        self._like.append(like)
        self._truth.append(truth)

    def text(self, index: int, binds: int) -> str:
        """Return a step as a number, in parentheses if it binds less than asked."""
        text, own = self._texts[index]
        if self._truth[index]:
            like = self._like[index]
            return f"({text}).to({like}.dtype)" if like else f"float({text})"
        return text if own >= binds else f"({text})"

    def _condition(self, index: int) -> str:
        return f"({self._texts[index][0]})" if self._truth[index] else f"({self.text(index, 1)} != 0)"

    def _logical(self, op: str, args: tuple[int, ...]) -> tuple[str, int]:
        if op in _COMPARISONS:
            return f"{self.text(args[0], 1)} {_COMPARISONS[op]} {self.text(args[1], 1)}", 0
        if op == "not":
            return f"~{self._condition(args[0])}", 3
        return f"{self._condition(args[0])} {'&' if op == 'and' else '|'} {self._condition(args[1])}", 0

    def _operation(self, op: str, args: tuple[int, ...], is_tensor: bool) -> tuple[str, int]:
        if op in _BINARY:
            binds, sign = _BINARY[op]
            return f"{self.text(args[0], binds)} {sign} {self.text(args[1], binds + 1)}", binds
        if op == "negate":
            return f"-{self.text(args[0], 3)}", 3
        if op == "**":
            return f"{self.text(args[0], _ATOM)} ** {self.text(args[1], 4)}", 4
        if op == "if":
            condition = self._condition(args[0])[1:-1]
            if self._like[args[0]] is None:
                return f"({self.text(args[1], 0)} if {condition} else {self.text(args[2], 0)})", _ATOM
            return f"torch.where({condition}, {self.text(args[1], 0)}, {self.text(args[2], 0)})", _ATOM
        if op in ("min", "max"):  # of equal arguments the first, so that the gradient is the declared one
            a, b = self.text(args[0], 1), self.text(args[1], 1)
            if not is_tensor:
                return f"{op}({a}, {b})", _ATOM
            return f"torch.where({a} {'<=' if op == 'min' else '>='} {b}, {a}, {b})", _ATOM
        a = self.text(args[0], 0)
        if not is_tensor:
            plain = {"sqrt": f"({a}) ** 0.5", "abs": f"abs({a})", "sgn": f"(({a}) > 0) - (({a}) < 0)"}
            return (plain[op], 0) if op in plain else (f"torch.tensor(float({a})).{op}().item()", _ATOM)
        if op == "exp":
            return f"torch.exp({self.text(args[0], _ATOM)}.clamp(max={LARGEST_EXPONENT[self._dtype]:g}))", _ATOM
        return f"torch.{'sign' if op == 'sgn' else op}({a})", _ATOM
