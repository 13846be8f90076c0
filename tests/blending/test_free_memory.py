"""Control groups, played by folders that are laid out as Linux has them."""

import math
import os
import sys
from pathlib import Path

import pytest

from blending import free_memory
from blending.free_memory import cgroup_free_memory, check_addresses, free_main_memory

MEGABYTE = 2**20
UNLIMITED_V1 = 9223372036854771712  # what version 1 says for none: the largest page count


def write_v2(group, limit, usage=0, cached=0):
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text(f"{usage}\n")
    (group / "memory.stat").write_text(f"anon 17\ninactive_file {cached}\nactive_file 99\n")


def write_v1(group, limit, usage=0, cached=0):
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (group / "memory.usage_in_bytes").write_text(f"{usage}\n")
    (group / "memory.stat").write_text(f"cache 5\ntotal_inactive_file {cached}\n")


@pytest.fixture
def free(tmp_path):
    """free(lines): what is left for a process whose /proc/self/cgroup has these lines."""

    def asked(*lines):
        groups = tmp_path / "cgroup"
        groups.write_text("".join(f"{line}\n" for line in lines))
        return cgroup_free_memory(groups, tmp_path / "mount")

    asked.mount = tmp_path / "mount"
    return asked


def test_version_2_leaves_the_limit_less_the_usage(free):
    write_v2(free.mount / "pod", 512 * MEGABYTE, 200 * MEGABYTE)
    assert free("0::/pod") == 312 * MEGABYTE


def test_version_1_leaves_the_limit_less_the_usage(free):
    write_v1(free.mount / "memory" / "docker" / "abc", 512 * MEGABYTE, 200 * MEGABYTE)
    lines = ("5:cpu,cpuacct:/docker/abc", "4:memory:/docker/abc", "1:name=systemd:/elsewhere")
    assert free(*lines) == 312 * MEGABYTE


@pytest.mark.parametrize(
    ("line", "write", "at"), [("0::/", write_v2, ""), ("9:memory:/", write_v1, "memory")]
)
def test_cached_files_count_as_free(free, line, write, at):
    write(free.mount / at, 100 * MEGABYTE, 90 * MEGABYTE, 60 * MEGABYTE)
    assert free(line) == 70 * MEGABYTE


def test_the_tightest_group_above_counts(free):
    write_v2(free.mount / "a" / "b" / "c", "max", 5)
    write_v2(free.mount / "a" / "b", 400 * MEGABYTE, 100 * MEGABYTE)
    write_v2(free.mount / "a", 500 * MEGABYTE, 450 * MEGABYTE)
    write_v2(free.mount, "max", 0)
    assert free("0::/a/b/c") == 50 * MEGABYTE


def test_a_path_of_the_host_that_the_container_does_not_see_falls_back_to_its_mount(free):
    write_v1(free.mount / "memory", 64 * MEGABYTE, 4 * MEGABYTE)
    assert free("4:memory:/docker/0123456789abcdef") == 60 * MEGABYTE
    assert free("0::/../../system.slice") == math.inf  # version 2 has no files here


def test_a_group_that_is_full_leaves_nothing_not_less(free):
    write_v2(free.mount, 10 * MEGABYTE, 12 * MEGABYTE)
    assert free("0::/") == 0


def test_both_versions_side_by_side_count_the_smaller(free):
    write_v1(free.mount / "memory" / "x", UNLIMITED_V1, 5)
    write_v2(free.mount / "x", 30 * MEGABYTE, 10 * MEGABYTE)
    assert free("4:memory:/x", "0::/x") == 20 * MEGABYTE


def test_no_limit_is_infinite(free, tmp_path):
    assert free("0::/") == math.inf
    write_v2(free.mount, "max", 77)
    assert free("0::/") == math.inf
    assert cgroup_free_memory(tmp_path / "none", free.mount) == math.inf  # no Linux
    write_v1(free.mount / "memory", UNLIMITED_V1, 77)
    assert free("3:memory:/") > 2**60


def test_files_that_say_nonsense_are_no_limit(free):
    write_v2(free.mount, "a lot", "some")
    assert free("0::/", "nonsense", "") == math.inf
    write_v2(free.mount, 40 * MEGABYTE, "some")
    (free.mount / "memory.stat").write_text("inactive_file many\n")
    assert free("0::/") == 40 * MEGABYTE


@pytest.mark.parametrize(
    ("available", "left", "expected"),
    [(1000, math.inf, 1000), (1000, 500.0, 500), (1000, 0.0, 0), (300, 500.0, 300)],
)
def test_the_less_of_what_system_and_container_leave_is_free(
    available, left, expected, monkeypatch
):
    import psutil

    memory = type("Memory", (), {"available": available})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(free_memory, "cgroup_free_memory", lambda: left)
    assert free_main_memory() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's size from /proc")
def test_addresses_are_checked_against_the_process_s_limit():
    import resource  # which Windows lacks

    check_addresses(MEGABYTE)
    child = os.fork()
    if not child:  # a limit that is lowered stays so
        status = 1
        try:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            _, most = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (size + 64 * MEGABYTE, most))
            check_addresses(16 * MEGABYTE)
            try:
                check_addresses(128 * MEGABYTE)
            except MemoryError:
                status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
