"""Files by path or, with the extra, by address: s3, gs and what else pyarrow knows."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NO_URIS = 'an address must come with the extra: pip install ".[cluster]"'
CHUNK = 2**20


def is_uri(path: str | Path) -> bool:
    """Whether a name is an address (s3://…), not a path.

    Args:
        path: as it was given.

    Returns:
        True where it begins with a scheme of two letters or more and two slashes.
    """
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", str(path)))


@contextmanager
def local_copy(path: str | Path) -> Iterator[Path]:
    """A file on this machine: itself, or for the block a copy of what lies at an address.

    Args:
        path: a path or an address.

    Yields:
        A path with the same suffix.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: an address without the extra, or of an unknown scheme.
        OSError: it cannot be read.
    """
    if not is_uri(path):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="blending-") as folder:
        copy = Path(folder) / ("copy" + Path(str(path)).suffix)
        fetch(path, copy)
        yield copy


def fetch(path: str | Path, to: Path) -> None:
    """Copy what lies at an address into a file.

    Args:
        path: an address.
        to: the file to write.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: the extra is not installed, or an unknown scheme.
        OSError: it cannot be read.
    """
    system, name = _filesystem(path)
    try:
        with system.open_input_stream(name) as there, to.open("wb") as here:
            shutil.copyfileobj(there, here, CHUNK)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"file not found: {path}") from error


def exists(path: str | Path) -> bool:
    """Whether a file lies at a path or address.

    Args:
        path: a path or an address.

    Returns:
        True where a file, or anything else, has that name.

    Raises:
        ValueError: an address without the extra, or of an unknown scheme.
        OSError: it cannot be found out.
    """
    if not is_uri(path):
        return Path(path).exists()
    system, name = _filesystem(path)
    return bool(system.get_file_info(name).type)


def state(path: str | Path) -> tuple:
    """What tells one file from the next at its path or address, without reading it.

    Args:
        path: a path or an address.

    Returns:
        Its size, when it was written and, of a path, which file it is.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: an address without the extra, or of an unknown scheme.
        OSError: it cannot be found out.
    """
    if not is_uri(path):
        found = Path(path).stat()
        return found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino
    system, name = _filesystem(path)
    there = system.get_file_info(name)
    if not there.is_file:
        raise FileNotFoundError(f"file not found: {path}")
    return there.size, there.mtime_ns


def upload(file: Path, path: str | Path) -> None:
    """Put a file at an address: whole, or not at all.

    Args:
        file: on this machine.
        path: an address, or a path whose folder is there.

    Raises:
        ValueError: the extra is not installed, or an unknown scheme.
        OSError: it cannot be written.
    """
    system, name = _filesystem(path)
    content = file.read_bytes()  # before anything is begun: what is closed half-way would be kept
    with system.open_output_stream(name) as there:
        there.write(content)


def digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits.

    Args:
        path: of a file on this machine.

    Returns:
        64 digits.

    Raises:
        FileNotFoundError: no file is there.
        OSError: it cannot be read.
    """
    if not Path(path).is_file():  # nothing, a folder, or a pipe that would never end
        raise FileNotFoundError(f"file not found: {path}")
    found = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def join(folder: str | Path, name: str) -> str:
    """A name below a folder that is a path or an address.

    Args:
        folder: a path or an address.
        name: with slashes; relative.

    Returns:
        A path or an address.
    """
    if is_uri(folder):
        return f"{str(folder).rstrip('/')}/{name}"
    return str(Path(folder) / name)


def _filesystem(path: str | Path) -> tuple[Any, str]:
    """The file system by pyarrow, and the file's name there.

    Names go as they are: what stands after a bucket would have to be quoted in an address of
    pyarrow, and after a question mark be taken for options.
    """
    try:
        from pyarrow.fs import FileSystem
    except ImportError as error:
        raise ValueError(f"{NO_URIS}; got {path}") from error
    scheme, _, rest = str(path).partition("://")
    host, _, name = rest.partition("/")
    if not name or "?" in host:
        raise ValueError(f"an address must be SCHEME://BUCKET/NAME, got {path}")
    try:
        system, base = FileSystem.from_uri(f"{scheme}://{host or '/'}")
    except ValueError as error:  # pyarrow's own ArrowInvalid
        raise ValueError(
            f"an address must be of a scheme that pyarrow knows, got {path}: {error}"
        ) from error
    return system, f"{base.rstrip('/')}/{name}"
