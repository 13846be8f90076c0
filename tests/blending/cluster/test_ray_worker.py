"""A worker of a Ray cluster and its feed, without a cluster."""

import asyncio
import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

pytestmark = pytest.mark.cluster
with warnings.catch_warnings():  # Ray's own
    warnings.simplefilter("ignore")
    pytest.importorskip("ray", reason='RAY IS NOT TESTED HERE: pip install -e ".[cluster-test]"')
    from blending.cluster import ray_worker
    from blending.cluster.ray_worker import PAGES_AHEAD, Blender, Feed, Page, stamp


def page(*lines):
    return [(SimpleNamespace(line=line), None) for line in lines]


def test_a_ticket_that_is_repeated_gets_its_page_again_until_it_is_done():
    async def play():
        feed = Feed()
        early = asyncio.create_task(feed.take(7))  # its worker will be lost while it waits
        again = asyncio.create_task(feed.take(7))
        await asyncio.sleep(0)
        await feed.add(first := page(1, 2))
        await feed.add(second := page(3))
        assert await early == Page(first)
        assert await again == Page(first, is_again=True)
        await feed.done(7)
        assert (await feed.take(7)).rows == []
        assert await feed.take(0) == Page(second)
        await feed.add([])
        assert [await feed.take(ticket) for ticket in (1, 2)] == [Page(), Page()]

    asyncio.run(play())


def test_a_row_at_which_workers_end_is_given_up_and_not_those_beside_it():
    async def play():
        feed = Feed()
        await feed.add(page(1, 2, 3))
        lost = []
        for at in ((), (1, 2), (1, 2), (1, 3)):
            lost.append((await feed.take(0)).lost)
            for line in at:
                await feed.begin(0, line)
        lost.append((await feed.take(0)).lost)
        assert lost == [frozenset()] * 3 + [{2}] * 2

    asyncio.run(play())


def test_the_feed_reads_no_further_ahead_than_it_says():
    async def play():
        feed = Feed()
        for line in range(PAGES_AHEAD):
            await feed.add(page(line))
        more = asyncio.create_task(feed.add(page(PAGES_AHEAD)))
        await asyncio.sleep(0)
        assert not more.done()
        await feed.take(0)
        await asyncio.wait_for(more, 5)

    asyncio.run(play())


class FeedHere:
    """A feed of one page in this process, with Ray's manner of calling it."""

    def __init__(self, one):
        self.begun = []
        self.take = SimpleNamespace(remote=lambda ticket: one)
        self.begin = SimpleNamespace(remote=lambda ticket, line: self.begun.append(line))


@pytest.fixture
def blended(jobs, row, monkeypatch):
    """blended(**page): the records that a worker yields of three rows, and the rows it begins."""
    monkeypatch.setattr(ray_worker.ray, "get", lambda reference: reference)

    def work(**how):
        feed = FeedHere(Page([(job, None) for job in jobs([row(n) for n in range(3)])], **how))
        made = list(Blender(feed, 1, stamp())({"ticket": np.array([5])}))
        assert {(one["ticket"][0], one["rows"][0]) for one in made} == {(5, 3)}
        return [json.loads(one["record"][0]) for one in made], feed.begun

    return work


def test_a_worker_yields_its_rows_in_the_page_s_order(blended, pictures):
    records, begun = blended()
    assert [(one["line"], one["status"]) for one in records] == [(n, "done") for n in (1, 2, 3)]
    assert begun == []
    assert all((pictures / "out" / one["out"]).is_file() for one in records)


def test_after_a_loss_rows_are_announced_and_the_one_that_ends_workers_fails(blended, pictures):
    records, begun = blended(is_again=True, lost=frozenset([2]))
    assert [one["status"] for one in records] == ["done", "failed", "done"]
    assert begun == [1, 3]
    assert "its worker ended 2 times at it" in records[1]["error"]
    assert not (pictures / "out" / "1.png").exists()


def test_a_worker_with_other_code_takes_no_page_and_says_why():
    ((made,),) = zip(Blender(None, 1, "other")({"ticket": np.array([5])}), strict=True)
    assert made["ticket"] == [-1]
    assert made["record"][0].startswith("every node must have this machine's versions of blending")
