"""Which files a run has written when it ends early."""

import os
from pathlib import Path

from blending.cli.outputs import Outputs


def test_a_file_counts_as_written_once_another_has_its_place(tmp_path):
    new, old, kept = (str(tmp_path / name) for name in ("new", "old", "kept"))
    for path in (old, kept):
        (tmp_path / path).write_bytes(b"1234")
    outputs = Outputs([new, old, kept])
    assert outputs.words == "nothing written"
    (tmp_path / "part").write_bytes(b"5678")  # of the same size, in the same moment
    os.utime(tmp_path / "part", ns=(0, os.stat(old).st_mtime_ns))
    os.replace(tmp_path / "part", old)
    assert outputs.words == f"{old} written"
    (tmp_path / "new").touch()
    assert outputs.words == f"{new} and {old} written"
    assert Outputs().words == "nothing written"


def test_a_file_that_is_said_to_be_there_is_another_s(tmp_path):
    names = [str(tmp_path / name) for name in ("out.png", "cut.png")]
    outputs = Outputs(names)
    for name in names:
        Path(name).write_bytes(b"content")
    taken = FileExistsError(f"{names[1]} exists; it is overwritten only with --overwrite")
    assert outputs.beside(taken) == f"; {names[0]} written"
    assert outputs.beside(OSError("the disk is full")) == f"; {names[0]} and {names[1]} written"
    assert Outputs(names).beside(taken) == ""
