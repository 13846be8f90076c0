"""The command line in forked processes: a server has loaded torch, so that a run costs its work.

`python -m tests.campaign.forks` serves: a line of JSON for each run, a line with its end.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LONGEST = 180  # seconds of a run: one that takes longer hangs


def run_forked(
    folder: Path, words: list[str], memory: int | None = None, file_size: int | None = None
) -> tuple[int, str] | None:
    """Run the command line in a process of its own.

    Args:
        folder: in which it runs.
        words: of the command line.
        memory: bytes of addresses that it may take beyond what is loaded; None: no limit.
        file_size: bytes that a file may have; None: no limit.

    Returns:
        The exit status, below 0 a signal's, and the words on standard error; None: it hangs.
    """
    limits = {"memory": memory, "file_size": file_size}
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps({"folder": str(folder), "words": words, **limits}) + "\n")
    server.stdin.flush()
    ended = json.loads(server.stdout.readline())
    return ended and (ended[0], ended[1])


@cache
def _server() -> subprocess.Popen:
    """It ends with this process, which closes its standard input."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.campaign.forks"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, **pipes)


def _serve() -> None:
    import blending.cli.main
    import blending.cli.progress
    import blending.pictures.read
    import blending.pictures.write
    import blending.pipeline  # noqa: F401 - and torch, before the first fork

    for line in sys.stdin:
        print(json.dumps(_forked(json.loads(line))), flush=True)


def _forked(request: dict) -> tuple[int, str] | None:
    """Through a pipe, not a file, come the words: a limit of a file's size would end them, too."""
    words, its = os.pipe()
    child = os.fork()
    if child == 0:
        _run_in_child(request, its)
    os.close(its)
    end, told = time.monotonic() + LONGEST, b""
    with os.fdopen(words, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0, end - time.monotonic()))[0]:
            part = pipe.read(2**16)
            if not part:
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told.decode()
            told += part
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _run_in_child(request: dict, errors: int) -> None:
    """Run the command line and end this process without what the server would still do."""
    import resource

    from blending.cli.main import main

    status = 1
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for own, other in enumerate((nowhere, nowhere, errors)):
            os.dup2(other, own)
        os.close(errors)
        os.chdir(request["folder"])
        if request["file_size"] is not None:
            limit = request["file_size"], resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        if request["memory"] is not None:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + request["memory"], resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_AS, limit)
        status = main(request["words"])
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - this process ends, its parent reads the words
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
