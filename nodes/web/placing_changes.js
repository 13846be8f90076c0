// What a gesture makes of a layout: the values of the widgets that change, in their own steps.

import { outline, unitOf } from "./placing_geometry.js"

const FARTHEST = 16384 // of column and row
const [SMALLEST, LARGEST] = [0.01, 16] // scale
const STAYS = 12 // pixels of the object, at least, that a gesture leaves on the target

const clamped = (value, low, high) => Math.min(high, Math.max(low, value))
const hundredths = (value) => Math.round(value * 100) / 100
const toStep = (layout) => (layout.unit === "pixels" ? Math.round : hundredths)

/** The layout moved by pixels of the target, to the widgets' steps; part of it stays on it. */
export function moved(layout, pictures, [right, down], isFree = () => true) {
  const [left, top, end, bottom] = outline(layout, pictures).box
  const [height, width] = pictures.target
  const [x, y] = [Math.min(STAYS, end - left, width), Math.min(STAYS, bottom - top, height)]
  const [unitX, unitY] = unitOf(layout, pictures.target)
  const step = toStep(layout)
  const result = { ...layout }
  if (isFree("column")) {
    const shift = clamped(right, x - end, width - x - left)
    result.column = clamped(step(layout.column + shift / unitX), -FARTHEST, FARTHEST)
  }
  if (isFree("row")) {
    const shift = clamped(down, y - bottom, height - y - top)
    result.row = clamped(step(layout.row + shift / unitY), -FARTHEST, FARTHEST)
  }
  return result
}

/** Moved by whole pixels, as the server counts them: a step of a percent may round to none. */
export function nudged(layout, pictures, by, isFree = () => true) {
  let result = layout
  for (const axis of [0, 1]) {
    const from = outline(result, pictures).box[axis]
    const tries = [0, 0.25, -0.25, 0.5, -0.5].map((more) => {
      const shift = [0, 0]
      shift[axis] = by[axis] && by[axis] + more
      return moved(result, pictures, shift, isFree)
    })
    const isThere = (tried) =>
      Math.abs(outline(tried, pictures).box[axis] - from - by[axis]) < 0.5
    result = tries.find(isThere) ?? tries[0]
  }
  return result
}

/** Enlarged by a factor; `corner` is the one (0 to 3) that stays, none: the anchor does. */
export function scaled(layout, pictures, factor, corner, isFree = () => true) {
  if (!isFree("scale")) return layout
  const scale = clamped(hundredths(layout.scale * factor), SMALLEST, LARGEST)
  const result = { ...layout, scale }
  if (corner === undefined) return result
  return keeping((found) => found.corners[corner], layout, result, pictures, isFree)
}

/** Turned to degrees clockwise, about its middle, in steps of half a degree. */
export function turned(layout, pictures, degrees, isFree = () => true) {
  if (!isFree("rotation")) return layout
  const half = Math.round(degrees * 2) / 2
  const rotation = ((((half + 180) % 360) + 360) % 360) - 180
  return keeping((found) => found.middle, layout, { ...layout, rotation }, pictures, isFree)
}

/** `after`, moved so that a point of the outline stays where it was before. */
function keeping(point, before, after, pictures, isFree) {
  const [from, to] = [before, after].map((layout) => point(outline(layout, pictures)))
  return moved(after, pictures, [from[0] - to[0], from[1] - to[1]], isFree)
}
