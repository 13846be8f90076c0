// Where an object lies on a target: blending/placement/layout.py once more, for the page.
// tests/nodes/test_placing_geometry.py holds the two together. Sizes are [height, width], boxes
// [top, left, height, width], points [column, row], all in pixels.

const ANCHORS = [
  ...["top left", "top", "top right"],
  ...["left", "centre", "right"],
  ...["bottom left", "bottom", "bottom right"],
]
const ROUNDING = 1e-6 // pixels, of a sine's rounding error
const SURROUNDINGS = 64 // pixels that the server keeps around a trimmed object, and half its side

/** Python's round: halves to the even number. */
export function rounded(value) {
  const low = Math.floor(value)
  if (value - low !== 0.5) return Math.round(value)
  return low % 2 ? low + 1 : low
}

/** Cosine and sine of degrees clockwise, exact for quarter turns. */
export function direction(rotation) {
  const exact = { 0: [1, 0], 90: [0, 1], 180: [-1, 0], 270: [0, -1] }
  const angle = (rotation * Math.PI) / 180
  return exact[rotation] ?? [Math.cos(angle), Math.sin(angle)]
}

/** Degrees from 0 to below 360. */
export function wrapped(rotation) {
  return ((rotation % 360) + 360) % 360
}

/** Height and width of the upright rectangle around one that is turned. */
export function turnedSize([height, width], rotation) {
  const [cosine, sine] = direction(rotation).map(Math.abs)
  return [height * cosine + width * sine, height * sine + width * cosine]
}

function fitFactors([height, width], [roomHeight, roomWidth], fit) {
  const [down, across] = [roomHeight / height, roomWidth / width]
  if (fit === "inside") return [Math.min(down, across), Math.min(down, across)]
  if (fit === "cover") return [Math.max(down, across), Math.max(down, across)]
  return fit === "stretch" ? [down, across] : [1, 1]
}

/** 1 or -1 for the object's columns and rows. */
export function mirrored(flip) {
  const both = flip === "both"
  return [both || flip === "horizontal" ? -1 : 1, both || flip === "vertical" ? -1 : 1]
}

/** How far the middle of a part lies right of and below its flipped and turned source's. */
function turnedCentre(layout, source, [top, left, height, width]) {
  const [flipX, flipY] = mirrored(layout.flip)
  const row = flipY * (top + height / 2 - source[0] / 2)
  const column = flipX * (left + width / 2 - source[1] / 2)
  const [cosine, sine] = direction(wrapped(layout.rotation))
  return [cosine * column - sine * row, cosine * row + sine * column]
}

/** Pixels of the target in a unit of column and of row. */
export function unitOf(layout, target) {
  return layout.unit === "pixels" ? [1, 1] : [target[1] / 100, target[0] / 100]
}

/** Layout.spot: corner and size of a source on the target, and its factors. */
export function spot(layout, source, target, part) {
  const rotation = wrapped(layout.rotation)
  const [turned, own] = [source, part.slice(2)].map((size) => turnedSize(size, rotation))
  const [unitX, unitY] = unitOf(layout, target)
  const room = [layout.fit_height * unitY, layout.fit_width * unitX]
  const [down, across] = fitFactors(own, room, layout.fit).map((f) => layout.scale * f)
  const side = (value) => (rotation % 90 ? Math.ceil(value - ROUNDING) : rounded(value))
  const [height, width] = [turned[0] * down, turned[1] * across].map((s) => Math.max(1, side(s)))
  const [ownHeight, ownWidth] = [own[0] * down, own[1] * across].map((s) => Math.max(1, side(s)))
  const place = ANCHORS.indexOf(layout.anchor)
  const [above, before] = [Math.floor(place / 3) / 2, (place % 3) / 2]
  const [beside, below] = turnedCentre(layout, source, part)
  const row = layout.row * unitY + (0.5 - above) * ownHeight - below * down - height / 2
  const column = layout.column * unitX + (0.5 - before) * ownWidth - beside * across - width / 2
  return {
    row: Math.floor(row + 0.5),
    column: Math.floor(column + 0.5),
    ...{ height, width, down, across, rotation, turned },
  }
}

/** What the server keeps of a source: all, or the object with its surroundings. */
function kept({ source, part }, trim) {
  if (!trim) return { size: source, origin: [0, 0], own: [0, 0, ...source] }
  const [top, left, height, width] = part
  const margin = Math.floor(Math.max(height, width) / 2) + SURROUNDINGS
  const origin = [Math.max(0, top - margin), Math.max(0, left - margin)]
  const bottom = Math.min(source[0], top + height + margin)
  const right = Math.min(source[1], left + width + margin)
  const own = [top - origin[0], left - origin[1], height, width]
  return { size: [bottom - origin[0], right - origin[1]], origin, own }
}

/** The source's spot on the target, and how a point of the source [column, row] gets there. */
export function placement(layout, pictures) {
  const { size, origin, own } = kept(pictures, layout.trim)
  const at = spot(layout, size, pictures.target, own)
  const [cosine, sine] = direction(at.rotation)
  const [flipX, flipY] = mirrored(layout.flip)
  const isQuarterTurn = at.rotation % 90 === 0 // resized to whole pixels then
  const down = isQuarterTurn ? at.height / at.turned[0] : at.down
  const across = isQuarterTurn ? at.width / at.turned[1] : at.across
  // Column of the target = a * column of the source + c * row + e; row = b * column + d * row + f.
  const [a, b] = [across * cosine * flipX, down * sine * flipX]
  const [c, d] = [-across * sine * flipY, down * cosine * flipY]
  const middle = [origin[1] + size[1] / 2, origin[0] + size[0] / 2]
  const e = at.column + at.width / 2 - a * middle[0] - c * middle[1]
  const f = at.row + at.height / 2 - b * middle[0] - d * middle[1]
  const frame = layout.trim ? pictures.part : [0, 0, ...pictures.source]
  return { spot: at, matrix: [a, b, c, d, e, f], frame }
}

/** A point [column, row] under a matrix. */
export function mapped([a, b, c, d, e, f], [x, y]) {
  return [a * x + c * y + e, b * x + d * y + f]
}

/** The four corners of a box under a matrix, clockwise from its own top left. */
export function corners(matrix, [top, left, height, width]) {
  const [bottom, right] = [top + height, left + width]
  const own = [[left, top], [right, top], [right, bottom], [left, bottom]] // prettier-ignore
  return own.map((point) => mapped(matrix, point))
}

/** The upright rectangle around points: its left, top, right, bottom. */
export function around(points) {
  const [columns, rows] = [points.map((p) => p[0]), points.map((p) => p[1])]
  return [Math.min(...columns), Math.min(...rows), Math.max(...columns), Math.max(...rows)]
}

/** The frame of an object as the view draws it: corners and middle on the target. */
export function outline(layout, pictures) {
  const { matrix, frame } = placement(layout, pictures)
  const points = corners(matrix, frame)
  const middle = [0, 1].map((axis) => (points[0][axis] + points[2][axis]) / 2)
  return { corners: points, middle, box: around(points) }
}
