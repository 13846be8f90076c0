// The lines that the server writes on our nodes, from English into the page's language.

import { LINES as ja } from "./lines_ja.js"
import { LINES as ko } from "./lines_ko.js"
import { LINES as zh } from "./lines_zh.js"

const TABLES = { ja, ko, zh }
const NUMBER = "[-+]?\\d[\\d.]*(?:e[-+]?\\d+)?%?"
const RANGE = `(${NUMBER}(?: to ${NUMBER})?)`
const [BETWEEN, AMONG, SPAN] = ["; ", ", ", "～"] // sentences, members of a list, ends of a range

/** Translations by their English: `{1}` stands for a number or a range, `{x}` for any words. */
export function table(language) {
  return TABLES[language] ?? {}
}

/** A line, sentence by sentence; what a table does not know stays English. */
export function translated(line, table) {
  const templates = Object.keys(table).sort((one, other) => other.length - one.length)
  const known = templates.map((template) => [pattern(template), template])
  const sentences = line.split(/; |\n/).map((sentence) => phrase(sentence, known, table))
  return sentences.join(table[BETWEEN] ?? BETWEEN)
}

function phrase(words, known, table) {
  for (const [found, template] of known) {
    const values = found.exec(words)?.groups
    if (values) return filled(table[template], values, known, table)
  }
  const members = words.split(AMONG)
  if (members.length === 1) return words
  const said = members.map((member) => phrase(member, known, table))
  const isKnown = said.some((member, number) => member !== members[number])
  return isKnown ? said.join(table[AMONG]) : words
}

function filled(text, values, known, table) {
  return text.replace(/\{(\w)\}/g, (_, name) => {
    const value = values[`_${name}`]
    return isNumber(name) ? value.replace(" to ", SPAN) : phrase(value, known, table)
  })
}

function pattern(template) {
  const parts = template.split(/\{(\w)\}/).map((part, number) => {
    if (number % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
    return `(?<_${part}>${isNumber(part) ? RANGE : ".+"})`
  })
  return new RegExp(`^(?<_>)${parts.join("")}$`)
}

function isNumber(name) {
  return name >= "0" && name <= "9"
}
