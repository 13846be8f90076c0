// The page's language, as its first two letters.

import { app } from "../../scripts/app.js"

export function language() {
  const locale = app.extensionManager?.setting?.get("Comfy.Locale") ?? "en"
  return String(locale).slice(0, 2)
}
