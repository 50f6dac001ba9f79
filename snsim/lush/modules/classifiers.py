"""Classifiers: they turn the output of a machine into classes with scores, the best first.

See docs/reference/gblearn2.md, sections 4 (the order of equal scores), 5 and 8.
"""

from __future__ import annotations

import math

import numpy as np

from snsim.language.forms import NIL, Form
from snsim.language.objects import Object
from snsim.language.procedures import CallError
from snsim.lush.arithmetic import Floats, heap_sort, ordered_sum
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import NUMBER, WHOLE, Slot, built_in_class, constructor, instance, message, vector
from snsim.lush.modules.costs import LABELS, PROTO, Junk, check_priors, check_units, minus_log_sum
from snsim.lush.modules.layers import LogaddLayer
from snsim.lush.modules.roots import FPROP, GbModule
from snsim.lush.modules.states_and_params import (
    PARAM,
    STATES,
    ClassState,
    LclassState,
    Param,
    State,
    allocate,
    state,
)

_F = np.float32

ANSWER = instance("a class-state", ClassState, "(new class-state 10) makes one")


def answer(out: ClassState, labels: np.ndarray, scores: Floats, down: bool) -> None:
    """Sort the labels by their scores into a class-state; the first is its answer."""
    if out.sorted_classes.sizes != labels.shape or out.sorted_scores.sizes != labels.shape:
        out.sorted_classes.resize(labels.shape)
        out.sorted_scores.resize(labels.shape)
    classes, sorted_scores = out.sorted_classes.array, out.sorted_scores.array
    classes[...], sorted_scores[...] = labels, scores
    heap_sort(sorted_scores, classes, down)
    out.output_class = float(classes[0])
    out.confidence = float(sorted_scores[0])


@built_in_class("idx3-classer")
class Idx3Classer(GbModule):
    """above the classifiers of an idx3 output"""


class MapClasser(Idx3Classer):
    """A classifier with a label for each map."""

    classindex2label = Slot(LABELS)

    @constructor(LABELS)
    def make(self, labels: Idx) -> None:
        """(new NAME labels): label k belongs to map k"""
        self.classindex2label = labels


@built_in_class("max-classer")
class MaxClasser(MapClasser):
    """answers the map with the largest output"""

    @message("fprop", state(3), ANSWER)
    def fprop(self, source: State, out: ClassState) -> Form:
        """(==> classer fprop in class-state): the largest output of each map over its places, sorted downwards"""
        labels = self.classindex2label.array
        check_units("max-classer", source, len(labels))
        answer(out, labels, source.x.array.max(axis=(1, 2)), down=True)
        return NIL


@built_in_class("min-classer")
class MinClasser(MapClasser):
    """answers the map with the smallest output"""

    @message("fprop", state(3), ANSWER)
    def fprop(self, source: State, out: ClassState) -> Form:
        """(==> classer fprop in class-state): the smallest output of each map over its places, sorted upwards"""
        labels = self.classindex2label.array
        check_units("min-classer", source, len(labels))
        answer(out, labels, source.x.array.min(axis=(1, 2)), down=False)
        return NIL


def check_one_place(name: str, source: State) -> None:
    """CallError if the output has several places."""
    if source.x.sizes[1:] != (1, 1):
        raise CallError(
            f"{name}: vector is not contiguous: the output has {source.x.sizes[1]} x {source.x.sizes[2]} places",
            0,
            f"{name} works for one place only: max-classer and min-classer take several",
        )


def check_prototypes(name: str, source: State, proto: Idx) -> None:
    """CallError if the prototypes have another number of elements than the output has maps."""
    if proto.sizes[1] != source.x.sizes[0]:
        raise CallError(
            f"{name}: arguments have the wrong dimensions: prototypes of {proto.sizes[1]} elements for an output of "
            f"{source.x.sizes[0]} maps",
            0,
            "give it the matrix of the cost",
        )


def distances(source: State, proto: Idx) -> Floats:
    """Return half the squared distance of the output from each prototype, elements ascending."""
    d = source.x.array[:, 0, 0][:, None] - proto.array.T
    return ordered_sum(d * d) * _F(0.5)


@built_in_class("edist-classer")
class EdistClasser(Idx3Classer):
    """answers the prototype nearest to the output, which has one place"""

    classindex2label = Slot(LABELS)
    proto = Slot(PROTO)
    dist = Slot(state(3))

    @constructor(LABELS, WHOLE, WHOLE, PROTO)
    def make(self, labels: Idx, si: int, sj: int, proto: Idx) -> None:
        """(new edist-classer labels si sj proto): row k of proto belongs to label k"""
        self.classindex2label, self.proto = labels, proto
        self.dist = self.new(STATES[3, 2], float(proto.sizes[0]), float(max(si, 1)), float(max(sj, 1)))

    @message("fprop", state(3), ANSWER)
    def fprop(self, source: State, out: ClassState) -> Form:
        """(==> classer fprop in class-state): half the squared distances from the prototypes, sorted upwards"""
        labels, proto = self.classindex2label, self.proto
        if labels.size != proto.sizes[0]:
            raise CallError(
                f"edist-classer: arguments have the wrong dimensions: {labels.size} labels for {proto.sizes[0]} rows",
                None,
                "give one label for each row of proto",
            )
        check_prototypes("edist-classer", source, proto)
        check_one_place("edist-classer", source)
        scores = distances(source, proto)
        self.dist.fit((len(scores), 1, 1))
        self.dist.x.array[...] = scores[:, None, None]
        answer(out, labels.array, scores, down=False)
        return NIL


@built_in_class("mmi-classer", slots=("classindex2label", "priors", "junk-param", "logadder", "logadded-dist"))
class MmiClasser(Idx3Classer):
    """answers the most probable class, or -1 for junk"""

    classindex2label = Slot(LABELS)
    priors = Slot(vector(1, "float"))
    junk_param = Slot(state(0))
    logadder = Slot(instance("a logadd-layer", Object, "(new logadd-layer 1 1 1) makes one"))
    logadded_dist = Slot(state(1))

    @constructor(LABELS, vector(1, "float"), WHOLE, WHOLE, PARAM)
    def make(self, labels: Idx, priors: Idx, si: int, sj: int, param: Param) -> None:
        """(new mmi-classer labels priors si sj param): priors for each label and for junk, whose j is from param"""
        check_priors("mmi-classer", labels, priors)
        self.classindex2label, self.priors = labels, priors
        self.logadder = self.new(LogaddLayer, float(labels.size), float(max(si, 1)), float(max(sj, 1)))
        self.logadded_dist = self.new(STATES[1, 2], float(labels.size))
        self.junk_param = allocate(self, param)

    @message("set-junk-cost", NUMBER)
    def set_junk_cost(self, c: float) -> Form:
        """(==> classer set-junk-cost c): makes c the cost of junk"""
        Junk.set_cost(self.junk_param, c)
        return NIL

    @message("fprop", state(3), ANSWER)
    def fprop(self, source: State, out: ClassState) -> Form:
        """(==> classer fprop in class-state): -log of the probability of each class and of junk, sorted upwards

        -L + s_k + (-float(log p_k)) in double, with L = -log sum p_k exp(-s_k).
        """
        labels, priors = self.classindex2label.array, self.priors.array
        check_units("mmi-classer", source, len(labels))
        self.send(self.logadder, FPROP, source, self.logadded_dist)
        scores = np.append(self.logadded_dist.x.array, Junk.score(self.junk_param))
        log_sum, _ = minus_log_sum(scores, priors)
        logs = [_F(math.log(float(p))) for p in priors]
        sums = [-float(log_sum) + float(s) + -float(log) for s, log in zip(scores, logs)]
        answer(out, np.append(labels, -1), np.array(sums).astype(_F), down=False)
        return NIL


@built_in_class("ledist-classer")
class LedistClasser(GbModule):
    """answers the prototype nearest to the output at its place, into an lclass-state"""

    classindex2label = Slot(LABELS)
    proto = Slot(PROTO)

    @constructor(LABELS, PROTO)
    def make(self, labels: Idx, proto: Idx) -> None:
        """(new ledist-classer labels proto): row k of proto belongs to label k"""
        self.classindex2label, self.proto = labels, proto

    @message("fprop", state(3), instance("an lclass-state", LclassState, "(new lclass-state 1 1 10) makes one"))
    def fprop(self, source: State, out: LclassState) -> Form:
        """(==> classer fprop in lclass-state): minus half the squared distances from the rows, sorted downwards"""
        labels, proto = self.classindex2label.array, self.proto
        if len(labels) != proto.sizes[0]:
            raise CallError(
                f"ledist-classer: arguments have the wrong dimensions: {len(labels)} labels for {proto.sizes[0]} rows",
                None,
                "give one label for each row of proto",
            )
        check_prototypes("ledist-classer", source, proto)
        check_one_place("ledist-classer", source)
        out.output_class.resize((1, 1))
        out.confidence.resize((1, 1))
        out.sorted_classes.resize((len(labels), 1, 1))
        out.sorted_scores.resize((len(labels), 1, 1))
        classes, scores = out.sorted_classes.array[:, 0, 0], out.sorted_scores.array[:, 0, 0]
        classes[...], scores[...] = labels, -distances(source, proto)
        heap_sort(scores, classes, down=True)
        out.output_class.array[...], out.confidence.array[...] = classes[0], scores[0]
        return NIL
