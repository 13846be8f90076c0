// Place Object of 0.1.0 had no `trim`, and files keep values by position: put "off" where it is now.
import { app } from "../../scripts/app.js"

app.registerExtension({
  name: "DeepImageBlending.PlaceObject",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "DIB_PlaceObject") return
    const configure = nodeType.prototype.configure
    nodeType.prototype.configure = function (saved) {
      const place = this.widgets?.findIndex((widget) => widget.name === "trim") ?? -1
      const values = saved.widgets_values
      if (place < 0 || !Array.isArray(values) || typeof values[place] === "boolean")
        return configure.call(this, saved)
      const widgets_values = [...values.slice(0, place), false, ...values.slice(place)]
      return configure.call(this, { ...saved, widgets_values })
    }
  },
})
