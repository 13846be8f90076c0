"""Files written whole or not at all, and never in the place of something that is no file."""

import errno
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# Seconds after which a new name is asked for again: Windows gives none to a file, and none that a
# file has, while a virus scanner or a viewer has it open; scanners are done within a moment.
PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
MOST_SLOTS = 64  # parts of other writers in a folder that are looked at before a name is drawn
KINDS = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_output(path: str | Path, *, overwrite: bool) -> None:
    """Raise before the work begins if a file could not be written there afterwards.

    Args:
        path: of the file; a link to a file means that file.
        overwrite: whether a file that is there may be replaced.

    Raises:
        FileExistsError: a file is there and `overwrite` is False; or something that is no file (a
            device, a pipe, a socket, a link to nothing or to itself), which is never replaced.
        NotADirectoryError: the folder is not there.
        IsADirectoryError: `path` is a folder.
        PermissionError: the folder is not writable.
    """
    path = Path(path)
    kind = _kind(path)
    if kind == "a folder":
        raise IsADirectoryError(f"{path} must be a file to write, got a folder")
    if kind not in ("", "a file"):
        raise FileExistsError(f"{path} must be a file or nothing, got {kind}; it is not replaced")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise NotADirectoryError(f"{path} must lie in an existing folder, found none")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{path} must lie in a writable folder")
    if kind and not overwrite:
        raise FileExistsError(f"{path} exists; it is overwritten only with --overwrite")


def _kind(path: Path) -> str:
    """What is there, links followed, in words; "": nothing."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if not path.is_symlink():
            return ""
        is_dangling = isinstance(error, FileNotFoundError | NotADirectoryError)
        return "a link to nothing" if is_dangling else "a link that leads nowhere"
    return next((words for is_kind, words in KINDS if is_kind(mode)), "something else")


@contextmanager
def whole_file(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """A temporary file beside `path` that takes its place when the block ends well.

    Writers do not meet, be they threads, processes or containers: each holds the lock of its part.
    A part without a holder is what a killed run has left; the next writer takes it over.

    Args:
        path: of the file; a link to a file means that file.
        overwrite: replace a file that is there. Otherwise one that comes while the block runs stays
            as it is.

    Yields:
        The temporary file, empty, open for writing.

    Raises:
        OSError: as `check_output`, before the block or after it; the disk is full.
        FileExistsError: a file of that name came meanwhile.
        PermissionError: Windows refuses the name for good, another program has the file open.
    """
    check_output(path, overwrite=overwrite)
    final = Path(os.path.realpath(path))
    part, file = _open_part(final.parent)
    try:
        with file:
            try:
                yield file
                file.flush()
                _sync(file)
                if fcntl:
                    _publish(part, final, overwrite, path)
            except BaseException as error:
                if isinstance(error, OSError) and error.errno and not error.filename:
                    error.filename = str(path)  # the system tells a full disk without it
                if fcntl:  # while it is still locked: afterwards it may be another's
                    part.unlink(missing_ok=True)
                raise
        if not fcntl:  # Windows neither renames nor deletes an open file
            _publish(part, final, overwrite, path)
    finally:
        if not fcntl:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _sync(file: BinaryIO) -> None:
    """See that the content is on the disk, or a power cut may leave an empty file of its name."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise  # full, broken; the others are file systems without it


def _publish(part: Path, final: Path, overwrite: bool, told: Path) -> None:
    """Give a part its final name, in a step that no other writer can come between.

    Raises:
        FileExistsError: another writer has been there; says so of the name that the user knows.
    """
    try:
        _take_name(part, final, overwrite)
    except FileExistsError as error:
        raise FileExistsError(
            f"{told} exists; it is overwritten only with --overwrite: it came meanwhile"
        ) from error


def _take_name(part: Path, final: Path, overwrite: bool) -> None:
    check_output(final, overwrite=overwrite)  # for its words; what follows decides
    if overwrite:
        _rename(os.replace, part, final)
    elif os.name == "nt":
        _rename(os.rename, part, final)  # replaces nothing, there
    else:
        try:
            os.link(part, final)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            _publish_without_links(part, final)
        else:
            part.unlink()


def clear_parts(folder: Path) -> None:
    """Delete the parts that killed writers have left in a folder; those of living ones stay.

    Args:
        folder: there or not.
    """
    if fcntl:
        parts = [folder / f".blending-{slot}.part" for slot in range(MOST_SLOTS)]
    else:
        parts = list(folder.glob(".blending-*.part"))
    for part in parts:
        with suppress(OSError):  # not there, of another user; Windows deletes no open file
            if not fcntl:
                part.unlink()
            elif (file := _taken_over(part)) is not None:
                with file:
                    part.unlink()


def _rename(step: Callable[[Path, Path], None], part: Path, final: Path) -> None:
    """Do a step that Windows may refuse for a moment.

    Raises:
        PermissionError: it is refused for good.
    """
    for pause in () if fcntl else PAUSES:
        with suppress(PermissionError):
            return step(part, final)
        time.sleep(pause)
    try:
        return step(part, final)
    except PermissionError as error:
        words = f"{final} must be free to be written, is it open in another program? got: {error}"
        raise PermissionError(words) from error


def _publish_without_links(part: Path, final: Path) -> None:
    """Take the name first, with an empty file, which does not stay if the part cannot follow."""
    taken = os.open(final, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    try:
        os.close(taken)
        os.replace(part, final)
    except BaseException:
        if not final.stat().st_size:
            final.unlink()
        raise


def _open_part(folder: Path) -> tuple[Path, BinaryIO]:
    """A part that is this writer's alone, empty; not by mkstemp: it keeps the user's permissions.

    Its name is one of a few, so that what killed runs leave is found without reading the folder,
    which may hold a million pictures.
    """
    for slot in range(MOST_SLOTS if fcntl else 0):
        part = folder / f".blending-{slot}.part"
        with suppress(OSError):  # of another writer or user, gone meanwhile, or no locks here
            file = _taken_over(part) if os.path.lexists(part) else _created(part)
            if file is not None:
                return part, file
    part = folder / f".blending-{secrets.token_hex(8)}.part"
    return part, part.open("xb")


def _created(part: Path) -> BinaryIO | None:
    """A new part, locked; None where another writer locked it first.

    Raises:
        OSError: it cannot be created, or this file system has no locks.
    """
    file = part.open("x+b")
    try:
        if _is_locked(part, file):
            return file
    except BaseException:
        part.unlink(missing_ok=True)
        file.close()
        raise
    file.close()
    return None


def _taken_over(part: Path) -> BinaryIO | None:
    """What a killed run has left, locked and emptied; None where its writer lives.

    Raises:
        OSError: it cannot be opened, or this file system has no locks.
    """
    file = os.fdopen(os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK), "r+b")
    try:
        if _is_locked(part, file):
            if os.fstat(file.fileno()).st_nlink == 1:
                file.truncate()
                return file
            part.unlink()  # a finished picture, whose writer was killed before its part went
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def _is_locked(part: Path, file: BinaryIO) -> bool:
    """Lock a part; False where another has it, or it has become another's or a picture by now."""
    assert fcntl
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        own, there = os.fstat(file.fileno()), part.lstat()
    except (BlockingIOError, FileNotFoundError):
        return False
    is_own = (own.st_ino, own.st_dev) == (there.st_ino, there.st_dev)
    return is_own and stat.S_ISREG(own.st_mode)
