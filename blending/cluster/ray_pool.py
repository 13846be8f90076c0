"""Workers on a Ray cluster: an actor pool of Ray Data."""

import json
import logging
import math
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from itertools import islice
from threading import Thread
from typing import Any

import pyarrow
import ray
from ray._private.node import Node
from ray.data import ActorPoolStrategy, DataContext, Dataset, Datasource, ReadTask
from ray.data.block import BlockMetadata
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from .local import workers_here
from .ray_worker import COLUMNS, Blender, Feed, stamp
from .worker import Given, variables

LOCAL = "local"
MOST_A_PAGE = 8  # rows that a worker does with one call: fewer where there are few
PAGES_A_WORKER = 5
TICKETS_A_READ = 1000
STORE = 2**27  # bytes of a local instance's object store: only tickets and records pass through it
SECONDS_TO_ANSWER = 10
# Which server an address means; keys and passwords are each node's own and not sent around.
SERVERS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")


class _Tickets(Datasource):
    """Numbers, a block each: Ray hands them out one by one, and reads them as they are needed."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def estimate_inmemory_data_size(self) -> int:
        return 8 * self._count

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        starts = range(0, self._count, TICKETS_A_READ)
        ranges = [range(at, min(at + TICKETS_A_READ, self._count)) for at in starts]
        return [
            ReadTask(
                lambda numbers=numbers: (pyarrow.table({"ticket": [one]}) for one in numbers),
                BlockMetadata(
                    num_rows=len(numbers),
                    size_bytes=8 * len(numbers),
                    input_files=None,
                    exec_stats=None,
                ),
            )
            for numbers in ranges
        ]


class RayPool:
    """Actors that do rows; Ray decides where, replaces those that are lost, and adds nodes."""

    def __init__(
        self,
        address: str,
        threads: int,
        *,
        workers: int | None = None,
        cpus: float | None = None,
        gpus: float = 0.0,
    ) -> None:
        """Nothing is connected yet.

        Args:
            address: HOST:PORT of a cluster that this machine belongs to, "auto" for the one that
                runs on it, or "local" to start one on this machine for this run alone.
            threads: that each worker computes with.
            workers: actors at most; None: as many as there is room for.
            cpus: that Ray counts for each; None: `threads`.
            gpus: that Ray counts for each.

        Raises:
            ValueError: an address of another form, or workers that need nothing and are not
                counted.
        """
        self.address, self.threads = address, threads
        self.cpus = float(threads) if cpus is None else cpus
        self.gpus, self.most = gpus, workers
        self.workers = self._page = self._tickets = 0
        if workers is None and not self.cpus and not gpus:
            raise ValueError("workers must be given where cpus_per_worker is 0, got None")
        if address not in (LOCAL, "auto") and _host_port(address) is None:
            raise ValueError(f'cluster must be "local", "auto" or HOST:PORT, got {address!r}')

    @contextmanager
    def opened(self, rows: int) -> Iterator["RayPool"]:
        """Connect for the block, or take the connection that this process has.

        Args:
            rows: how many there are at most.

        Yields:
            This pool; `workers` says how many it begins with.

        Raises:
            ValueError: this process is connected to another cluster, or this machine is too small.
            ConnectionError: nothing answers at the address.
        """
        with _quiet(), _connected(self.address, self._cores()) as nodes:
            room = sum(map(self._fitting, nodes))
            if self.address == LOCAL and not room:
                raise ValueError(
                    f"cpus_per_worker and gpus_per_worker must fit this machine, got {self.cpus:g} "
                    f"and {self.gpus:g}, found {nodes[0]}"
                )
            if not room:
                words = "no node of the cluster has %g cores and %g GPUs yet: waiting for one"
                logging.getLogger(__name__).warning(words, self.cpus, self.gpus)
            self.workers = max(1, min(self.most or room, rows))
            self._page = max(1, min(MOST_A_PAGE, rows // (PAGES_A_WORKER * self.workers)))
            self._tickets = math.ceil(rows / self._page)
            yield self

    def records(self, rows: Iterable[Given]) -> Iterator[dict]:
        """Do rows.

        Args:
            rows: jobs with what an earlier run recorded of them; taken in another thread, as they
                are needed.

        Yields:
            Each row's record as soon as it is done.

        Raises:
            Exception: what `rows` raised.
            ConnectionError: the cluster is lost, or its workers cannot start.
        """
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        feed: Any = ray.remote(Feed).options(num_cpus=0, scheduling_strategy=here).remote()
        feeder = _Feeder(rows, self._page, feed)
        feeder.start()
        got = 0
        try:
            for record in _received(self._dataset(feed), feed):
                got += 1
                yield record
        except RayError as error:
            raise ConnectionError(
                f"the cluster failed; run it again to go on: {_last_line(error)}"
            ) from error
        finally:
            with suppress(RayError):  # where the cluster is gone, so is the feed
                ray.kill(feed)
            feeder.join()
        if feeder.fault:
            raise feeder.fault
        if got != feeder.given:
            missing = feeder.given - got
            raise ConnectionError(f"the cluster lost {missing} rows; run it again to go on")

    def _dataset(self, feed: Any) -> Dataset:
        named = {name: os.environ[name] for name in SERVERS if name in os.environ}
        actors = ActorPoolStrategy(  # at least 1: what idles makes room for one from a lost node
            min_size=1,
            max_size=self.most,
            initial_size=self.workers,
            max_tasks_in_flight_per_actor=2,
        )
        with DataContext.current(_context()):
            tickets = ray.data.read_datasource(_Tickets(self._tickets), num_cpus=0)
            return tickets.map_batches(
                Blender,
                batch_size=1,
                fn_constructor_args=(feed, self.threads, stamp()),
                compute=actors,
                num_cpus=self.cpus,
                num_gpus=self.gpus,
                runtime_env={"env_vars": variables(self.threads) | named},
            )

    def _cores(self) -> int:
        """What a local instance is to count: this machine's cores, or what was asked for."""
        return max(workers_here(1), math.ceil((self.most or 1) * self.cpus))

    def _fitting(self, node: dict[str, float]) -> int:
        """How many workers a node has room for."""
        wants = {"CPU": self.cpus, "GPU": self.gpus}
        rooms = [node.get(name, 0.0) / want for name, want in wants.items() if want]
        return int(min(rooms, default=self.most or 0))


class _Feeder(Thread):
    """Takes rows and gives them to the feed, which makes it wait.

    Attributes:
        given: how many rows the feed has got.
        fault: what the rows raised; None: nothing.
    """

    def __init__(self, rows: Iterable[Given], page: int, feed: Any) -> None:
        super().__init__(daemon=True)
        self.given = 0
        self.fault: Exception | None = None
        self._rows, self._page, self._feed = iter(rows), page, feed

    def run(self) -> None:
        with suppress(RayError):  # the feed has ended: so has the run
            try:
                while page := list(islice(self._rows, self._page)):
                    ray.get(self._feed.add.remote(page))
                    self.given += len(page)
            except RayError:
                raise
            except Exception as error:  # noqa: BLE001  raised by `records`, in the caller's thread
                self.fault = error
            ray.get(self._feed.add.remote([]))


@contextmanager
def _quiet() -> Iterator[None]:
    """Ray's own words stay away for the block: what matters comes as an exception."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    loggers = [logging.getLogger(f"ray.data.{name}") for name in ("_internal", "exceptions")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _connected(address: str, cores: int) -> Iterator[list[dict[str, float]]]:
    """A connection for the block; yields what each node has."""
    if ray.is_initialized():
        own = ray.get_runtime_context().gcs_address
        if address not in (LOCAL, "auto", own):
            raise ValueError(
                f"cluster must be {own}, to which this process is connected, got {address}"
            )
        yield _nodes()
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with _folder() if address == LOCAL else nullcontext() as folder:
        if address == LOCAL:
            quiet |= {"num_cpus": cores, "object_store_memory": STORE, "include_dashboard": False}
            quiet["_temp_dir"] = folder
        elif address != "auto":
            _check_answer(address)
        with _without_dashboard() if address == LOCAL else nullcontext():
            ray.init(address=address, **quiet)
        try:
            if address == LOCAL and ray.util.get_node_ip_address() != "127.0.0.1":
                words = (
                    "Ray was loaded before this run: it listens on all networks, not this machine's"
                )
                logging.getLogger(__name__).warning(words)
            yield _nodes()
        finally:
            ray.shutdown()


@contextmanager
def _without_dashboard() -> Iterator[None]:
    """Ray starts no process for its dashboard in the block.

    That one is started even where no dashboard is wanted, for the statistics of usage; though these
    are off it asks the metadata servers of three clouds where it is (2.60), and no setting keeps it
    from that.
    """
    start = Node.start_api_server
    Node.start_api_server = lambda *_, **__: None
    try:
        yield
    finally:
        Node.start_api_server = start


def _folder() -> tempfile.TemporaryDirectory:
    """For a local instance's sockets and logs."""
    return tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)


def _context() -> DataContext:
    context = DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.target_max_block_size = 1  # byte: tickets and records go on one by one
    return context


def _nodes() -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _received(dataset: Dataset, feed: Any) -> Iterator[dict]:
    """Records, each once, though Ray may have done a row twice."""
    lines: dict[int, set[int]] = {}
    done: set[int] = set()
    blocks = dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    block: Any  # a table of pyarrow
    for block in blocks:
        columns = (block[name].to_pylist() for name in COLUMNS)
        for ticket, rows, text in zip(*columns, strict=True):
            if ticket < 0:
                raise ConnectionError(text)
            record = json.loads(text)
            if ticket in done or record["line"] in lines.setdefault(ticket, set()):
                continue
            lines[ticket].add(record["line"])
            yield record
            if len(lines[ticket]) == rows:
                del lines[ticket]
                done.add(ticket)
                feed.done.remote(ticket)


def _host_port(address: str) -> tuple[str, int] | None:
    host, _, port = address.rpartition(":")
    is_one = bool(host) and "/" not in host and port.isdecimal()
    return (host, int(port)) if is_one else None


def _check_answer(address: str) -> None:
    """Raise where nothing listens: Ray itself tries for minutes."""
    found = _host_port(address)
    assert found
    try:
        socket.create_connection(found, SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise ConnectionError(f"cluster must answer at {address}, got: {error}") from error


def _last_line(error: RayError) -> str:
    return str(error).strip().splitlines()[-1].strip()
