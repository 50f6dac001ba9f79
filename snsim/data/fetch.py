"""Find the files of data sets: in folders of the user, an installed package, the cache, at public addresses, in order.

Every file is checked by its sha256. If a digest is wrong, a user's file is an error, a file in the cache is downloaded
again, and a download is discarded. The cache never holds a half-written file.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path

from snsim.cache_folder import UnsafeCacheError, cache_folder, private_folder, read_entry
from snsim.data.download import DownloadError, Timeouts, download, host_of
from snsim.data.progress import NoProgress, Progress
from snsim.data_classes import dataclass
from snsim.errors import SnError, fail
from snsim.input_files import PathError, expand_user, is_folder, read_file, shown

Say = Callable[[str], None]

_SLACK = 1 << 20  # bytes by which a compressed file may exceed its content
_UNREACHED_HOSTS = 2  # hosts that cannot be reached, and none that can, mean that there is no network


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Parameters
    ----------
    path : str
        Its place in a data folder: ``"usps/zip.train.gz"``.
    size : int
        Bytes of the uncompressed content.
    sha256 : str
        Digest (hex) of the uncompressed content. A file with another one is refused.
    addresses : tuple of str
        Addresses that have it, best first.
    package : (str, str) or None
        An installed package, and the place in it where the file may be too. The package is not imported.
    """

    path: str
    size: int
    sha256: str
    addresses: tuple[str, ...] = ()
    package: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        return Path(self.path).name


@dataclass(frozen=True)
class Search:
    """Where to look for files, and how long to wait for servers."""

    data_dir: Path | None = None  # the option --data-dir
    recorded: tuple[Path, ...] = ()  # by a run folder; those that are gone are passed over
    environment: Path | None = None  # the variable SNSIM_DATA
    cache: Path = field(default_factory=cache_folder)
    online: bool = True
    timeouts: Timeouts = Timeouts()

    @staticmethod
    def usual(data_dir: str | Path | None = None, online: bool = True, recorded: tuple[Path, ...] = ()) -> Search:
        """Return the search of this user: `data_dir` if stated, `recorded`, SNSIM_DATA, the cache, the network."""
        chosen = os.environ.get("SNSIM_DATA")
        return Search(
            data_dir=None if data_dir is None else _named("--data-dir", data_dir),
            recorded=recorded,
            environment=_named("SNSIM_DATA", chosen) if chosen else None,
            online=online,
        )

    def folders(self) -> Iterator[tuple[str, Path]]:
        """Yield the user's folders and what named them. SnError for one that is not there."""
        recorded = [("recorded by the run", folder) for folder in self.recorded if is_folder(folder)]
        for origin, folder in (("--data-dir", self.data_dir), *recorded, ("SNSIM_DATA", self.environment)):
            if folder is not None:
                if not is_folder(folder):
                    raise fail(
                        f"{origin} is {shown(folder)}, and there is no such folder",
                        hint="give a folder that holds the data files, or leave it out",
                    )
                yield origin, folder


def _named(origin: str, folder: str | Path) -> Path:
    try:
        return expand_user(folder)
    except PathError as reason:
        raise fail(f"{origin} is {shown(folder)}: {reason}", hint="write the path of the folder without ~") from None


class UnavailableError(Exception):
    """A file was not found. The text says why in short, `reasons` for each place that was tried."""

    def __init__(self, file: DataFile, summary: str, reasons: list[str]):
        super().__init__(f"no local copy of {file.name}, and {summary}")
        self.file = file
        self.reasons = tuple(reasons)


class DamagedError(Exception):
    """Content with another size or digest than expected. The text has the numbers."""


class Fetcher:
    """Finds files during one call. Reports each step, and remembers which hosts cannot be reached."""

    def __init__(self, search: Search, say: Say = lambda sentence: None, progress: Progress | None = None):
        self.search = search
        self._say = say
        self._progress = progress or NoProgress()
        self._unreached: set[str] = set()
        self._reached = False
        self._digests: dict[str, str] = {}  # by path of a file that was read: the sha256 of its bytes on the disk

    def read(self, file: DataFile) -> tuple[bytes, Path]:
        """Return the verified content of a file, uncompressed, and where it was found.

        Raises SnError for a damaged file in a user's folder, UnavailableError if there is none.
        """
        for place in self._own_places(file):
            try:
                return self._verified(read_file(place, file.size + _SLACK), file), place
            except (DamagedError, SnError) as damage:
                why = damage.faults[0].message if isinstance(damage, SnError) else str(damage)
                raise fail(
                    f"{place} is not the file of the data set, or is damaged: {why}",
                    hint=_remedy_for_damage(file, place),
                ) from None
        for place in _candidates(self.search.cache, file):
            try:
                content = read_entry(place, file.size + _SLACK)
                if content is not None:
                    return self._verified(content, file), place
            except UnsafeCacheError as reason:
                self._say(str(reason))
                break
            except (DamagedError, OSError) as damage:
                self._say(f"{place} in the cache is damaged, downloading it again: {damage}")
        return self._fetched(file)

    def _verified(self, content: bytes, file: DataFile) -> bytes:
        """Return the uncompressed content of a file, and note the digest of `content`. DamagedError as `_verified`."""
        verified = _verified(content, file)
        self._digests[file.path] = hashlib.sha256(content).hexdigest()
        return verified

    def digests(self, files: Sequence[DataFile]) -> list[str]:
        """Return the sha256 of the bytes on the disk, packed or not, of files that were read."""
        return [self._digests[file.path] for file in files]

    def stored(self, files: Sequence[DataFile]) -> tuple[list[str], list[Path]] | None:
        """Return the sha256 of the bytes on the disk of files, and where they are, without unpacking them.

        None if one must be downloaded, or cannot be read: `read` then says why.
        """
        digests, places = [], []
        for file in files:
            place = self.locate(file)
            if place is None:
                return None
            try:
                if place in self._own_places(file):
                    content: bytes | None = read_file(place, file.size + _SLACK)
                else:
                    content = read_entry(place, file.size + _SLACK)
            except (SnError, UnsafeCacheError, OSError):
                return None
            if content is None:
                return None
            digests.append(hashlib.sha256(content).hexdigest())
            places.append(place)
        return digests, places

    def locate(self, file: DataFile) -> Path | None:
        """Return where the file would be read from, without reading it; None if it must be downloaded."""
        places = [*self._own_places(file), *_candidates(self.search.cache, file)]
        return places[0] if places else None

    def _own_places(self, file: DataFile) -> Iterator[Path]:
        for _, folder in self.search.folders():
            yield from _candidates(folder, file)
        if file.package is not None:
            yield from _in_package(*file.package)

    def _fetched(self, file: DataFile) -> tuple[bytes, Path]:
        searched = [f"not in {folder} ({origin})" for origin, folder in self.search.folders()]
        reasons = [*searched, f"not in the cache {self.search.cache}"]
        if not file.addresses:
            raise UnavailableError(file, "it has no download address", reasons)
        if not self.search.online:
            raise UnavailableError(file, "downloads are off", [*reasons, "downloads are off"])
        for address in file.addresses:
            reason = self._reason_to_skip(address)
            if reason is None:
                self._say(f"downloading {file.name} from {address}")
                try:
                    return self._downloaded(file, address)
                except (DownloadError, DamagedError) as error:
                    reason = str(error)
                    self._say(f"cannot download {address}: {reason}")
                    self._note_reach(address, error)
            reasons.append(f"{address}: {reason}")
        raise UnavailableError(file, f"all {len(file.addresses)} mirrors failed", reasons)

    def _reason_to_skip(self, address: str) -> str | None:
        if host_of(address) in self._unreached:
            return "skipped, its host could not be reached before"
        if not self._reached and len(self._unreached) >= _UNREACHED_HOSTS:
            return "skipped, there is no network"
        return None

    def _note_reach(self, address: str, error: Exception) -> None:
        if not (isinstance(error, DownloadError) and error.absent):
            self._reached = True
            return
        self._unreached.add(host_of(address))
        if not self._reached and len(self._unreached) == _UNREACHED_HOSTS:
            self._say("no network: skipping the other mirrors")

    def _downloaded(self, file: DataFile, address: str) -> tuple[bytes, Path]:
        """Download a file beside its final place, verify it, and only then give it its name.

        Where others can change the cache, the file is not kept.
        """
        try:
            folder = private_folder((self.search.cache / file.path).parent)
        except UnsafeCacheError as reason:
            self._say(str(reason))
            import tempfile

            with tempfile.TemporaryDirectory(prefix="snsim-") as scratch:
                return self._downloaded_to(Path(scratch), file, address)[0], Path(host_of(address)) / file.name
        except OSError as error:
            raise fail(
                f"the cache {self.search.cache} cannot be written: {error.strerror or error}",
                hint="name another folder with the variable SNSIM_CACHE",
            ) from None
        return self._downloaded_to(folder, file, address)

    def _downloaded_to(self, folder: Path, file: DataFile, address: str) -> tuple[bytes, Path]:
        import tempfile

        try:
            handle, name = tempfile.mkstemp(prefix=f"{file.name}~", dir=folder)
            os.close(handle)
        except OSError as error:
            raise fail(
                f"the cache {folder} cannot be written: {error.strerror or error}",
                hint="name another folder with the variable SNSIM_CACHE",
            ) from None
        try:
            download(address, Path(name), file.size + _SLACK, self.search.timeouts, self._progress)
            self._reached = True
            stored = Path(name).read_bytes()
            content = self._verified(stored, file)
            place = folder / _stored_name(file, stored)
            os.replace(name, place)
            return content, place
        except OSError as error:
            raise fail(
                f"{file.name} cannot be kept in {folder}: {error.strerror or error}",
                hint="make room there, or name another folder with the variable SNSIM_CACHE",
            ) from None
        finally:
            Path(name).unlink(missing_ok=True)


def _candidates(folder: Path, file: DataFile) -> list[Path]:
    """Return where the file is in a folder: in its subfolder or directly, compressed or not."""
    plain = file.path.removesuffix(".gz")
    names = [file.path, plain, plain + ".gz"]
    places = [folder / name for name in names] + [folder / Path(name).name for name in names]
    try:
        return [place for place in dict.fromkeys(places) if place.is_file()]
    except OSError as error:
        raise fail(
            f"{folder} cannot be searched for {file.name}: {error.strerror or error}",
            hint="give a folder that can be read",
        ) from None


def _in_package(package: str, inside: str) -> Iterator[Path]:
    """Yield the file of an installed package, without importing the package."""
    from importlib.util import find_spec

    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / inside).is_file():
            yield Path(folder) / inside


def _stored_name(file: DataFile, content: bytes) -> str:
    """Return the name of the file, with `.gz` only if it is packed: a server may have unpacked it on the way."""
    plain = file.name.removesuffix(".gz")
    return plain + ".gz" if content[:2] == b"\x1f\x8b" else plain


def _verified(content: bytes, file: DataFile) -> bytes:
    """Return the uncompressed content of a file. DamagedError if its size or digest differs from that of `file`."""
    expected = f"expected {file.size} bytes with sha256 {file.sha256}"
    if content[:2] == b"\x1f\x8b":
        content = _unpacked(content, file.size, expected)
    if len(content) > file.size:
        raise DamagedError(f"its content has more than {file.size} bytes, {expected}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise DamagedError(f"its content has {len(content)} bytes with sha256 {digest}, {expected}")
    return content


def _unpacked(content: bytes, size: int, expected: str) -> bytes:
    """Return the content of a gzip file, at most one byte more than `size`."""
    decompressor = zlib.decompressobj(wbits=31)
    try:
        unpacked = decompressor.decompress(content, size + 1)
    except zlib.error as error:
        raise DamagedError(f"it is a damaged gzip file ({error}), {expected}") from None
    if not decompressor.eof and len(unpacked) <= size:
        raise DamagedError(f"it ends early, {len(unpacked)} bytes could be unpacked, {expected}")
    return unpacked


def _remedy_for_damage(file: DataFile, place: Path) -> str:
    """Return the remedy for a file of the right name with other content. It may be the user's own work: it stays."""
    source = f"; the file of the set is at {file.addresses[0]}" if file.addresses else ""
    form = '(idx "IMAGES" "LABELS")' if "idx" in file.name else '(csv "FILE")'
    return (
        f"to learn your own data, name your files: (data {form}), or --data PATH; to learn the "
        f"data set, keep your files in another folder than {place.parent}{source}"
    )


def not_found_error(names: list[str], failures: list[UnavailableError], search: Search) -> SnError:
    """Return the error for data sets that were not found: every place tried with its reason, and what to do by hand."""
    lines = [f"{failure.file.name}: {reason}" for failure in failures for reason in failure.reasons]
    first = failures[0].file
    folder = search.data_dir or search.environment or search.cache
    by_hand = f"put {first.name} in {folder / Path(first.path).parent} by hand"
    which = f"data set {names[0]}" if len(names) == 1 else f"data sets {', '.join(names)}"
    hint = f"{by_hand}, or use (data digits), which needs no network"
    return fail(f"{which} not found:\n  " + "\n  ".join(lines), hint=hint)
