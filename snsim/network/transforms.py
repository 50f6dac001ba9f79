"""Read the clauses that join layers without weights: `(normalize FROM TO)` and `(attend Q K V TO (heads N))`.

A draft holds what a clause states and its origin; `build_transform` makes a `Transform` from it and the layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snsim.errors import Span
from snsim.language.forms import Node
from snsim.network.clauses import Faults, Plain, all_or_none, describe, read_arguments, read_name, read_whole_number
from snsim.network.net import Layer, Transform
from snsim.network.wiring import Attention, Normalization
from snsim.text_table import shape_form

# Syntax by word, and the number of layers in it.
SYNTAX = {"normalize": "(normalize FROM TO)", "attend": "(attend Q K V TO (heads N))"}
LAYER_COUNTS = {"normalize": 2, "attend": 4}


@dataclass
class DraftTransform:
    """A `normalize` or `attend` clause as read; `layers` are in the order of the clause, the target last."""

    word: str
    layers: tuple[str, ...]
    heads: Node | None  # (heads N)
    origin: str
    span: Span

    @property
    def key(self) -> tuple[str, ...]:
        """The word and the layers: a net has at most one clause for each key."""
        return self.word, *self.layers

    @property
    def items(self) -> list[Plain]:
        """The items of the complete clause."""
        return [self.word, *self.layers, *([] if self.heads is None else [self.heads])]


def read_transform(node: Node, origin: str, faults: Faults) -> DraftTransform | None:
    """Return what a `normalize` or `attend` clause states; None after a fault."""
    word, count = node.head, LAYER_COUNTS[node.head]
    with_heads = word == "attend"
    args = read_arguments(node, count + with_heads, count + with_heads, SYNTAX[word], faults)
    if args is None:
        return None
    layers = all_or_none([read_name(item, "a layer", faults) for item in args[:count]])
    heads = args[count] if with_heads else None
    if heads is not None and heads.head != "heads":
        option = f'the option "{heads.head}"' if heads.head else describe(heads)
        faults.add(f"({word} ...) takes four layers and (heads N), not {option}", heads.span, f"write {SYNTAX[word]}")
        return None
    return None if layers is None else DraftTransform(word, layers, heads, origin, node.span)


def build_transform(draft: DraftTransform, layers: Mapping[str, Layer], known: bool, faults: Faults) -> Transform:
    """Return the transform of a draft; without a structure, after a fault, if the layers or the heads do not fit.

    `known` says whether the shapes of all its layers could be read; if not, they are not checked.
    """
    structure: Normalization | Attention | None = None
    joined = [layers[layer] for layer in draft.layers]
    heads = None if draft.heads is None else _read_heads(draft.heads, faults)
    if known and _layers_fit(draft, joined, faults):
        maps, rows, columns = joined[0].maps or (joined[0].units, 1, 1)
        if draft.word == "normalize":
            structure = Normalization(maps, rows * columns)
        elif heads is not None and _heads_fit(heads, maps, draft, faults):
            structure = Attention(maps, rows * columns, heads)
    return Transform(draft.word, draft.layers[:-1], draft.layers[-1], structure, draft.span)


def _read_heads(node: Node, faults: Faults) -> int | None:
    args = read_arguments(node, 1, 1, "(heads N)", faults)
    return None if args is None else read_whole_number(args[0], "the number of heads", faults, least=1)


def _layers_fit(draft: DraftTransform, layers: list[Layer], faults: Faults) -> bool:
    """Tell whether the layers have the same shape and the clause can use it; if not, add a fault."""
    shapes = {layer.name: _shape_text(layer) for layer in layers}
    if len({layer.shape for layer in layers}) > 1:
        each = ", ".join(f"{layer} is {shape}" for layer, shape in shapes.items())
        faults.add(
            f"({draft.word} ...) needs layers of one shape: {each}",
            draft.span,
            f"write (layer ({' '.join(shapes)}) {shape_form(layers[0].shape)}) for all of them, or another shape",
        )
    elif draft.word == "attend" and len(layers[0].shape) != 3:
        faults.add(
            f"(attend ...) reads maps, and its layers are {_shape_text(layers[0])}",
            draft.span,
            f"write (MAPS ROWS COLUMNS), such as (layer ({' '.join(shapes)}) (4 1 {layers[0].shape[-1]}))",
        )
    elif draft.word == "normalize" and (layers[0].maps or (layers[0].units,))[0] < 2:
        faults.add(
            f"(normalize ...) takes the mean over the maps, but {layers[0].name} is {_shape_text(layers[0])} and has "
            f"one map: {layers[-1].name} would always get 0",
            draft.span,
            f"write two maps or more: (layer {layers[0].name} (2 ROWS COLUMNS))",
        )
    else:
        return True
    return False


def _heads_fit(heads: int, maps: int, draft: DraftTransform, faults: Faults) -> bool:
    if maps % heads == 0:
        return True
    assert draft.heads is not None
    fitting = ", ".join(str(n) for n in range(1, maps + 1) if maps % n == 0)
    faults.add(
        f"{heads} heads do not divide the {maps} maps of {draft.layers[0]}",
        draft.heads.span,
        f"write (heads N) with one of {fitting}: each head has as many maps as the others",
    )
    return False


def _shape_text(layer: Layer) -> str:
    return "x".join(map(str, layer.shape)) + (" units" if len(layer.shape) == 1 else "")
