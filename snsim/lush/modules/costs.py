"""Costs: they compare the output of a machine with a desired label. See docs/reference/gblearn2.md, sections 5 and 8.

`fprop in desired energy`: desired is `(int-matrix)` with a label, energy a state of no dimension. `bprop` multiplies by
energy:dx and sets in:dx; `bbprop` sets in:ddx. Several places of the output are joined by a log-sum.
"""

from __future__ import annotations

import math

import numpy as np

from snsim.language.forms import NIL, Form
from snsim.language.objects import Object
from snsim.language.procedures import CallError
from snsim.lush.arithmetic import Floats, exponentials, ordered_sum, total
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import (
    INTEGERS,
    NUMBER,
    WHOLE,
    Slot,
    built_in_class,
    constructor,
    instance,
    message,
    vector,
)
from snsim.lush.modules.layers import LogaddLayer
from snsim.lush.modules.roots import BPROP, FPROP, GbModule, check_shape
from snsim.lush.modules.states_and_params import PARAM, STATES, Param, State, allocate, state

_F = np.float32

LABELS = vector(1, INTEGERS, "write a vector of whole numbers: [i 0 1 2]")
DESIRED = vector(0, f"{INTEGERS} float double", "make it with (int-matrix)")
PROTO = vector(2, "float", "write a row for each label: [f [1 -1] [-1 1]]")


def label_in(desired: Idx) -> float:
    """Return the desired label."""
    return float(desired.array.item())


def class_numbers(name: str, labels: Idx) -> Idx:
    """Return an int vector with the place of each label in `labels`, -1 for numbers that are no label."""
    values = labels.array
    if int(values.min()) < 0:
        raise CallError(f"{name}: labels must be positive: {int(values.min())}", 0, "number the classes from 0 on")
    if int(values.max()) > 1_000_000:
        raise CallError(f"{name}: the label {int(values.max())} is too large", 0, "number the classes from 0 on")
    numbers = Idx.zeros((int(values.max()) + 1,), "int")
    numbers.array[...] = -1
    numbers.array[values] = np.arange(len(values))
    return numbers


@built_in_class("idx3-cost")
class Idx3Cost(GbModule):
    """above the costs of an idx3 output and a label"""


class LabelledCost(GbModule):
    """What the costs of labels share: the number of each label, and a log-sum over the places."""

    label2classindex = Slot(vector(1, "int"))
    logadder = Slot(instance("a logadd-layer", Object, "(new logadd-layer 1 1 1) makes one"))
    logadded_dist = Slot(state(1, 1))

    def begin(self, name: str, labels: Idx, maps: int, si: int, sj: int) -> None:
        self.label2classindex = class_numbers(name, labels)
        self.logadder = self.new(LogaddLayer, float(maps), float(max(si, 1)), float(max(sj, 1)))
        self.logadded_dist = self.new(STATES[1, 2], float(maps))

    def number_of(self, label: float) -> int:
        """Return the number of a label, -1 if it is none."""
        numbers = self.label2classindex.array
        return int(numbers[int(label)]) if 0 <= int(label) < len(numbers) else -1

    def known_number(self, label: float) -> int:
        """Return the number of a label; CallError if it is none."""
        number = self.number_of(label)
        if number < 0:
            known = np.flatnonzero(self.label2classindex.array >= 0).tolist()
            kind = self.kind.name if self.kind is not None else "cost"
            raise CallError(
                f"{kind}: illegal parameter: the desired label {int(label)} is none of the labels "
                f"{' '.join(map(str, known))}",
                None,
                "give the cost all labels that occur in the data, with a row of its matrix for each",
            )
        return number

    def join(self, distances: State) -> Floats:
        """Return the log-sum over the places of each map."""
        self.send(self.logadder, FPROP, distances, self.logadded_dist)
        return self.logadded_dist.x.array

    def shares(self, distances: State, errors: Floats | float) -> None:
        """Set distances:dx: the errors of the log-sums, spread over the places."""
        self.logadded_dist.dx.array[...] = errors
        self.send(self.logadder, BPROP, distances, self.logadded_dist)


class PrototypeCost(LabelledCost):
    """A cost of the distance from a row of a matrix: `proto`."""

    proto = Slot(PROTO)
    dist = Slot(state(3, 2))

    def start(self, name: str, labels: Idx, si: int, sj: int, proto: Idx) -> None:
        check_rows(name, labels, proto, "proto", 3)
        self.proto = proto
        self.begin(name, labels, 1, si, sj)
        self.dist = self.new(STATES[3, 2], 1.0, float(max(si, 1)), float(max(sj, 1)))

    def difference(self, source: State, number: int) -> Floats:
        """Return output minus prototype at each place."""
        row, x = self.proto.array[number], source.x.array
        if len(row) != len(x):
            raise CallError(
                f"the cost has prototypes of {len(row)} elements, and the output has {len(x)} maps",
                None,
                f"give it a matrix with {len(x)} columns",
            )
        return np.asarray(x - row[:, None, None])

    def set_energy(self, distances: Floats, energy: State) -> None:
        self.dist.fit((1, *distances.shape))
        self.dist.x.array[0] = distances
        energy.x.array[...] = self.join(self.dist)[0]

    def share(self, energy: State) -> Floats:
        """Return energy:dx times the share of each place."""
        self.shares(self.dist, energy.dx.array)
        share: Floats = self.dist.dx.array[0]
        return share


def check_rows(name: str, labels: Idx, matrix: Idx, called: str, argument: int) -> None:
    """CallError unless the matrix has a row for each label."""
    if matrix.sizes[0] < labels.size:
        raise CallError(
            f"{name}: {called} has {matrix.sizes[0]} rows for {labels.size} labels",
            argument,
            "give it a row for each label",
        )


_SLOTS = ("proto", "label2classindex", "dist", "logadder", "logadded-dist")


@built_in_class("edist-cost", slots=_SLOTS)
class EdistCost(PrototypeCost, Idx3Cost):
    """half the squared distance of the output from the prototype of the label"""

    @constructor(LABELS, WHOLE, WHOLE, PROTO)
    def make(self, labels: Idx, si: int, sj: int, proto: Idx) -> None:
        """(new edist-cost labels si sj proto): row k of proto is the desired output of label k of labels"""
        self.start("edist-cost", labels, si, sj, proto)

    @message("fprop", state(3), DESIRED, state(0))
    def fprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost fprop in desired energy): sets energy:x"""
        d = self.difference(source, self.known_number(label_in(desired)))
        self.set_energy(ordered_sum(d * d) * _F(0.5), energy)
        return NIL

    @message("bprop", state(3, 1), DESIRED, state(0, 1))
    def bprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bprop in desired energy): in:dx = (in - proto) times energy:dx times the share of the place"""
        check_shape("bprop", source.dx, source.x)
        d = self.difference(source, self.known_number(label_in(desired)))
        source.dx.array[...] = d * self.share(energy)
        return NIL

    @message("bbprop", state(3, 2), DESIRED, state(0, 1))
    def bbprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bbprop in desired energy): in:ddx = energy:dx at every place"""
        check_shape("bbprop", source.ddx, source.x)
        source.ddx.array[...] = energy.dx.array
        return NIL


class Weighted(PrototypeCost):
    """A cost of a weighted distance."""

    w = Slot(vector(2, "float"))

    def start_weighted(self, name: str, labels: Idx, si: int, sj: int, proto: Idx, w: Idx) -> None:
        self.start(name, labels, si, sj, proto)
        if w.sizes[1] != proto.sizes[1]:
            raise CallError(
                f"{name}: w has {w.sizes[1]} columns and proto {proto.sizes[1]}", 4, "give both the same columns"
            )
        self.w = w

    def set_weighted_energy(self, source: State, number: int, weights: Floats, energy: State) -> None:
        """Set energy:x: the sum of w d d in double over float differences d, rounded, times 0.5."""
        d = self.difference(source, number).astype(np.float64)
        sums = ordered_sum(weights.astype(np.float64)[:, None, None] * d * d)
        self.set_energy(sums.astype(_F) * _F(0.5), energy)

    def set_weighted_gradient(self, source: State, number: int, weights: Floats, energy: State) -> None:
        check_shape("bprop", source.dx, source.x)
        d = self.difference(source, number)
        source.dx.array[...] = (d * weights[:, None, None]) * self.share(energy)

    def set_weighted_curvature(self, source: State, weights: Floats, energy: State) -> None:
        check_shape("bbprop", source.ddx, source.x)
        source.ddx.array[...] = (weights * energy.dx.array)[:, None, None]


@built_in_class("wedist-cost", slots=(*_SLOTS, "w"))
class WedistCost(Weighted, Idx3Cost):
    """half the squared distance of the output from the prototype of the label, weighted by a row of w"""

    @constructor(LABELS, WHOLE, WHOLE, PROTO, vector(2, "float"))
    def make(self, labels: Idx, si: int, sj: int, proto: Idx, w: Idx) -> None:
        """(new wedist-cost labels si sj proto w): rows k of proto and w belong to label k of labels"""
        check_rows("wedist-cost", labels, w, "w", 4)
        self.start_weighted("wedist-cost", labels, si, sj, proto, w)

    @message("fprop", state(3), DESIRED, state(0))
    def fprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost fprop in desired energy): sets energy:x"""
        number = self.known_number(label_in(desired))
        self.set_weighted_energy(source, number, self.w.array[number], energy)
        return NIL

    @message("bprop", state(3, 1), DESIRED, state(0, 1))
    def bprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bprop in desired energy): in:dx = (in - proto) w times energy:dx times the share of the place"""
        number = self.known_number(label_in(desired))
        self.set_weighted_gradient(source, number, self.w.array[number], energy)
        return NIL

    @message("bbprop", state(3, 2), DESIRED, state(0, 1))
    def bbprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bbprop in desired energy): in:ddx = w energy:dx at every place"""
        self.set_weighted_curvature(source, self.w.array[self.known_number(label_in(desired))], energy)
        return NIL


PAIR = vector(1, INTEGERS, "make it with (int-matrix 2): the label, and the row of w")


@built_in_class("weighted-mse-cost", slots=(*_SLOTS, "w"))
class WeightedMseCost(Weighted):
    """half the squared distance of the output from the prototype, weighted by the row of w that desired names"""

    @constructor(LABELS, WHOLE, WHOLE, PROTO, vector(2, "float"))
    def make(self, labels: Idx, si: int, sj: int, proto: Idx, w: Idx) -> None:
        """(new weighted-mse-cost labels si sj proto w): row k of proto belongs to label k of labels"""
        self.start_weighted("weighted-mse-cost", labels, si, sj, proto, w)

    def _chosen(self, desired: Idx) -> tuple[int, Floats]:
        """Return the number of the label, and the weights: all 1 for a negative row."""
        if desired.sizes != (2,):
            raise CallError(
                f"weighted-mse-cost: desired has {desired.size} elements", None, "give a label and a row of w: [i 3 -1]"
            )
        label, row = map(int, desired.array)
        rows, columns = self.w.sizes
        if row >= rows:
            raise CallError(
                f"weighted-mse-cost: indices are out of bound: row {row} of w, which has {rows} rows",
                None,
                f"name a row from 0 to {rows - 1}, or -1 for weights of 1",
            )
        return self.known_number(label), np.ones(columns, _F) if row < 0 else self.w.array[row]

    @message("fprop", state(3), PAIR, state(0))
    def fprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost fprop in desired energy): sets energy:x; desired: the label, and the row of w, negative for ones"""
        self.set_weighted_energy(source, *self._chosen(desired), energy)
        return NIL

    @message("bprop", state(3, 1), PAIR, state(0, 1))
    def bprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bprop in desired energy): in:dx = (in - proto) w times energy:dx times the share of the place"""
        self.set_weighted_gradient(source, *self._chosen(desired), energy)
        return NIL

    @message("bbprop", state(3, 2), PAIR, state(0, 1))
    def bbprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bbprop in desired energy): in:ddx = w energy:dx at every place"""
        self.set_weighted_curvature(source, self._chosen(desired)[1], energy)
        return NIL


def check_units(name: str, source: State, labels: int) -> None:
    """CallError if the output has other than one map for each label."""
    if source.x.sizes[0] != labels:
        raise CallError(
            f"{name}: arguments have the wrong dimensions: the output has {source.x.sizes[0]} maps for {labels} labels",
            None,
            "give one label for each map of the output",
        )


@built_in_class("mle-cost", slots=("label2classindex", "dist", "logadder", "logadded-dist"))
class MleCost(LabelledCost, Idx3Cost):
    """the output of the label's unit, a distance; an unknown label costs nothing"""

    dist = Slot(state(3, 2))

    @constructor(LABELS, WHOLE, WHOLE)
    def make(self, labels: Idx, si: int, sj: int) -> None:
        """(new mle-cost labels si sj): label k of labels belongs to unit k"""
        self.begin("mle-cost", labels, 1, si, sj)
        self.dist = self.new(STATES[3, 2], 1.0, float(max(si, 1)), float(max(sj, 1)))

    def unit_of(self, source: State, desired: Idx) -> int:
        """Return the unit of the label, -1 for none."""
        unit = self.number_of(label_in(desired))
        if unit >= source.x.sizes[0]:
            raise CallError(
                f"mle-cost: the label {int(label_in(desired))} belongs to unit {unit}, and the output has "
                f"{source.x.sizes[0]} maps",
                None,
                "give the cost a label for each map of the output, no more",
            )
        return unit

    @message("fprop", state(3), DESIRED, state(0))
    def fprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost fprop in desired energy): energy:x is the output of the label's unit, log-summed over places"""
        unit = self.unit_of(source, desired)
        if unit < 0:
            energy.x.array[...] = 0
            return NIL
        self.dist.fit((1, *source.x.sizes[1:]))
        self.dist.x.array[0] = source.x.array[unit]
        energy.x.array[...] = self.join(self.dist)[0]
        return NIL

    @message("bprop", state(3, 1), DESIRED, state(0, 1))
    def bprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bprop in desired energy): in:dx of the unit = energy:dx times the share of the place, others 0"""
        check_shape("bprop", source.dx, source.x)
        unit = self.unit_of(source, desired)
        source.dx.array[...] = 0
        if unit >= 0:
            self.shares(self.dist, energy.dx.array)
            source.dx.array[unit] = self.dist.dx.array[0]
        return NIL

    @message("bbprop", state(3, 2), DESIRED, state(0, 2))
    def bbprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bbprop in desired energy): in:ddx of the unit = energy:ddx at every place, others 0"""
        check_shape("bbprop", source.ddx, source.x)
        unit = self.unit_of(source, desired)
        source.ddx.array[...] = 0
        if unit >= 0:
            source.ddx.array[unit] = energy.ddx.array
        return NIL


def check_priors(name: str, labels: Idx, priors: Idx) -> None:
    """CallError unless there is a prior for each label and one for junk, all above 0."""
    if priors.sizes[0] != labels.size + 1:
        raise CallError(
            f"[{name}] priors and classes have incompatible sizes: {priors.sizes[0]} priors for {labels.size} labels",
            1,
            f"give {labels.size + 1} priors: one for each label, the last for junk",
        )
    if not (priors.array > 0).all():
        raise CallError(f"{name}: a prior is not above 0", 1, "give each class and junk a prior above 0")


class Junk:
    """The cost of answering that a pattern is of no class: 0.5 j j, with a number j from the param."""

    @staticmethod
    def score(j: State) -> np.float32:
        """Return float(0.5 j j)."""
        value = _F(j.x.array[()])
        return _F(_F(0.5) * value * value)

    @staticmethod
    def set_cost(j: State, c: float) -> None:
        """Make the score c: j = sqrt(2 c)."""
        if c < 0:
            raise CallError(f"set-junk-cost: the cost {c:g} is below 0", 0, "write a number from 0 on")
        j.x.array[...] = math.sqrt(2 * c)


def minus_log_sum(scores: Floats, priors: Floats) -> tuple[np.float32, Floats]:
    """Return L = -log sum p_k exp(-s_k), and the terms of the sum relative to the smallest score."""
    e, lowest = exponentials(scores)
    terms: Floats = priors * e
    return _F(lowest - _F(math.log(float(_F(total(terms)))))), terms


@built_in_class("mmi-cost", slots=("priors", "junk-param"))
class MmiCost(MleCost):
    """minus the log of the probability of the label among all classes and junk"""

    priors = Slot(vector(1, "float"))
    junk_param = Slot(state(0))

    @constructor(LABELS, vector(1, "float"), WHOLE, WHOLE, PARAM)
    def make(self, labels: Idx, priors: Idx, si: int, sj: int, param: Param) -> None:
        """(new mmi-cost labels priors si sj param): a prior for each label and one for junk, whose j is from param"""
        check_priors("mmi-cost", labels, priors)
        self.begin("mmi-cost", labels, labels.size, si, sj)
        self.dist = self.new(STATES[3, 2], float(labels.size), float(max(si, 1)), float(max(sj, 1)))
        self.priors = priors
        self.junk_param = allocate(self, param)

    @message("set-junk-cost", NUMBER)
    def set_junk_cost(self, c: float) -> Form:
        """(==> cost set-junk-cost c): makes c the cost of junk"""
        Junk.set_cost(self.junk_param, c)
        return NIL

    def _scores(self, source: State) -> Floats:
        """Return the score of each unit and of junk."""
        check_units("mmi-cost", source, self.priors.sizes[0] - 1)
        self.dist.fit(source.x.sizes)
        self.dist.x.array[...] = source.x.array
        return np.append(self.join(self.dist), Junk.score(self.junk_param))

    def _chosen(self, desired: Idx) -> int:
        number = self.number_of(label_in(desired))
        return number if number >= 0 else self.priors.sizes[0] - 1

    @message("fprop", state(3), DESIRED, state(0))
    def fprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost fprop in desired energy): energy:x = s_c - log p_c + log sum p_k exp(-s_k)"""
        scores, chosen = self._scores(source), self._chosen(desired)
        log_sum, _ = minus_log_sum(scores, self.priors.array)
        own = _F(scores[chosen] - _F(math.log(float(self.priors.array[chosen]))))
        energy.x.array[...] = -float(log_sum) + float(own)
        return NIL

    @message("bprop", state(3, 1), DESIRED, state(0, 1))
    def bprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bprop in desired energy): in:dx = g_k times the share of the place; sets the gradient of j

        g_k = energy:dx ((1 if k is the label's) - p_k exp(-s_k) / sum).
        """
        check_shape("bprop", source.dx, source.x)
        scores, chosen = self._scores(source), self._chosen(desired)
        _, terms = minus_log_sum(scores, self.priors.array)
        slope = _F(energy.dx.array[()])
        gradient = terms * _F(1 / float(_F(total(terms)))) * -slope
        gradient[chosen] += slope
        self.shares(self.dist, gradient[:-1])
        source.dx.array[...] = self.dist.dx.array
        self.junk_param.dx.array[...] = self.junk_param.x.array * gradient[-1]
        return NIL

    @message("bbprop", state(3, 2), DESIRED, state(0, 2))
    def bbprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bbprop in desired energy): in:ddx = energy:ddx everywhere"""
        check_shape("bbprop", source.ddx, source.x)
        source.ddx.array[...] = energy.ddx.array
        return NIL


GRID = vector(2, "float", "make it with (float-matrix rows columns): a label for each place")


@built_in_class("ledist-cost", slots=("proto", "label2classindex"))
class LedistCost(GbModule):
    """half the squared distance of the output from the prototype of a label for each place"""

    proto = Slot(PROTO)
    label2classindex = Slot(vector(1, "int"))

    @constructor(LABELS, PROTO)
    def make(self, labels: Idx, proto: Idx) -> None:
        """(new ledist-cost labels proto): row k of proto is the desired output of label k of labels"""
        check_rows("ledist-cost", labels, proto, "proto", 1)
        self.proto = proto
        self.label2classindex = class_numbers("ledist-cost", labels)

    def _difference(self, source: State, desired: Idx) -> Floats:
        x, proto, numbers = source.x.array, self.proto.array, self.label2classindex.array
        if desired.sizes != x.shape[1:] or len(x) != proto.shape[1]:
            raise CallError(
                f"ledist-cost: labels of {desired.sizes[0]} x {desired.sizes[1]} places and prototypes of "
                f"{proto.shape[1]} elements, for an output of {' x '.join(map(str, x.shape))}",
                None,
                "give a label for each place of the output, and prototypes of as many elements as maps",
            )
        labels = desired.array.astype(np.int64)
        inside = (labels >= 0) & (labels < len(numbers))
        found = np.where(inside, numbers[np.where(inside, labels, 0)], -1)
        if (found < 0).any():
            raise CallError(
                f"ledist-cost: indices are out of bound: the label {int(labels[found < 0][0])} is none of the labels",
                None,
                "give the cost all labels that occur in the data",
            )
        return np.asarray(x - proto[found].transpose(2, 0, 1))

    @message("fprop", state(3), GRID, state(0))
    def fprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost fprop in desired energy): half the squared distance at the last place, in energy:x"""
        d = self._difference(source, desired)[:, -1, -1]
        energy.x.array[...] = _F(total(d * d)) * _F(0.5)
        return NIL

    @message("bprop", state(3, 1), GRID, state(0))
    def bprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bprop in desired energy): in:dx = in - proto of the label of each place"""
        check_shape("bprop", source.dx, source.x)
        source.dx.array[...] = self._difference(source, desired)
        return NIL

    @message("bbprop", state(3, 2), GRID, state(0, 1))
    def bbprop(self, source: State, desired: Idx, energy: State) -> Form:
        """(==> cost bbprop in desired energy): in:ddx = energy:dx everywhere"""
        source.ddx.array[...] = energy.dx.array
        return NIL
