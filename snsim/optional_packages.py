"""Turn a failed import of an optional package into a fault that says what to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from snsim.errors import fail

# What to install for a package that has another name on PyPI, or that belongs to an extra of snsim.
_INSTALLED_BY = {
    "IPython": "snsim[notebook]",
    "PIL": "pillow",
    "distributed": "snsim[cluster]",
    "dask": "snsim[cluster]",
    "lsprotocol": "snsim[lsp]",
    "onnx": "snsim[onnx]",
    "onnxruntime": "snsim[onnx]",
    "onnxscript": "snsim[onnx]",
    "pygls": "snsim[lsp]",
    "scipy": "snsim[joint]",
    "tensorboard": "snsim[tensorboard]",
    "wasmtime": "snsim[wasm]",
}


@contextmanager
def needing(*packages: str, what: str, instead: str = "") -> Iterator[None]:
    """Guard a block that imports packages, or modules that import them.

    SnError if one is missing or cannot be loaded. It says that `what` needs the package, how to install it, and what to
    do `instead`.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").split(".")[0] not in packages:
            raise
        package = str(error.name).split(".")[0]
        missing = isinstance(error, ModuleNotFoundError)
        why = "is not installed here" if missing else f"cannot be loaded: {' '.join(str(error).split())[:200]}"
        raise fail(
            f"{what} needs the package {package}, which {why}",
            hint=install_hint(package) + (f", or {instead}" if instead else ""),
        ) from None


def install_hint(package: str) -> str:
    """Return the shell command that installs a package."""
    name = _INSTALLED_BY.get(package, package)
    return f'pip install "{name}"' if "[" in name else f"pip install {name}"
