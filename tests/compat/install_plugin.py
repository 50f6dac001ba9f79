"""Put a package where Python finds it and its entry points, as `pip install` would, without pip."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path


def install(project: Path, folder: Path) -> None:
    """Copy the packages of a project, and write the metadata that its pyproject.toml states, into a new folder."""
    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("__pycache__", "pyproject.toml"))
    metadata = folder / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    lines = [line for group, points in about["entry-points"].items()
             for line in (f"[{group}]", *(f"{name} = {place}" for name, place in points.items()))]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
