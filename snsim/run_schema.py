"""Describe the JSON in a run folder: run.json, a line of passes.jsonl, the metadata of a checkpoint.

Every run folder is checked against these schemas when it is read.
"""

from __future__ import annotations

from snsim.json_reader import Fields, InnerPath, ListOf, Named, Number, OneOf, Text, Truth, Whole, nullable

FORMAT = 1  # version of the folder's layout; a later layout gets a higher number

_NAME = Text()
_COUNT = Whole(0)
_SEVERAL = ListOf(_NAME)
_OPTIONS = Named(OneOf((Number(), _NAME)))  # the values of --set

_SOURCE = Fields(
    {"main": InnerPath(), "files": ListOf(InnerPath(), 1), "root": Text(4096)}, {"digests": Named(nullable(_NAME))}
)

_PATH = Text(4096)

_RECORD = Fields(  # what `DataRecord.to_json` writes
    {
        "reader": _NAME,
        "folder": _PATH,
        "files": ListOf(Fields({"name": _PATH, "sha256": _NAME, "pictures": nullable(_COUNT)}, closed=True)),
        "shape": ListOf(Whole(1), 1),
        "columns": _SEVERAL,
        "targets": _SEVERAL,
        "class_names": ListOf(Text(zero=True)),  # those of an npz may hold any character
        "scaling": nullable(
            Fields(
                {
                    "kind": _NAME,
                    "offset": ListOf(Number(), 1),
                    "divisor": ListOf(Number(), 1),
                    "shift": Number(),
                    "mirror": nullable(Number()),
                },
                closed=True,
            )
        ),
        "size": nullable(ListOf(Whole(1), 2)),
        "seed": nullable(_COUNT),
        "test": nullable(Number(0)),
        "folds": nullable(Whole(1)),
        "fold": nullable(Whole(1)),
    }
)

SETTINGS = Fields(
    {
        "format": Whole(FORMAT, FORMAT),
        "name": _NAME,
        "net": _NAME,
        "net_digest": _NAME,
        "counts": Fields({"units": _COUNT, "connections": _COUNT, "weights": _COUNT}),
        "passes": Whole(1),
        "seed": _COUNT,
        "engine": _NAME,
        "dtype": Text(values=("float64", "float32")),
        "cost": _NAME,
        "correct": ListOf(OneOf((_NAME, Number())), 1),
        "updates": _SEVERAL,
        "data": Fields(
            {
                "name": _NAME,
                "digest": _NAME,
                "origin": _NAME,
                "wanted": _SEVERAL,
                "rank": _COUNT,
                "train": Whole(1),
                "test": _COUNT,
            },
            {"record": _RECORD, "folders": ListOf(_PATH), "moved": _PATH},
        ),
        "published": Named(Number()),
        "overrides": Fields(
            {"data": _SEVERAL, "passes": nullable(Whole(1))}, {"initial": nullable(_NAME), "fold": Whole(1)}
        ),
        "presets": _OPTIONS,
        "versions": Named(_NAME),
        "started": _NAME,
        "source": _SOURCE,
    },
    {
        "finished": nullable(_NAME),
        "device": _NAME,
        "together": Whole(1),
        "portable": Truth(),
        "command": _SEVERAL,
        "platform": _NAME,
        "keep": Fields({"figure": _NAME, "stop_after": nullable(Whole(1))}),
        "machine": Fields({}, {"processor": nullable(_NAME), "cores": nullable(Whole(1))}),
    },
)

_FIGURE = nullable(Number())  # null: the number was not finite
_PERCENT = Number(0, 100)
_SCORE = Fields(
    {"loss": _FIGURE, "half_mse": _FIGURE, "mse": _FIGURE, "error": _PERCENT, "misses": _COUNT, "patterns": Whole(1)},
    {"rejection": _PERCENT, "output_misses": ListOf(_COUNT, 1)},
    closed=True,
)

PASS = Fields(
    {"pass": Whole(1), "train": _SCORE, "test": nullable(_SCORE), "presentations": _COUNT, "seconds": Number(0)},
    {"cpu_seconds": Number(0), "left": Fields({"connections": _COUNT, "weights": _COUNT})},
)

_GENERATOR = Fields(
    {
        "bit_generator": Text(values=("PCG64",)),
        "has_uint32": Whole(0, 1),
        "uinteger": Whole(0, 2**32 - 1),
        "state": Fields({"state": Whole(0, 2**128 - 1), "inc": Whole(0, 2**128 - 1)}, closed=True),
    },
    closed=True,
)

STREAMS = ("order", "noise", "curvature")  # of random numbers; a checkpoint before the first pass has none
CHECKPOINT = Fields({"pass": _COUNT, "generators": Named(_GENERATOR)})
BEST = Fields({"pass": Whole(1), "figure": _NAME, "value": Number()})  # the metadata of best.safetensors
