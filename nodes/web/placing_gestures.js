// Mouse, touch, wheel and keys on the placing view, as changes of a layout.

import { moved, nudged, scaled, turned } from "./placing_changes.js"
import { outline } from "./placing_geometry.js"

const NOTCH = 100 // of a wheel's delta, at least; 120 on some systems
const PER_NOTCH = 1.05 // of size
const SNAP = 15 // degrees, with Shift

const minus = (one, other) => [one[0] - other[0], one[1] - other[1]]
const angle = ([x, y]) => (Math.atan2(y, x) * 180) / Math.PI

/** A drag that begins at `start`, a point on the target; what it makes of a later point. */
export function drag(found, layout, pictures, start, isFree) {
  const from = outline(layout, pictures)
  const ways = {
    move: (point) => moved(layout, pictures, minus(point, start), isFree),
    turn(point, isSnapped) {
      const by = angle(minus(point, from.middle)) - angle(minus(start, from.middle))
      const degrees = layout.rotation + by
      const snapped = isSnapped ? SNAP * Math.round(degrees / SNAP) : degrees
      return turned(layout, pictures, snapped, isFree)
    },
    scale(point) {
      const [fixed, corner] = [from.corners[found.opposite], from.corners[found.corner]]
      const diagonal = minus(corner, fixed)
      const along = ([x, y]) => x * diagonal[0] + y * diagonal[1]
      const length = along(diagonal) || 1
      const factor = 1 + along(minus(point, start)) / length
      return scaled(layout, pictures, Math.max(0, factor), found.opposite, isFree)
    },
  }
  return ways[found.kind]
}

/** Notches of a wheel, whole ones; a touch pad's many small steps are parts of one. */
function notchesOf({ deltaX, deltaY }) {
  const notches = (deltaY || deltaX) / NOTCH // some systems swap them with Shift
  return Math.abs(notches) < 1 ? notches : Math.round(notches)
}

/** The wheel: sizes and angles finer than a widget's step are summed up until they make one. */
export class Wheel {
  /** What a wheel event makes of a layout. */
  turn(event, layout, pictures, isFree) {
    const name = event.shiftKey ? "rotation" : "scale"
    const notches = notchesOf(event)
    const isOurs = this.sum?.name === name && this.sum.shown === layout[name]
    const exact = isOurs ? this.sum.value : layout[name]
    const value = event.shiftKey ? exact + notches : exact * PER_NOTCH ** -notches
    const result = event.shiftKey
      ? turned(layout, pictures, value, isFree)
      : scaled(layout, pictures, value / layout.scale, undefined, isFree)
    this.sum = { name, value, shown: result[name] }
    return result
  }
}

const KEYS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

/** What a key makes of a layout; null: it is none of ours. */
export function pressed(event, layout, pictures, isFree) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null
  const times = event.shiftKey ? 10 : 1
  if (KEYS[event.key]) {
    const by = KEYS[event.key].map((step) => step * times)
    return nudged(layout, pictures, by, isFree)
  }
  const size = { "+": 0.01, "=": 0.01, "-": -0.01 }[event.key]
  if (size) return scaled(layout, pictures, 1 + size / layout.scale, undefined, isFree)
  const turn = { "[": -1, "]": 1 }[event.key]
  return turn ? turned(layout, pictures, layout.rotation + turn, isFree) : null
}
