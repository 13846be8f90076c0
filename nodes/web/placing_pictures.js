// The pictures that last reached a node, as nodes/placing_view.py sent them to the page.

import { api } from "../../scripts/api.js"
import { app } from "../../scripts/app.js"

const KEY = "dib_placing"
const RUNS = 24 // of the server's history that are searched
const NO_ID = "00000000-0000-0000-0000-000000000000" // of a graph that no file was loaded into

const isInSubgraph = (node) => node.graph?.isRootGraph === false

/** Whether a node's inputs are linked in a run to what they are linked to now, with its values. */
function isFedAlike(node, prompt) {
  return Object.entries(prompt[node.id]?.inputs ?? {}).every(([name, value]) => {
    if (!Array.isArray(value)) return true
    const origin = node.getInputNode(node.findInputSlot(name))
    const ran = prompt[value[0]]
    if (`${origin?.id}` !== value[0] || origin.comfyClass !== ran?.class_type) return false
    const isSame = (widget) => [widget.value, undefined].includes(ran.inputs[widget.name])
    return (origin.widgets ?? []).every(isSame) && isFedAlike(origin, prompt)
  })
}

/**
 * What a former run left: the page forgets it when it is loaded anew, and a run in which nothing
 * had changed tells of no node but the last. Of this workflow, or of pictures from the same nodes.
 */
async function recalled(node) {
  if (isInSubgraph(node)) return null // numbered otherwise in the server's history
  const answer = await api.fetchApi(`/history?max_items=${RUNS}`)
  const runs = Object.values(await answer.json()).sort((a, b) => b.prompt[0] - a.prompt[0])
  const found = runs.find(({ prompt: [, , prompt, extra], outputs }) => {
    if (!outputs[node.id]?.[KEY]) return false
    const id = extra?.extra_pnginfo?.workflow?.id
    const isThisWorkflow = id && id !== NO_ID && id === app.graph.id
    return isThisWorkflow || isFedAlike(node, prompt)
  })
  return found?.outputs[node.id][KEY][0] ?? null
}

async function loaded(file) {
  const image = new Image()
  image.src = api.apiURL(`/view?${new URLSearchParams(file)}`)
  await image.decode() // rejects where the server has lost the file
  return image
}

/** Keeps up with a node's runs. `current` has sizes, layout and images; null: nothing to show. */
export class Pictures {
  constructor(node, onChange) {
    Object.assign(this, { node, onChange, text: null, current: null, former: undefined })
    this.recall = async () => {
      this.former = await recalled(node).catch(() => null)
    }
    api.addEventListener("execution_success", this.recall)
  }

  remove() {
    api.removeEventListener("execution_success", this.recall)
  }

  async update() {
    if (this.former === undefined) {
      this.former = null
      this.recall()
    }
    const { id, graph } = this.node
    const kept = isInSubgraph(this.node) ? `${graph.id}:${id}` : id
    const text = app.nodeOutputs?.[kept]?.[KEY]?.[0] ?? this.former ?? null
    if (text === this.text) return
    this.text = text
    const found = text ? await this.read(text).catch(() => null) : null
    if (text !== this.text) return // another run ended meanwhile
    this.current = found
    this.onChange()
  }

  async read(text) {
    const told = JSON.parse(text)
    const [target, object] = await Promise.all([told.files.target, told.files.object].map(loaded))
    return { ...told, images: { target, object } }
  }
}
