// The lines on our nodes keep whole words (the page breaks the text of a node at any letter), and
// speak the page's language. On a node with a view of its own they leave to it what height the node
// has to spare.
import { app } from "../../scripts/app.js"
import { language } from "./language.js"
import { table, translated } from "./lines.js"

const OURS = "DIB_"
const LINE = "$$node-text-preview" // the page's name for the widget of a progress text
const CLASS = "deep-image-blending-line"
const HIGHEST = 90 // pixels beside a view: three rows, margins and all; more are scrolled to
const STYLE = `.${CLASS} .break-all { word-break: normal; overflow-wrap: anywhere }`

app.registerExtension({
  name: "DeepImageBlending.Text",
  init() {
    const style = document.createElement("style")
    style.textContent = STYLE
    document.head.append(style)
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.name.startsWith(OURS)) return
    const add = nodeType.prototype.addCustomWidget
    nodeType.prototype.addCustomWidget = function (widget) {
      if (widget?.name === LINE) {
        changeLine(widget)
        if (this.widgets?.some((other) => other.view)) widget.options.getMaxHeight = () => HIGHEST
      }
      return add.call(this, widget)
    }
  },
})

function changeLine(widget) {
  // What a component widget has in `props`, the page hands to its outermost element.
  widget.props = { ...widget.props, class: CLASS }
  const set = widget.options?.setValue
  if (!set) return
  widget.options.setValue = (line) => set(translated(String(line), table(language())))
}
