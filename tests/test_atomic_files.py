"""Files are replaced in one step, and drafts of dead processes are removed, never those of living ones."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from snsim import atomic_files
from snsim.atomic_files import draft_folder, remove_stale_drafts, write_atomically
from snsim.tensor_file import tensor_file

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and permissions are those of POSIX")


def test_a_file_is_replaced_or_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "report.html"
    write_atomically(place, b"old")
    assert stat.S_IMODE(place.stat().st_mode) == 0o666 & ~_umask()
    place.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(place)
    write_atomically(link, [b"ne", memoryview(b"w")])
    assert link.is_symlink() and place.read_bytes() == b"new" and stat.S_IMODE(place.stat().st_mode) == 0o640

    def full(descriptor: int, content: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_files.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(place, b"newer")
    assert place.read_bytes() == b"new" and sorted(p.name for p in tmp_path.iterdir()) == ["link", "report.html"]


def test_a_pipe_is_written_to_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"content")
    reader.join()
    assert found == [b"content"] and stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("place", ["", "missing/file", "loop"])
def test_what_cannot_be_written(place: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError):  # noqa: PT011
        write_atomically(tmp_path / place, b"content")
    assert [p.name for p in tmp_path.iterdir()] == ["loop"]


LIVING = """
import sys
from pathlib import Path
from snsim.atomic_files import draft_folder
with draft_folder(Path(sys.argv[1])) as draft:
    print(draft, flush=True)
    sys.stdin.read()
"""


def test_only_drafts_of_dead_processes_are_removed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    living, dead = (
        subprocess.Popen(
            [sys.executable, "-c", LIVING, str(tmp_path)],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    )
    assert living.stdout is not None and dead.stdout is not None
    drafts = [Path(process.stdout.readline().strip()) for process in (living, dead)]  # type: ignore[union-attr]
    (drafts[1] / "source").mkdir()
    (drafts[1] / "source" / "x.sn").write_text("")
    remove_stale_drafts(tmp_path)
    assert all(draft.is_dir() for draft in drafts)
    dead.kill()
    dead.communicate()
    (tmp_path / ".snsim-new-0123456789ab").write_text("left by a process that was killed")
    (tmp_path / "elsewhere").mkdir()
    others = [tmp_path / ".new-link", tmp_path / ".new-file", tmp_path / "elsewhere"]
    others[0].symlink_to(others[2])
    others[1].write_text("not a draft: those are folders")
    with draft_folder(tmp_path) as own:
        assert sorted(tmp_path.iterdir()) == sorted([drafts[0], own, *others])
        own.rename(tmp_path / "own")
    living.communicate("")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "own"])


MANY = """
import os
import sys
from pathlib import Path
from snsim.atomic_files import draft_folder, write_atomically
folder, own = Path(sys.argv[1]), sys.argv[2]
for number in range(40):
    with draft_folder(folder) as draft:  # which removes stale ones first
        (draft / "file").write_text("")
        os.rename(draft, folder / f"{own}-{number}")
    write_atomically(folder / "same", own.encode() * 1000)
"""


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    writers = [subprocess.Popen([sys.executable, "-c", MANY, str(tmp_path), str(k)], env=environment) for k in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert {p.name for p in tmp_path.iterdir()} == {"same", *(f"{k}-{n}" for k in range(4) for n in range(40))}
    assert len(set(content := (tmp_path / "same").read_text())) == 1 and len(content) == 1000


def test_a_tensor_file_is_that_of_safetensors() -> None:
    draw = np.random.default_rng(0)
    tensors = {
        "w": draw.normal(size=(2, 3)).astype("f4"),
        "v": draw.normal(size=3),
        "n": np.array(5),
        '\u00e9"': np.ones(2, bool),
        "empty": np.zeros((0, 3), "f4"),
        "turned": draw.normal(size=(3, 4)).T,
    }
    for metadata in (None, {"snsim": json.dumps({"pass": 1, "text": "\u00e9"})}):
        expected = save({name: np.asarray(value, order="C") for name, value in tensors.items()}, metadata)
        assert b"".join(tensor_file(tensors, metadata)) == expected


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
