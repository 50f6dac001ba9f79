"""Write the page: template, style sheet, scripts, and the training with its data, in one HTML file."""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from snsim import __version__
from snsim.errors import fail, for_line, passes_text
from snsim.escaping import for_json
from snsim.page.modules import join_modules
from snsim.page.net_view import view_of
from snsim.page.source_lines import coloured_texts
from snsim.page.subject import PageSubject
from snsim.page.training_description import describe_training
from snsim.page_templates import fill_html

MOST_BYTES = 20_000_000  # of data in the page
_MOST_SHAPES = 8  # layers in the first line of the page
SMALLEST, FASTEST = 9, 1  # levels of gzip
_SCRIPT = "app/main.js"
_WORKER = "app/worker.js"


def page_of(subject: PageSubject, level: int = SMALLEST) -> str:
    """Return the page of a training as one text, its arrays packed by gzip with a level from 1 to 9.

    SnError if the page cannot do what the training asks for, or if its data are too large.
    """
    training, data = subject.training, subject.data
    description = describe_training(
        training, data.prepared, seed=subject.seed, initial=subject.initial, weights=subject.weights
    )
    prepared = data.prepared
    patterns = f"{len(prepared.train):,} train"
    if prepared.test is not None:
        patterns += f" and {len(prepared.test):,} test"
    start = f"Ready with {subject.origin}. {patterns} patterns of {for_line(prepared.name)}."
    if subject.weights is not None:
        start += " Restart learns from initial weights."
    view, arrays = view_of(training, data, subject.seed, start)
    packed = [(name, _packed(array.tobytes(), level)) for name, array in arrays.items()]
    packed += [(name, _packed(content, level)) for name, content in description.blobs.items()]
    size = sum(len(text) for _, text in packed)
    if size > MOST_BYTES:
        raise fail(
            f"the data {for_line(prepared.name)} take {size / 1e6:.0f} MB in the page; "
            f"at most {MOST_BYTES / 1e6:.0f} MB are embedded",
            hint="take fewer patterns: --examples 100 takes the first 100 of each class",
        )
    style, script = _file("page.css"), join_modules(_SCRIPT)
    published = [(for_line(name.replace("-", " ")), f"{value:g}") for name, value in training.published]
    return fill_html(
        "snsim.page",
        "page.html.j2",
        policy=_policy(script, style),
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        worker=Markup(join_modules(_WORKER)),
        view=_script_json(view),
        description=_script_json(description.values),
        arrays=[(name, Markup(text)) for name, text in packed],
        **_parts(subject, published),
    )


def _parts(subject: PageSubject, published: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the values of the template of the visible parts."""
    training, data = subject.training, subject.data
    counts = training.net.counts
    shapes = ["×".join(map(str, layer.shape)) for layer in training.net.layers]
    layers = " – ".join(shapes if len(shapes) <= _MOST_SHAPES else [*shapes[:2], "…", *shapes[-2:]])
    rule, passes, name = training.stages[0].rule.name, training.passes, for_line(data.prepared.name)
    words = "Published" if data.comparable else "Published for other data"
    return {
        "title": for_line(training.name),
        "lead": f"{layers}; {rule}, {passes_text(passes)} over {name}",
        "counts": {
            "units": f"{counts.units:,}",
            "connections": f"{counts.connections:,}",
            "weights": f"{counts.weights:,}",
        },
        "seed": subject.seed,
        "published": published,
        "published_words": words,
        "has_test": data.prepared.test is not None,
        "texts": coloured_texts(subject.texts, training.net),
        "attribution": data.attribution,
    }


def _packed(content: bytes, level: int) -> str:
    return b64encode(gzip.compress(content, level, mtime=0)).decode()


def _file(name: str) -> str:
    return files("snsim.page").joinpath(name).read_text("utf-8")


def _script_json(value: object) -> Markup:
    """Return JSON that can stand in a script element: no text in it can end the element or begin a comment."""
    text = for_json(value)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _policy(script: str, style: str) -> str:
    """Return the Content-Security-Policy: this script and this style alone, WebAssembly, and nothing from elsewhere."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(script)} 'wasm-unsafe-eval'",
            f"style-src {_hash(style)}",
            "worker-src blob:",
            "connect-src blob:",
            "img-src blob: data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
