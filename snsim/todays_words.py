"""Map today's words to the words of snsim: an epoch is a pass, a loss is a cost, an optimizer is an update rule.

`snsim help`, the hints of errors and the page of terms in the documentation read this table.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple


class Term(NamedTuple):
    """A term of the field: the names of snsim for it, the words that the field uses, and their meaning.

    `here` has the best name first. A hint takes the first of them that is valid at its place.
    """

    here: tuple[str, ...]
    today: tuple[str, ...]
    meaning: str


TERMS = (
    Term(
        ("epsilon", "epsi-sqrt", "epsi-inv", "mask-epsi"),
        ("learning rate", "lr", "rate", "step size", "lr scheduler", "scheduler"),
        "The learning rate; it may change over the passes, as (linear a b) or (steps (v n) ...).",
    ),
    Term(
        ("passes",),
        ("epochs", "epoch", "num epochs", "n epochs", "max epochs"),
        "A pass presents every training pattern once.",
    ),
    Term(("cost",), ("loss", "loss function", "objective"), "What training minimises: E of one pattern."),
    Term(
        ("update",),
        ("optimizer", "optimiser", "optim", "solver"),
        "The update rule: how a gradient changes a weight, as (update sgd).",
    ),
    Term(
        ("mask",),
        ("convolution", "conv", "conv2d", "convolutional", "kernel", "filter", "filters"),
        "A convolution: one window of weights for each pair of maps, shared by all units of the target map.",
    ),
    Term(
        ("delay",),
        ("recurrent", "recurrence", "rnn", "elman", "jordan", "feedback", "memory cell"),
        "A recurrent connection: it reads the states of one step before, as (delay 1).",
    ),
    Term(
        ("time",),
        ("bptt", "tbptt", "backpropagation through time", "unroll", "truncation"),
        "Truncated backpropagation through time, as (time 5).",
    ),
    Term(("tdnn",), ("conv1d", "temporal convolution"), "A convolution over time."),
    Term(("local",), ("locally connected",), "Windows as in a convolution, but no weights are shared."),
    Term(
        ("equal-mask",),
        ("pooling", "pool", "subsampling", "downsampling"),
        "Subsampling: one weight times the sum of the window.",
    ),
    Term(("max-mask",), ("max pooling", "max pool", "maxpool", "maxpool2d"), "Max pooling, without weights."),
    Term(
        ("average-mask",),
        ("average pooling", "mean pooling", "avg pool", "avgpool", "avgpool2d"),
        "Average pooling, without weights that learn.",
    ),
    Term(
        ("weights-of",),
        ("weight sharing", "shared weights", "tied weights", "weight tying", "siamese"),
        "A connection that uses the weights of another.",
    ),
    Term(("distance",), ("rbf", "radial basis", "radial", "euclidean"), "Sums of (w - x)^2, as in a radial unit."),
    Term(("pairs",), ("sparse", "sparse connections"), "Listed pairs of units; for maps there is (table ...)."),
    Term(
        ("prune",),
        ("pruning", "optimal brain damage", "obd", "sparsify"),
        "Cut the connections or weights of the least saliency.",
    ),
    Term(("mod",), ("%", "modulo", "remainder", "modulus"), "The remainder of a division."),
    Term(("full",), ("dense", "fully connected", "fc"), "All units of one layer to all units of another."),
    Term(
        ("nlf",),
        ("activation", "activation function", "activations", "nonlinearity", "non linearity", "transfer function"),
        "The non-linear function of the units of a layer, as (nlf relu).",
    ),
    Term(("layer",), ("layers", "neurons", "hidden"), "A layer of units, as (layer h1 (12 8 8))."),
    Term(("table",), ("groups", "connectivity"), "Which maps feed which maps."),
    Term(("step",), ("stride", "strides"), "The shift of the window from one unit to the next."),
    Term(("border",), ("padding", "pad", "zero padding"), "Cells around each map, with a constant value."),
    Term(
        ("batch",),
        ("batch size", "batchsize", "minibatch", "mini batch"),
        "How many patterns are summed for one update; 1 is SN's way.",
    ),
    Term(
        ("decay",),
        ("weight decay", "l2", "l2 penalty", "regularization", "regularisation", "regularizer"),
        "The weight decay of the update rule.",
    ),
    Term(
        ("sgd", "update"),
        ("momentum", "gradient descent"),
        "Gradient descent; its momentum is (update sgd (alpha 0.9)).",
    ),
    Term(("adamw",), ("adam",), "Adam with decoupled weight decay; with the default decay of 0 it is Adam."),
    Term(("mean-square", "lms"), ("mse", "mse loss", "l2 loss"), "The mean square error over the outputs."),
    Term(
        ("cross-entropy",),
        ("crossentropy", "ce", "nll", "softmax", "log softmax", "cross entropy loss"),
        "Cross-entropy after a softmax, of a linear output layer.",
    ),
    Term(("sigmoid",), ("logistic",), "The logistic function, from 0 to 1."),
    Term(("linear",), ("identity", "none"), "No non-linearity: the sum itself."),
    Term(
        ("forget", "forget-sqrt", "forget-inv"),
        ("initialization", "initialisation", "initializer", "init", "weight init"),
        "How initial weights are drawn. SN's word: a net that is drawn again has forgotten.",
    ),
    Term(("glorot",), ("xavier", "xavier uniform"), "Initial weights as by Glorot and Bengio."),
    Term(("he",), ("kaiming", "kaiming normal"), "Initial weights as by He and others."),
    Term(("normalize",), ("layernorm", "layer norm", "layer normalization"), "Layer normalisation over the maps."),
    Term(("attend",), ("attention", "self attention", "multihead attention"), "Attention with heads."),
    Term(("augment",), ("augmentation", "data augmentation", "transforms"), "Random shifts of the patterns."),
    Term(("stop-after",), ("early stopping", "patience"), "End the training when a figure gets no better."),
    Term(("keep",), ("checkpoint", "save best", "best"), "Also keep the weights of the best pass."),
    Term(
        ("correct",), ("accuracy", "metric", "metrics"), "When an output counts as right; misses are those that do not."
    ),
    Term(("order",), ("shuffle", "shuffling", "sampler"), "The order in which patterns are presented."),
    Term(("seed",), ("random state", "random seed", "manual seed"), "The seed of the random numbers."),
    Term(("data",), ("dataset", "dataloader", "data loader"), "The patterns of a training."),
    Term(("theta",), ("activation noise",), "Noise on the weighted sums during training."),
    Term(("run",), ("train", "fit", "learn"), "The command that trains."),
    Term(("predict",), ("infer", "inference", "classify", "apply"), "The command that applies a trained net."),
    Term(
        ("test",),
        ("evaluate", "evaluation", "score", "validation"),
        "The command that tests a trained net on data with answers.",
    ),
    Term(("play",), ("playground", "live"), "The command that shows a text beside the net that learns."),
    Term(("check",), ("validate", "lint", "verify"), "The command that reports every fault of a file."),
    Term(("show",), ("summary", "describe", "inspect"), "The command that shows a net completely."),
    Term(("plot",), ("draw", "visualize", "visualise"), "The command that draws."),
    Term(("new",), ("create", "start"), "The command that writes a first description."),
    Term(("fmt",), ("format",), "The command that lays out files."),
    Term(("export",), ("save model", "convert model"), "The command that writes a net for PyTorch, ONNX or C."),
)


def spelled(word: str) -> str:
    """Return a word as the table compares it: lower case, one space for hyphens, underscores and spaces."""
    return re.sub(r"[-_\s]+", " ", word.strip("() -").lower())


NAMES_HERE = frozenset(name for term in TERMS for name in term.here)
_BY_WORD = {spelled(word): term for term in reversed(TERMS) for word in term.today}


def term_for(word: str) -> Term | None:
    """Return the term for a word that the field uses today, such as "epochs"; None if the table lacks it."""
    return _BY_WORD.get(spelled(word))


def name_for(word: str, names: Collection[str]) -> str | None:
    """Return the name, among those that are valid at a place, for a word of today; None if there is none."""
    term = term_for(word)
    return None if term is None else next((name for name in term.here if name in names), None)
