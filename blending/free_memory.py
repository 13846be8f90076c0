"""The main memory that is free: what the system has, and what a container's limits leave."""

import math
import mmap
from pathlib import Path

# Of each version: the controller's name in /proc/self/cgroup, its folder below the mount point,
# the files with limit and usage, and the line of memory.stat that can be given back at once.
VERSIONS = (
    ("", "", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_main_memory() -> float:
    """Bytes of main memory that this process may still take, >= 0, other programs as they are."""
    import psutil

    return min(psutil.virtual_memory().available, cgroup_free_memory())


def check_addresses(size: int) -> None:
    """Raise unless this process may have so many more bytes, of which none is touched.

    OpenBLAS, which SciPy loads, asks for its buffers for ever where a limit (`ulimit -v`) leaves
    no room for them, so who needs it asks first.

    Args:
        size: in bytes.

    Raises:
        MemoryError: it may not.
    """
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows has no such limit
        return
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        raise MemoryError(f"{size} bytes are not to be had") from error


def cgroup_free_memory(
    groups: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")
) -> float:
    """Bytes that this process may still take before a control group of its own is full.

    A limit of any group above counts, too. Cached files count as free: the kernel drops them first.

    Args:
        groups: the file that names the process's groups.
        mount: where control groups are mounted.

    Returns:
        Bytes, >= 0; infinity where no group has a limit or this is not Linux.

    Source: the Linux kernel's admin guide, control group v1 (memory) and v2.
    """
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return math.inf
    free = math.inf
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        for name, folder, *files in VERSIONS:
            if name in controllers.split(","):
                free = min(free, _least_free(mount / folder, path, files))
    return free


def _least_free(root: Path, path: str, files: list[str]) -> float:
    """What is free in a group and in those above it; in a container its path may not be visible."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    above = (root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))
    return min(_free(group, *files) for group in above)


def _free(group: Path, limit_file: str, usage_file: str, cached: str) -> float:
    limit, usage = _number(group / limit_file), _number(group / usage_file)
    if not math.isfinite(limit):
        return math.inf
    return max(0.0, limit - (usage if math.isfinite(usage) else 0) + _cached(group, cached))


def _number(file: Path) -> float:
    """The number in a file; infinity for "max" or where there is no such file."""
    try:
        return float(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return math.inf


def _cached(group: Path, name: str) -> float:
    try:
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        return float(dict(line.split() for line in lines if len(line.split()) == 2).get(name, 0))
    except (OSError, ValueError):
        return 0.0
