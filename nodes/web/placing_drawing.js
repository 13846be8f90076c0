// How the placing view looks: where the target lies in it, where the handles are, and the drawing.
// Lengths are CSS pixels of the view, at a zoom of 1.

import { mapped, outline, placement, unitOf } from "./placing_geometry.js"

const MARGIN = 16 // around the target: what overhangs is seen there
const STEM = 20 // from the frame to the round handle
const LEAST = 28 // side of the rectangle that the handles stand on, however small the object
const [SQUARE, ROUND, REACH] = [4.5, 5.5, 11] // half side, radius, how near is on a handle
const [LIGHT, DARK, ACCENT] = ["#fff", "rgba(0, 0, 0, 0.65)", "#2f9bff"]

/** The target's place in a view of width by height: a point is scale * point + [x, y]. */
export function targetPlace([height, width], viewWidth, viewHeight) {
  const room = [Math.max(1, viewWidth - 2 * MARGIN), Math.max(1, viewHeight - 2 * MARGIN)]
  const scale = Math.min(room[0] / width, room[1] / height)
  return { scale, x: (viewWidth - scale * width) / 2, y: (viewHeight - scale * height) / 2 }
}

const inView = ({ scale, x, y }) => [scale, 0, 0, scale, x, y]
const between = (one, other, share = 0.5) =>
  one.map((value, axis) => value + (other[axis] - value) * share)
const minus = (one, other) => one.map((value, axis) => value - other[axis])
const distance = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1])

/** A frame's corners, or those of a larger one around a small one, whose handles don't touch. */
function spread(frame, middle) {
  const half = [1, 2].map((next) => between([0, 0], minus(frame[next], frame[next - 1])))
  const [along, down] = half.map((side) => {
    const length = Math.hypot(...side) || 1
    return side.map((value) => (value * Math.max(length, LEAST / 2)) / length)
  })
  const signs = [[-1, -1], [1, -1], [1, 1], [-1, 1]] // prettier-ignore
  return signs.map(([x, y]) => middle.map((value, i) => value + x * along[i] + y * down[i]))
}

/** The frame's corners, the squares on them, the round handle and where its stem begins. */
export function handles(layout, pictures, place, viewHeight) {
  const found = outline(layout, pictures)
  const frame = found.corners.map((point) => mapped(inView(place), point))
  const middle = mapped(inView(place), found.middle)
  const squares = spread(frame, middle)
  const top = between(squares[0], squares[1])
  const length = distance(top, middle) || 1
  const outside = between(middle, top, 1 + STEM / length)
  const isSeen = outside[1] > ROUND && outside[1] < viewHeight - ROUND && outside[0] > ROUND
  const round = isSeen ? outside : between(middle, top, Math.max(0, 1 - STEM / length))
  return { frame, middle, squares, round, stem: top }
}

/** What is at a point: "turn", "scale" with its corner, "move", or nothing. */
export function hit({ frame, middle, squares, round }, point) {
  if (distance(round, point) <= REACH) return { kind: "turn" }
  const corner = squares.findIndex((square) => distance(square, point) <= REACH)
  if (corner >= 0) return { kind: "scale", corner, opposite: (corner + 2) % 4 }
  const side = (index) => {
    const [from, to] = [frame[index], frame[(index + 1) % 4]]
    return (to[0] - from[0]) * (point[1] - from[1]) - (to[1] - from[1]) * (point[0] - from[0])
  }
  const signs = [0, 1, 2, 3].map((index) => Math.sign(side(index)))
  const isInside = signs.every((sign) => sign >= 0) || signs.every((sign) => sign <= 0)
  return isInside || distance(middle, point) <= REACH ? { kind: "move" } : null
}

function drawObject(context, layout, pictures, place) {
  const { matrix } = placement(layout, pictures)
  const [top, left, height, width] = pictures.part
  context.save()
  context.transform(...inView(place))
  context.transform(...matrix)
  context.drawImage(pictures.images.object, left, top, width, height)
  context.restore()
}

function stroke(context, color, width) {
  context.strokeStyle = color
  context.lineWidth = width
  context.stroke()
}

function path(context, points, isClosed) {
  context.beginPath()
  points.forEach((point) => context.lineTo(...point))
  if (isClosed) context.closePath()
}

function drawFrame(context, { frame, squares, round, stem }, isFree) {
  const canTurn = isFree("rotation")
  for (const [color, width] of [[DARK, 3.5], [LIGHT, 1.5]]) { // prettier-ignore
    path(context, frame, true)
    stroke(context, color, width)
    path(context, canTurn ? [stem, round] : [])
    stroke(context, color, width)
  }
  context.fillStyle = LIGHT
  for (const [x, y] of isFree("scale") ? squares : []) {
    context.beginPath()
    context.rect(x - SQUARE, y - SQUARE, 2 * SQUARE, 2 * SQUARE)
    context.fill()
    stroke(context, DARK, 1.5)
  }
  if (!canTurn) return
  context.beginPath()
  context.arc(...round, ROUND, 0, 2 * Math.PI)
  context.fill()
  stroke(context, DARK, 1.5)
}

/** A ring where column and row point to. */
function drawAnchor(context, layout, { target }, place) {
  const [unitX, unitY] = unitOf(layout, target)
  const at = mapped(inView(place), [layout.column * unitX, layout.row * unitY])
  for (const [color, width] of [[LIGHT, 4], [ACCENT, 2]]) { // prettier-ignore
    context.beginPath()
    context.arc(...at, 3.5, 0, 2 * Math.PI)
    stroke(context, color, width)
  }
}

/** Everything, onto a context whose unit is a CSS pixel. */
export function draw(context, { layout, pictures, place, width, height, isFree }) {
  const [rows, columns] = pictures.target
  const ground = [place.x, place.y, place.scale * columns, place.scale * rows]
  context.clearRect(0, 0, width, height)
  context.imageSmoothingQuality = "high"
  context.drawImage(pictures.images.target, ...ground)
  for (const [isOutside, alpha] of [[true, 0.35], [false, 1]]) { // prettier-ignore
    context.save()
    context.beginPath()
    if (isOutside) context.rect(0, 0, width, height)
    context.rect(...ground)
    context.clip("evenodd")
    context.globalAlpha = alpha
    drawObject(context, layout, pictures, place)
    context.restore()
  }
  context.beginPath()
  context.rect(...ground)
  stroke(context, "rgba(128, 128, 128, 0.8)", 1)
  drawAnchor(context, layout, pictures, place)
  drawFrame(context, handles(layout, pictures, place, height), isFree)
}
