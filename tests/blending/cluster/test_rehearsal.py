"""A dry run checks, counts, measures and estimates; it writes nothing."""

import pytest
from PIL import Image

from blending.cluster.rehearsal import rehearse
from blending.cluster.run import BatchSettings, WrongManifestError

pytestmark = pytest.mark.usefixtures("quick_workers")
ONE = BatchSettings(workers=1)


def test_a_dry_run_tells_counts_sizes_and_time(manifest, row, pictures):
    Image.new("RGB", (1500, 1000)).save(pictures / "other.png")
    path = manifest([row(n) for n in range(5)] + [row(5, preset="photograph")])
    text = rehearse(path, pictures / "out", ONE)
    lines = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert lines["rows"] == "6"
    assert lines["presets"] == "seam repair 5, photograph 1"
    assert lines["targets"] == "0.00 to 1.50 megapixels, median 0.00"
    assert lines["time"].startswith("about ")
    assert lines["time"].endswith("s a row, by the first 3; no row counted as done")
    assert not (pictures / "out").exists()


def test_rows_that_cannot_be_blended_give_no_time(manifest, row, pictures):
    (pictures / "mask.png").write_bytes(b"no")
    text = rehearse(manifest([row(0)]), pictures / "out", ONE)
    assert "time     unknown: none of the first 1 rows could be blended" in text


def test_wrong_rows_are_told(manifest, row, pictures):
    with pytest.raises(WrongManifestError, match="line 1: scale"):
        rehearse(manifest([row(0, scale="x")]), pictures / "out", ONE)
