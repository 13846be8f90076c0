// The placing view: an element that shows a node's pictures and writes to its widgets.

import { app } from "../../scripts/app.js"
import { draw, handles, hit, targetPlace } from "./placing_drawing.js"
import { drag, pressed, Wheel } from "./placing_gestures.js"
import { Pictures } from "./placing_pictures.js"
import { words } from "./placing_words.js"

const PERIOD = 100 // milliseconds between two looks at what may have changed: values, zoom, runs
const SET_HERE = ["column", "row", "scale", "rotation"]
const READ = [...SET_HERE, "unit", "anchor", "fit", "fit_width", "fit_height", "flip", "trim"]
const STYLE = `
  .dib-placing { position: relative; min-height: 200px; border-radius: 6px; overflow: hidden;
    box-sizing: border-box; touch-action: none; user-select: none; outline: none;
    background: var(--comfy-input-bg, #222); border: 1px solid var(--border-color, #555); }
  .dib-placing:focus { border-color: #2f9bff; box-shadow: inset 0 0 0 1px #2f9bff; }
  .dib-placing canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
  .dib-placing p { position: absolute; inset: auto 8px 6px; margin: 0; text-align: center;
    font: 12px/1.4 sans-serif; color: var(--input-text, #ddd); pointer-events: none; }
  .dib-placing p.alone { inset: 0; display: grid; place-content: center; padding: 12px; }`

function element(kind, parent, properties = {}) {
  const made = Object.assign(document.createElement(kind), properties)
  parent.append(made)
  return made
}

export class PlacingView {
  constructor(node) {
    this.node = node
    this.wheel = new Wheel()
    this.pictures = new Pictures(node, () => this.refresh())
    this.root = document.createElement("div")
    this.root.className = "dib-placing"
    this.root.tabIndex = 0
    this.root.setAttribute("role", "application")
    this.root.setAttribute("aria-label", words().label)
    this.root.dataset.captureWheel = "true" // Nodes 2.0: the wheel is ours while we have the focus
    this.style = element("style", this.root, { textContent: STYLE })
    this.canvas = element("canvas", this.root, { title: words().label })
    this.line = element("p", this.root)
    this.line.setAttribute("role", "status")
    this.isFree = (name) => !this.isLinked(name)
    this.listen()
    this.timer = setInterval(() => this.look(), PERIOD)
  }

  remove() {
    clearInterval(this.timer)
    this.pictures.remove()
    if (!this.hadFocus && !this.takesFocus) return
    const { graph, id } = this.node
    queueMicrotask(() => {
      // Undo has made the node anew by then. A node that is only removed has no heir.
      const heir = graph?.getNodeById(id)?.widgets?.find((widget) => widget.view)?.view
      if (heir) heir.takesFocus = true
    })
  }

  /** Undo makes the node anew, and Nodes 2.0 leaves the former node's view in its place. */
  replaceFormer() {
    if (this.root.isConnected || this.node.graph !== app.canvas.graph) return
    const former = document.querySelector(`[data-node-id="${this.node.id}"] .dib-placing`)
    former?.replaceWith(this.root)
  }

  /** The focus that the former view had, once this one is shown, unless it went elsewhere. */
  takeFocus() {
    if (document.activeElement === document.body) this.root.focus({ preventScroll: true })
    this.takesFocus = false
  }

  listen() {
    const on = (name, handler, options) =>
      this.root.addEventListener(name, (event) => handler.call(this, event), options)
    on("pointerdown", this.onDown)
    on("pointermove", this.onMove)
    on("pointerup", this.onUp)
    on("lostpointercapture", this.onUp)
    on("wheel", this.onWheel, { passive: false })
    on("keydown", this.onKey)
  }

  /** Whether a widget's value comes through a link, and is not known before a run. */
  isLinked(name) {
    return this.node.inputs?.some((slot) => slot.widget?.name === name && slot.link != null)
  }

  /** The values that place the object: the widgets', the last run's where one is linked. */
  layout() {
    const ran = this.pictures.current?.layout ?? {}
    const widgets = Object.fromEntries(this.node.widgets.map((w) => [w.name, w.value]))
    const value = (name) => (this.isLinked(name) ? ran[name] : widgets[name])
    return Object.fromEntries(READ.map((name) => [name, value(name)]))
  }

  write(layout) {
    for (const widget of this.node.widgets) {
      const value = layout[widget.name]
      if (!SET_HERE.includes(widget.name) || this.isLinked(widget.name)) continue
      if (widget.value === value) continue
      widget.value = value
      widget.callback?.(value, app.canvas, this.node)
    }
    this.node.setDirtyCanvas(true, true)
    this.refresh()
  }

  /** Draws again where a value, the size, the zoom or the pictures are others than before. */
  look() {
    this.replaceFormer()
    if (!this.root.isConnected) return // by Undo, before the node is removed
    this.hadFocus = document.activeElement === this.root
    if (!this.root.clientWidth) return
    if (this.takesFocus) this.takeFocus()
    this.pictures.update()
    const seen = JSON.stringify([this.layout(), this.size(), this.linkedLine()])
    if (seen !== this.seen) this.refresh()
    this.seen = seen
  }

  /** Width and height in CSS pixels of the view, and screen pixels in one of them. */
  size() {
    const { clientWidth: width, clientHeight: height } = this.canvas
    const zoom = this.canvas.getBoundingClientRect().width / (width || 1)
    return [width, height, Math.min(4, Math.max(0.25, zoom * devicePixelRatio))]
  }

  linkedLine() {
    const linked = this.node.widgets.filter((w) => SET_HERE.includes(w.name))
    const names = linked.filter((w) => this.isLinked(w.name)).map((w) => w.label ?? w.name)
    return names.length ? `${words().linked} ${names.join(", ")}` : ""
  }

  refresh() {
    const pictures = this.pictures.current
    this.line.textContent = pictures ? this.linkedLine() : words().empty
    this.line.className = pictures ? "" : "alone"
    this.canvas.hidden = !pictures
    const [width, height, ratio] = this.size()
    if (!pictures || !width || !height) return
    const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)]
    if (this.canvas.width !== columns) this.canvas.width = columns
    if (this.canvas.height !== rows) this.canvas.height = rows
    const context = this.canvas.getContext("2d")
    context.setTransform(columns / width, 0, 0, rows / height, 0, 0)
    const place = targetPlace(pictures.target, width, height)
    const layout = this.layout()
    draw(context, { layout, pictures, place, width, height, isFree: this.isFree })
  }

  /** A pointer's place: in the view, on the target, and what of the drawing is there. */
  at(event) {
    const pictures = this.pictures.current
    const [width, height] = this.size()
    const box = this.canvas.getBoundingClientRect()
    const point = [
      ((event.clientX - box.left) * width) / box.width,
      ((event.clientY - box.top) * height) / box.height,
    ]
    const place = targetPlace(pictures.target, width, height)
    const marks = handles(this.layout(), pictures, place, height)
    const onTarget = [(point[0] - place.x) / place.scale, (point[1] - place.y) / place.scale]
    const found = hit(marks, point)
    const sets = { turn: ["rotation"], scale: ["scale"], move: ["column", "row"] }[found?.kind]
    return { onTarget, marks, found: sets?.some(this.isFree) ? found : null }
  }

  onDown(event) {
    if (event.button) return event.button === 1 ? this.forward(event) : undefined
    this.root.focus({ preventScroll: true })
    const pictures = this.pictures.current
    const { found, onTarget } = pictures ? this.at(event) : {}
    if (!found) return
    this.root.setPointerCapture(event.pointerId)
    this.before = this.layout()
    this.drag = drag(found, this.before, pictures, onTarget, this.isFree)
  }

  onMove(event) {
    const pictures = this.pictures.current
    if (!pictures) return
    const { onTarget, found, marks } = this.at(event)
    if (this.drag) return this.write(this.drag(onTarget, event.shiftKey))
    this.root.style.cursor = cursor(found, marks)
  }

  onUp() {
    this.drag = null
  }

  onWheel(event) {
    const isOurs = document.activeElement === this.root && !event.ctrlKey && !event.metaKey
    if (!isOurs) return this.forward(event)
    event.preventDefault()
    event.stopPropagation()
    const pictures = this.pictures.current
    if (pictures) this.write(this.wheel.turn(event, this.layout(), pictures, this.isFree))
    this.remember()
  }

  onKey(event) {
    const pictures = this.pictures.current
    if (this.drag && event.key === "Escape") {
      this.drag = null
      this.write(this.before)
    } else {
      const layout = pictures && pressed(event, this.layout(), pictures, this.isFree)
      if (!layout) return
      this.write(layout)
    }
    event.preventDefault()
    event.stopPropagation()
    this.remember()
  }

  /** The graph's own pan and zoom go on over the view. */
  forward(event) {
    event.preventDefault()
    event.stopPropagation()
    app.canvas.canvas.dispatchEvent(new event.constructor(event.type, event))
  }

  /** A step for Undo; after the mouse the page takes one by itself. */
  remember() {
    clearTimeout(this.remembering)
    this.remembering = setTimeout(() => {
      const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker
      tracker?.captureCanvasState ? tracker.captureCanvasState() : tracker?.checkState?.()
    }, 300)
  }
}

/** The cursor over what was found. */
function cursor(found, { squares, middle }) {
  if (found?.kind !== "scale") return { turn: "grab", move: "move" }[found?.kind] ?? "default"
  const [x, y] = squares[found.corner].map((value, axis) => value - middle[axis])
  const sector = Math.round((Math.atan2(y, x) * 4) / Math.PI) & 3
  return ["ew-resize", "nwse-resize", "ns-resize", "nesw-resize"][sector]
}
