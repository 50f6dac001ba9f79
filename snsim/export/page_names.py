"""Names and numbers as a page writes them: whatever things are called, a page has safe identifiers."""

from __future__ import annotations

import keyword
import re
import unicodedata

import numpy as np

PAGE_NAMES = {
    *("x", "d", "v", "s", "p", "self", "torch", "nn", "F", "sys", "slope", "bend", "bent", "slopes", "second", "total"),
    *("Net", "Layer", "Rule", "Connection", "Full", "OneToOne", "Table", "Frames", "Windows", "EqualWindows"),
    *("LocalWindows", "Wrapped", "normalize", "attend", "shifted", "rates", "right", "misses", "numbers", "main"),
    *("dict", "zip", "list", "sum", "float", "int", "len", "range", "print", "name", "w", "g", "h", "n", "rate"),
    *("max", "min", "map", "super", "enumerate", "curvature", "net", "k", "abs"),
    *("gate", "gates", "noise", "noises", "bits", "data", "number", "rows", "keep", "prune", "squared", "bends"),
    *("learn", "full_curvature", "kept", "decay", "decays", "fan_in", "lines", "ConjugateGradient", "order", "start"),
    *("dot", "forget", "outputs", "LAYERS", "DECAY", "Rule1", "Rule2", "prune_connections", "data", "slopes"),
}
MODULE_NAMES = {
    *("add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu", "cuda", "double"),
    *("dump_patches", "eval", "extra_repr", "float", "get_buffer", "get_extra_state", "get_parameter", "get_submodule"),
    *("half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers", "named_children", "named_modules"),
    *("named_parameters", "parameters", "register_backward_hook", "register_buffer", "register_forward_hook"),
    *("register_forward_pre_hook", "register_full_backward_hook", "register_full_backward_pre_hook"),
    *("register_load_state_dict_post_hook", "register_load_state_dict_pre_hook", "register_module"),
    *("register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_"),
    *("set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train", "type", "xpu"),
    *("zero_grad", "transform", "parameter_groups", "T_destination"),
}


def identifier(name: str) -> str:
    """Return a name of the language as an identifier of Python."""
    text = unicodedata.normalize("NFKC", re.sub(r"\W", "_", name))  # Python reads names in this form
    text = re.sub(r"\W", "_", text)
    mangled = text.startswith("__")  # a class gives such a name another one
    return text if text.isidentifier() and not mangled else f"n{text}"


def variable(name: str) -> str:
    """Return the identifier with `_` added if it has a meaning on the page or is a keyword of Python."""
    return f"{name}_" if name in PAGE_NAMES or keyword.iskeyword(name) else name


def picture_shape(shape: tuple[int, ...], frames: bool) -> tuple[int, ...]:
    return (1, *shape) if len(shape) == 2 and not frames else shape


def indented(lines: list[str], columns: int = 4) -> list[str]:
    return [" " * columns + line if line else line for line in lines]


def tuple_text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def maps_text(rows: list[list[int]], maps: int) -> str:
    """Return the source maps of each target map as Python text, shorter if each target map reads all."""
    if all(row == list(range(maps)) for row in rows) and len(rows) * maps > 1:
        return f"[{list(range(maps))}] * {len(rows)}"
    if len(rows) > 1 and rows == [[i] for i in range(len(rows))]:
        return f"[[i] for i in range({len(rows)})]"
    if len(rows) * maps > 30:
        pad = "\n" + " " * 12
        return "[" + "".join(f"{pad}{row}," for row in rows) + "\n        ]"
    return repr(rows)


def numbers_text(numbers: np.ndarray) -> str:
    """Return whole numbers as the Python text of a list, in a short form such as `list(range(5))` if there is one."""
    flat = numbers.reshape(-1)
    if len(flat) > 1 and np.array_equal(flat, np.arange(len(flat))):
        return f"list(range({len(flat)}))"
    size = int(flat.max(initial=0)) + 1
    if len(flat) > size and len(flat) % size == 0:
        if np.array_equal(flat, np.tile(np.arange(size), len(flat) // size)):
            return f"list(range({size})) * {len(flat) // size}"
        if np.array_equal(flat, np.repeat(np.arange(size), len(flat) // size)):
            return f"[i for i in range({size}) for _ in range({len(flat) // size})]"
    return repr(flat.tolist())


def plain(text: str) -> str:
    """Return a text, changed so that it cannot end a docstring."""
    return re.sub(r"[^\w .,:;()+*/=<>'-]", "_", text)
