"""Whole files: what is refused, who comes first, and what killed runs leave."""

import errno
import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from blending.pictures import atomic
from blending.pictures.atomic import check_output, clear_parts, whole_file

ROOT = Path(__file__).parents[3]
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="pipes, links and locks of POSIX")

# A writer that says when its part is there, and waits. No torch is imported for this.
WAITING = """
import sys, time
from pathlib import Path
from blending.pictures.atomic import whole_file
with whole_file(Path(sys.argv[1]), overwrite=False) as file:
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    time.sleep(60)
"""
# Many writers at once: each round all try the same name, and one of their own.
ROUNDS = """
import sys
from pathlib import Path
from threading import Barrier, Thread
from blending.pictures.atomic import whole_file
folder, who, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
won, lost, barrier = [], [], Barrier(8)
def work(thread):
    for number in range(rounds):
        barrier.wait()
        own = f"{who} {thread} {number}".encode() * 50
        with whole_file(folder / f"own {who} {thread} {number}", overwrite=False) as file:
            file.write(own)
        try:
            with whole_file(folder / f"shared {number}", overwrite=False) as file:
                file.write(own)
            won.append(number)
        except FileExistsError:
            lost.append(number)
threads = [Thread(target=work, args=(n,)) for n in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(won), len(lost))
"""


def write(path, content=b"new", overwrite=False):
    with whole_file(path, overwrite=overwrite) as file:
        file.write(content)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def started(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_file_is_written_and_nothing_else_is_left(tmp_path):
    write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_file_that_is_there_is_replaced_only_if_asked(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(FileExistsError, match="exists; it is overwritten only with --overwrite"):
        write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
    write(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_block_that_fails_leaves_the_old_file_and_no_part(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    for error in (OSError("no space left"), KeyboardInterrupt(), ValueError("no such format")):
        with pytest.raises(type(error)), whole_file(tmp_path / "a", overwrite=True) as file:
            file.write(b"half")
            raise error
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("came", ["file", "folder", "link"])
def test_what_comes_meanwhile_stays_as_it_is(tmp_path, came):
    path = tmp_path / "a"
    with pytest.raises(OSError, match="a"), whole_file(path, overwrite=came != "file") as file:
        file.write(b"late")
        if came == "file":
            path.write_bytes(b"first")
        elif came == "folder":
            path.mkdir()
        else:
            path.symlink_to("nowhere")
    assert names(tmp_path) == ["a"]
    assert {"file": path.is_file(), "folder": path.is_dir(), "link": path.is_symlink()}[came]


def test_one_that_comes_after_the_last_look_is_not_overwritten_either(tmp_path, monkeypatch):
    """Between the check and the step that publishes."""
    looks = []

    def look(path, *, overwrite):
        check_output(path, overwrite=overwrite)
        looks.append(path)
        if len(looks) == 2:
            Path(path).write_bytes(b"first")

    monkeypatch.setattr(atomic, "check_output", look)
    with pytest.raises(FileExistsError):
        write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert names(tmp_path) == ["a"]


@ON_POSIX
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "dangling link", "looping link"])
def test_what_is_no_file_is_refused_and_stays(tmp_path, kind, monkeypatch):
    path = tmp_path / "a"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(tmp_path)  # a socket's name is 108 bytes at most
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("a")
    elif kind == "device":
        path = Path(os.devnull)
    else:
        path.symlink_to("none" if kind == "dangling link" else "a")
    before = path.lstat()
    for overwrite in (False, True):
        for attempt in (check_output, write):
            with pytest.raises(
                FileExistsError, match=r"must be a file or nothing, got a .*not rep"
            ):
                attempt(path, overwrite=overwrite)
    after = path.lstat()
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert not stat.S_ISREG(after.st_mode)


@ON_POSIX
def test_a_link_to_a_file_means_that_file(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "b", tmp_path / "a"
    target.write_bytes(b"old")
    link.symlink_to("folder/b")
    with pytest.raises(FileExistsError, match="--overwrite"):
        write(link)
    write(link, overwrite=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path / "folder") == ["b"]


@ON_POSIX
def test_a_file_system_without_hard_links_or_locks_will_do(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", unsupported)
    write(tmp_path / "a")
    monkeypatch.setattr(atomic.fcntl, "flock", unsupported)
    write(tmp_path / "b")
    (tmp_path / ".blending-0.part").write_bytes(b"left")  # whose, cannot be told there
    write(tmp_path / "c")
    assert names(tmp_path) == [".blending-0.part", "a", "b", "c"]
    with pytest.raises(FileExistsError):
        write(tmp_path / "c", b"newer")
    assert (tmp_path / "c").read_bytes() == b"new"


@ON_POSIX
@pytest.mark.parametrize("name", ["close", "replace"])
def test_without_hard_links_a_name_that_was_taken_does_not_stay_empty(tmp_path, monkeypatch, name):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    def failing(*words):
        if name == "close":
            real(*words)
        raise OSError(5, "Input/output error")

    real = getattr(os, name)
    monkeypatch.setattr(os, "link", unsupported)
    monkeypatch.setattr(os, name, failing)
    with pytest.raises(OSError, match="Input/output error"):
        write(tmp_path / "a")
    monkeypatch.undo()
    assert names(tmp_path) == []
    write(tmp_path / "a")


@ON_POSIX
@pytest.mark.parametrize("left", [False, True])
def test_an_interrupt_while_a_part_is_locked_leaves_no_new_one(tmp_path, monkeypatch, left):
    def interrupted(*_):
        raise KeyboardInterrupt

    part = tmp_path / ".blending-0.part"
    if left:
        part.write_bytes(b"left")
    monkeypatch.setattr(atomic.fcntl, "flock", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a")
    assert names(tmp_path) == [part.name] * left


def test_a_full_disk_is_told_with_the_file_s_name(tmp_path):
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*picture'"),
        whole_file(tmp_path / "picture", overwrite=False),
    ):
        raise OSError(28, "No space left on device")


def test_without_locks_as_on_windows_writers_still_do_not_meet(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "fcntl", None)
    with whole_file(tmp_path / "a", overwrite=False) as file:
        file.write(b"one")
        write(tmp_path / "b", b"two")
    with pytest.raises(ValueError, match="stop"), whole_file(tmp_path / "c", overwrite=False):
        raise ValueError("stop")
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_bytes() == b"one"


@pytest.mark.parametrize("refusals", [1, 3, None])
def test_a_name_that_windows_refuses_is_asked_for_again_for_a_moment(
    tmp_path, monkeypatch, refusals
):
    """Once, as long as a virus scanner reads it, or for good: then the old file stays whole."""
    replace, pauses = os.replace, []

    def refusing(part, final):
        if refusals is None or len(pauses) < refusals:
            raise PermissionError(13, "Access is denied", str(part), 5, str(final))
        replace(part, final)

    monkeypatch.setattr(atomic, "fcntl", None)
    monkeypatch.setattr(atomic.time, "sleep", pauses.append)
    monkeypatch.setattr(os, "replace", refusing)
    (tmp_path / "a").write_bytes(b"old")
    if refusals is None:
        with pytest.raises(PermissionError, match=r"a must be free .* open in another program\?"):
            write(tmp_path / "a", overwrite=True)
    else:
        write(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a").read_bytes() == (b"old" if refusals is None else b"new")
    assert names(tmp_path) == ["a"]
    assert len(pauses) == (refusals or len(atomic.PAUSES))
    assert sum(pauses) < 2


def test_of_many_threads_that_want_one_name_one_gets_it(tmp_path):
    barrier = threading.Barrier(8)

    def work(number):
        for turn in range(25):
            barrier.wait()
            try:
                write(tmp_path / f"{turn}", f"{number}".encode() * 100)
            except FileExistsError:
                continue
            yield_to[turn].append(number)

    yield_to = [[] for _ in range(25)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert names(tmp_path) == sorted(map(str, range(25)))
    for turn, winners in enumerate(yield_to):
        assert len(winners) == 1
        assert (tmp_path / f"{turn}").read_bytes() == f"{winners[0]}".encode() * 100


def test_processes_with_many_threads_lose_and_overwrite_nothing(tmp_path):
    writers = [started(ROUNDS, tmp_path, who, 20) for who in "ab"]
    won, lost = zip(*(map(int, w.communicate(timeout=60)[0].split()) for w in writers), strict=True)
    assert sum(won) == 20
    assert sum(lost) == 2 * 8 * 20 - 20
    assert len(names(tmp_path)) == 20 + 2 * 8 * 20  # no leftovers among them
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert content == content[: len(content) // 50] * 50
        if path.name.startswith("own"):
            assert path.name == f"own {content[: len(content) // 50].decode()}"


@ON_POSIX
def test_a_killed_writer_s_part_is_taken_over_and_a_living_one_s_is_not(tmp_path):
    writer = started(WAITING, tmp_path / "a")
    assert writer.stdout.readline() == "begun\n"
    (part,) = names(tmp_path)
    write(tmp_path / "b")  # beside it
    assert names(tmp_path) == [part, "b"]
    assert (tmp_path / part).read_bytes() == b"half"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert names(tmp_path) == [part, "b"]
    write(tmp_path / "a", b"again")
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_bytes() == b"again"


@ON_POSIX
def test_parts_of_killed_writers_are_cleared_and_those_of_living_ones_are_not(tmp_path):
    writers = [started(WAITING, tmp_path / name) for name in "ab"]
    assert [writer.stdout.readline() for writer in writers] == ["begun\n"] * 2
    assert len(names(tmp_path)) == 2
    writers[0].send_signal(signal.SIGKILL)
    writers[0].communicate()
    (tmp_path / ".blending-other.png").write_bytes(b"the user's")
    clear_parts(tmp_path)
    assert len(names(tmp_path)) == 2
    writers[1].send_signal(signal.SIGKILL)
    writers[1].communicate()
    os.link(tmp_path / ".blending-other.png", tmp_path / ".blending-5.part")  # published, then cut
    clear_parts(tmp_path)
    assert names(tmp_path) == [".blending-other.png"]
    assert (tmp_path / ".blending-other.png").read_bytes() == b"the user's"
    clear_parts(tmp_path / "missing")


@ON_POSIX
def test_a_picture_whose_writer_was_killed_before_its_part_went_is_not_emptied(tmp_path):
    (tmp_path / "a").write_bytes(b"finished")
    os.link(tmp_path / "a", tmp_path / ".blending-0.part")
    write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == b"finished"
    assert names(tmp_path) == ["a", "b"]


@ON_POSIX
def test_kills_at_random_moments_leave_whole_files_and_nothing_that_stays(tmp_path):
    seeds, loop = random.Random(5), ROUNDS.replace("Barrier(8)", "Barrier(1)").replace("8)", "1)")
    for turn in range(6):
        writer = started(loop, tmp_path, f"w{turn}", 100_000)
        while not names(tmp_path):
            time.sleep(0.01)
        time.sleep(seeds.uniform(0.01, 0.1))
        writer.kill()
        writer.communicate()
    write(tmp_path / "last")
    write(tmp_path / "very last")
    found = list(tmp_path.iterdir())
    assert not [path for path in found if path.suffix == ".part"]
    for path in found:
        if not path.name.endswith("last"):
            content = path.read_bytes()
            assert content and content == content[: len(content) // 50] * 50


@ON_POSIX
def test_the_file_has_the_user_s_permissions(tmp_path):
    mask = os.umask(0o027)
    try:
        write(tmp_path / "a")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(NotADirectoryError, match="must lie in an existing folder"):
        check_output(tmp_path / "b" / "a.png", overwrite=True)


def test_a_folder_without_write_permission_is_refused(tmp_path, monkeypatch):
    real = os.access  # root may write anywhere: say what another user would be told
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    with pytest.raises(PermissionError, match="must lie in a writable folder"):
        check_output(tmp_path / "a.png", overwrite=False)


def test_a_free_place_is_accepted_and_nothing_is_written(tmp_path):
    check_output(tmp_path / "a.png", overwrite=False)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "is_told"),
    [(errno.EINVAL, False), (errno.ENOSYS, False), (errno.ENOSPC, True), (errno.EIO, True)],
)
def test_what_the_disk_says_when_it_is_asked_to_keep_a_file(tmp_path, monkeypatch, code, is_told):
    def fsync(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    if is_told:
        with pytest.raises(OSError, match=re.escape(os.strerror(code))):
            write(tmp_path / "a")
        assert names(tmp_path) == []
    else:
        write(tmp_path / "a")
        assert names(tmp_path) == ["a"]
