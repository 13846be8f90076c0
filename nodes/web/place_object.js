// Place Object in the page: its placing view, and files of former versions.

import { app } from "../../scripts/app.js"
import { translated, withoutLines } from "./place_object_files.js"
import { PlacingView } from "./placing_view.js"

const LEAST_HEIGHT = 220 // pixels of the view and its margins
const [NEW_WIDTH, NEW_ROOM] = [340, 50] // width of a new node; height that the view gets on top

/** Whether Nodes 2.0 of this page shows packs' elements; its first, hidden ones show a text box. */
function showsElements() {
  const [major, minor] = (window.__COMFYUI_FRONTEND_VERSION__ ?? "1.29").split(".").map(Number)
  return major > 1 || minor >= 29
}

function addView(node) {
  const view = new PlacingView(node)
  const options = { serialize: false, hideOnZoom: false, getMinHeight: () => LEAST_HEIGHT }
  if (!showsElements()) options.canvasOnly = true
  const widget = node.addDOMWidget("placing", "dib_placing", view.root, options)
  widget.view = view
  widget.serialize = false // else files would get a value more
  const [width, height] = node.computeSize()
  node.setSize([Math.max(NEW_WIDTH, width), height + NEW_ROOM])
  const { onRemoved, onSerialize } = node
  node.onSerialize = function (saved) {
    onSerialize?.apply(this, arguments)
    withoutLines(saved)
  }
  node.onRemoved = function () {
    view.remove()
    return onRemoved?.apply(this, arguments)
  }
}

app.registerExtension({
  name: "DeepImageBlending.PlaceObject",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "DIB_PlaceObject") return
    const configure = nodeType.prototype.configure
    nodeType.prototype.configure = function (saved) {
      return configure.call(this, translated(saved))
    }
  },
  nodeCreated(node) {
    if (node.comfyClass === "DIB_PlaceObject") addView(node)
  },
})
