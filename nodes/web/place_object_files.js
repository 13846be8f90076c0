// Files of former versions of Place Object, whose widget values are kept by position.

const NAMES = [
  ...["column", "row", "unit", "anchor", "scale"],
  ...["fit", "fit_width", "fit_height", "rotation", "flip", "trim"],
]
const TRIM = NAMES.indexOf("trim")

const isBox = (value) => typeof value === "object" && value !== null

/** The values that place an object as a box in force did: fitted inside and centred there. */
function ofBox({ x, y, width, height }) {
  const place = { unit: "pixels", anchor: "centre", column: x + width / 2, row: y + height / 2 }
  return { ...place, fit: "inside", fit_width: width, fit_height: height }
}

/**
 * What a node is to be configured with. 0.1.0 had no `trim`, and did not trim. Until 0.2 newer
 * pages had a box at the end; one of 1 pixel or less was not drawn, another was in force instead
 * of place and fit. A link to the box stays: the server refuses it with the new way.
 */
export function translated(saved) {
  const values = saved.widgets_values
  if (!Array.isArray(values) || values.length < TRIM) return saved
  const trim = typeof values[TRIM] === "boolean" ? [] : [false]
  const all = [...values.slice(0, TRIM), ...trim, ...values.slice(TRIM)]
  const box = all[TRIM + 1]
  const widgets_values = all.slice(0, TRIM + 1)
  if (isBox(box) && box.width > 1 && box.height > 1)
    for (const [name, value] of Object.entries(ofBox(box)))
      widgets_values[NAMES.indexOf(name)] = value
  const inputs = saved.inputs?.filter((slot) => slot.name !== "box" || slot.link != null)
  return { ...saved, ...(inputs && { inputs }), widgets_values }
}

/** Takes out of what is saved what older pages add: values of their own line on the node. */
export function withoutLines(saved) {
  saved.widgets_values?.splice(NAMES.length)
}
