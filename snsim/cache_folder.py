"""The folder for what can be had again: data that were fetched, code that was compiled. Ground floor."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from snsim.errors import fail


def cache_folder() -> Path:
    """SNSIM_CACHE, or the folder that the platform gives to caches. SnError if neither is known."""
    if chosen := os.environ.get("SNSIM_CACHE"):
        return Path(chosen).expanduser()
    try:
        home = Path.home()
    except RuntimeError:  # a user without an entry in the system's list, and no HOME
        raise fail("there is no folder for a cache: neither SNSIM_CACHE nor the home folder of this user is known",
                   hint="name a folder with the variable SNSIM_CACHE") from None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "snsim" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "snsim"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "snsim"
