"""How well the colours nearby explain a pixel: those outside a mask, and those of the object.

A pixel's distance to a set of samples is the mean, over four interleaved quarters of the samples in
a window around it, of the least distance in colour, √(|Δcolour|² + what the sample is further away
than the nearest one, squared, in units of PIXELS_PER_UNIT). Distances of outside pixels to outside
pixels further off say what distance is nothing unusual there. Two densities in `DIMENSIONS`
dimensions whose nearest samples lie at these distances d have the log ratio DIMENSIONS ·
log(d_background / d_object).

Source: nearest-neighbour classification in colour and place as in sampling-based matting (Wang and
Cohen 2007); the tolerance learnt from the surroundings is ours.
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

TILE = 16  # pixels a side; the pixels of a tile share their samples
REACH = 10  # pixels that a window reaches beyond the width of the band, around a tile
SAMPLES = 320  # of each kind in a window at most
FEWEST = 8  # samples that teach something
QUARTERS = 4
PIXELS_PER_UNIT = 100.0  # a sample 10 pixels further off counts like a colour 0.1 further off
UNITS = np.array([1, 1, 1, PIXELS_PER_UNIT, PIXELS_PER_UNIT], np.float32)
DIMENSIONS = 3.0
NOISE = 0.012  # added to distances: 3 levels
STRANGE = 2.0  # times the tolerance: from there on no colour of the object need be compared
USUAL = 0.9  # quantile of the distances among outside pixels
TOLERANCE = 1.5, 0.04, 0.2  # times that quantile; at least, at most
# Samples of the object nearer to the background than this share of the tolerance are rests.
REST = 0.5


@dataclass(frozen=True)
class Tile:
    """Queries of one tile and what the outside says of them.

    Attributes:
        queries: (n,), flat indices of the pixels asked for.
        window: rows and columns of the samples.
        background: (m, 5), samples: red, green, blue, row, column.
        distance: (n,), of the queries to them.
        tolerance: distance that is nothing unusual among outside pixels; None where there are
            too few to say, as in small holes.
    """

    queries: Array
    window: tuple[slice, slice]
    background: Array
    distance: Array
    tolerance: float | None


class LocalColours:
    """The colours outside a mask, tile by tile, for the pixels of a band."""

    def __init__(self, image: Array, asked: Array, outside: Array, away: Array, width: int) -> None:
        """Gather the outside's samples and their distances to the pixels asked for.

        Args:
            image: (3, h, w), float.
            asked: (h, w), bool, the pixels to be judged.
            outside: (h, w), bool, the old background's pixels.
            away: (h, w), their distance from the mask, pixels.
            width: of the band, pixels.
        """
        height, columns = asked.shape
        places = np.mgrid[0:height, 0:columns]
        self.features = np.concatenate([image, places]).astype(np.float32)
        self.shape = asked.shape
        self.index = np.arange(asked.size).reshape(asked.shape)
        self.explained = np.full(asked.size, np.nan)
        tiles = self._tiles(asked, outside, away, width + REACH)
        measured = [tile.tolerance for tile in tiles if tile.tolerance is not None]
        self.usual = float(np.median(measured)) if measured else TOLERANCE[1]
        self.tiles = tuple(tiles)
        for tile in tiles:
            self.explained[tile.queries] = tile.distance

    def _tiles(self, asked: Array, outside: Array, away: Array, reach: int) -> list[Tile]:
        found = []
        for top in range(0, self.shape[0], TILE):
            for left in range(0, self.shape[1], TILE):
                inner = slice(top, top + TILE), slice(left, left + TILE)
                if not asked[inner].any():
                    continue
                window = (
                    slice(max(top - reach, 0), top + TILE + reach),
                    slice(max(left - reach, 0), left + TILE + reach),
                )
                samples = _thinned(np.flatnonzero(outside[window]))
                if len(samples) < FEWEST:
                    continue
                queries = self.index[inner][asked[inner]]
                background = self._samples(window, samples)
                distance = colour_distance(self._of(queries), background)
                usual = _usual_distance(background, away[window].ravel()[samples])
                found.append(Tile(queries, window, background, distance, usual))
        return found

    def _of(self, flat: Array) -> Array:
        return self.features.reshape(5, -1)[:, flat].T

    def _samples(self, window: tuple[slice, ...], flat: Array) -> Array:
        return self.features[(slice(None), *window)].reshape(5, -1)[:, flat].T

    def log_ratio(self, own: Array) -> Array:
        """The log likelihood ratio of object to background.

        Args:
            own: (h, w), bool, pixels that are taken for the object; those that the outside explains
                are left out.

        Returns:
            (h, w), > 0 where the object's colours, or none that the outside knows, explain a pixel
            better; 0 where it was not asked for or nothing is known.
        """
        ratio = np.zeros(self.shape).ravel()
        for tile in self.tiles:
            tolerance = self.usual if tile.tolerance is None else tile.tolerance
            distance = np.full(len(tile.queries), tolerance)
            # The object's anyway: farther than its own colours are ever said to be.
            unsure = tile.distance < STRANGE * tolerance
            samples = self._unexplained(tile, own, REST * tolerance)
            if len(samples) >= FEWEST and unsure.any():
                nearest = colour_distance(self._of(tile.queries[unsure]), samples)
                distance[unsure] = np.minimum(tolerance, nearest)
            quotient = (tile.distance + NOISE) / (distance + NOISE)
            ratio[tile.queries] = DIMENSIONS * np.log(quotient)
        return ratio.reshape(self.shape)

    def _unexplained(self, tile: Tile, own: Array, least: float) -> Array:
        """The object's samples for a tile, without those nearer to the background, (m, 5).

        Each pixel's distance to the background is found once, with its own tile's samples or those
        of the first tile that asks.
        """
        flat = self.index[tile.window].ravel()[_thinned(np.flatnonzero(own[tile.window]))]
        new = flat[np.isnan(self.explained[flat])]
        if len(new):
            self.explained[new] = colour_distance(self._of(new), tile.background)
        return self._of(flat[self.explained[flat] > least])


def colour_distance(pixels: Array, samples: Array) -> Array:
    """The distance of each pixel to a set of samples, as this file's head says.

    Args:
        pixels: (n, 5), red, green, blue, row, column.
        samples: (m, 5), m > 0.

    Returns:
        (n,), >= 0, in units of colour.
    """
    whole = len(samples) // QUARTERS * QUARTERS
    if whole:  # each quarter in one piece: numpy's minimum along a row is fast
        samples = np.concatenate([samples[start:whole:QUARTERS] for start in range(QUARTERS)])
    scaled = pixels / UNITS - samples[0] / UNITS, samples / UNITS - samples[0] / UNITS
    # Where the nearest sample lies is the same for a whole row: it is taken off at the end.
    place = _squared(scaled[0][:, 3:], scaled[1][:, 3:]).min(1, keepdims=True)
    total = _squared(*scaled)
    quarters = total.reshape(len(pixels), QUARTERS if whole else 1, -1).min(2)
    return np.sqrt(np.maximum(quarters - place, 0)).mean(1)


def _squared(points: Array, others: Array) -> Array:
    """Squared distances, (n, m), as one product: |p|² · 1 + 1 · |o|² − 2 p · o."""
    lengths = np.square(points).sum(1)[:, None], np.square(others).sum(1)[:, None]
    left = np.concatenate([points, lengths[0], np.ones_like(lengths[0])], 1)
    right = np.concatenate([-2 * others, np.ones_like(lengths[1]), lengths[1]], 1)
    return left @ right.T


def _thinned(flat: Array) -> Array:
    return flat[:: max(1, -(-len(flat) // SAMPLES))]


def _usual_distance(samples: Array, away: Array) -> float | None:
    """What distance outside pixels have to outside pixels 4 pixels further off; None: too few."""
    times, least, most = TOLERANCE
    middle = np.median(away)
    near, far = samples[away <= middle - 2], samples[away > middle + 2]
    if len(near) < FEWEST or len(far) < FEWEST:
        return None
    usual = np.quantile(colour_distance(near, far), USUAL)
    return float(np.clip(times * usual, least, most))
