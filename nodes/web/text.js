// The lines on our nodes keep whole words: the page breaks the text of a node at any letter.
// On a node with a view of its own they leave to it what height the node has to spare.
import { app } from "../../scripts/app.js"

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
      // What a component widget has in `props`, the page hands to its outermost element.
      if (widget?.name === LINE) {
        widget.props = { ...widget.props, class: CLASS }
        if (this.widgets?.some((other) => other.view)) widget.options.getMaxHeight = () => HIGHEST
      }
      return add.call(this, widget)
    }
  },
})
