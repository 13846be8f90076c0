'use strict'
// Cards are made for what is on the screen alone; all text of records is set as text, never as HTML.
const FIELDS = [
  'line', 'out', 'state', 'seconds', 'error', 'values', 'looks', 'key', 'box', 'hasCloseUp',
  'isChanged', 'noBefore', 'noAfter', 'result', 'source', 'mask', 'target', 'place', 'channel',
  'preset', 'doubt', 'notes',
]
const STATES = ['failed', 'look', 'good'], FAILED = 0, LOOK = 1
const TEXT = 86 + 6, GAP = 10 // pixels: the card's words and its frame, between cards
const FLEX = 1.8 // screens above and below that have their cards, too
const LUMA = '.299 .587 .114 0' // of a mask, ITU-R BT.601, as the batch takes it
const CHANNELS = {red: '1 0 0 0', green: '0 1 0 0', blue: '0 0 1 0', alpha: '0 0 0 1'}
const data = JSON.parse(document.getElementById('data').textContent)
const rails = data.rails
const rows = data.rows.map(cells => Object.fromEntries(FIELDS.map((name, n) => [name, cells[n]])))
const $ = id => document.getElementById(id)

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

// ---- figures in words

function number(rail, value) {
  const text = rail.unit == '%' ? (100 * value).toFixed(rail.digits) : value.toFixed(rail.digits)
  return (/[1-9]/.test(text) ? text : text.replace('-', '')) + rail.unit
}

function limit(rail, value) {
  if (rail.lowest === undefined && rail.highest === undefined) return ''
  const {lowest = -Infinity, highest = Infinity} = rail
  const isLow = value - lowest < highest - value
  return isLow ? `${number(rail, lowest)} at least` : `${number(rail, highest)} at most`
}

function range(rail) {
  if (rail.lowest === undefined || rail.highest === undefined) return limit(rail, 0)
  return `${number(rail, rail.lowest)} to ${number(rail, rail.highest)}`
}

function excess(rail, value) { // how far outside, as a share of the limit; below 0 inside
  if (rail.lowest === undefined && rail.highest === undefined) return value
  const {lowest = -Infinity, highest = Infinity} = rail
  const low = value - lowest, high = highest - value
  return low < high ? -low / Math.abs(lowest) : -high / Math.abs(highest)
}

function verdict(row) {
  if (row.state == FAILED) return `failed: ${row.error}`
  const isBad = new Set(row.looks)
  const known = rails.flatMap((rail, n) => (row.values[n] === null ? [] : [n]))
  const told = n => `${rails[n].words} ${number(rails[n], row.values[n])}`
  const far = n => (row.values[n] === null ? 0 : excess(rails[n], row.values[n]))
  const bad = [...row.looks].sort((a, b) => far(b) - far(a)).map(n => row.values[n] === null ? rails[n].words
    : `${told(n)} (${limit(rails[n], row.values[n])})`)
  const good = known.filter(n => !isBad.has(n) && limit(rails[n], row.values[n])).map(told)
  if (row.doubt) bad.unshift(row.doubt)
  const said = [bad.length ? `look: ${bad.join(', ')}` : '', ...row.notes,
    good.length ? `good: ${good.join(', ')}` : '']
  return said.filter(Boolean).join('; ') || 'no guard rails'
}

const badness = row => Math.max(-Infinity, ...rails.map((rail, n) =>
  row.values[n] === null || limit(rail, 0) == '' ? -Infinity : excess(rail, row.values[n])))
for (const row of rows) {
  row.badness = badness(row)
  row.found = `${row.line}\n${row.out}\n${row.preset}\n${row.error}\n${row.doubt}\n${row.notes}`
    .toLowerCase()
}

// ---- what is shown, in which order

const marks = new Set()
const STORE = `blending gallery ${data.results}`
try {
  for (const out of JSON.parse(localStorage.getItem(STORE) ?? '[]')) marks.add(out)
} catch { /* no storage for files: marks last as long as the page */ }
const view = {
  state: 'all', text: '', rail: '', sort: 'worst', turned: false, close: true, pair: true, size: 190,
}
try {
  const saved = JSON.parse(decodeURIComponent(location.hash.slice(1)) || '{}')
  for (const [key, value] of Object.entries(saved))
    if (typeof value == typeof view[key]) view[key] = value
} catch { /* another's words behind the # */ }
let list = [], current = 0

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
const names = new Intl.Collator('en', {numeric: true})
const SORTS = {
  worst: {words: 'faults first'},
  line: {words: 'line', key: row => row.line},
  name: {words: 'name'},
  seconds: {words: 'seconds', key: row => (row.state == FAILED && !row.seconds ? null : -row.seconds)},
}
rails.forEach((rail, n) => {
  const key = row => (row.values[n] === null ? null : -excess(rail, row.values[n]))
  SORTS[rail.name] = {words: rail.words, key, rail: n}
})

function ordered(chosen) {
  const sign = view.turned ? -1 : 1, {key} = SORTS[view.sort] ?? SORTS.worst
  if (view.sort == 'name') return chosen.sort((a, b) => sign * names.compare(a.out, b.out))
  if (key) { // what has no such figure comes last either way
    const keys = new Map(chosen.map(row => [row, key(row)]))
    return chosen.sort((a, b) => {
      const one = keys.get(a), other = keys.get(b)
      if (one === null || other === null) return compare(one === null, other === null)
      return sign * (one - other) || a.line - b.line
    })
  }
  return chosen.sort((a, b) =>
    sign * (a.state - b.state || compare(b.badness, a.badness)) || a.line - b.line)
}

function isChosen(row, state) {
  if (state == 'marked') return marks.has(row.out)
  return state == 'all' || STATES[row.state] == state
}

function choose() {
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean)
  const rail = rails.findIndex(one => one.name == view.rail)
  const near = rows.filter(row => words.every(word => row.found.includes(word)) &&
    (rail < 0 || row.looks.includes(rail)))
  const kept = list[current]
  list = ordered(near.filter(row => isChosen(row, view.state)))
  current = Math.max(0, list.indexOf(kept))
  for (const button of $('states').children) {
    const {state} = button.dataset
    button.lastChild.textContent = near.filter(row => isChosen(row, state)).length
    button.setAttribute('aria-pressed', state == view.state)
  }
  say()
  save()
  layOut()
}

function say() {
  const left = data.count - rows.length
  const more = left ? ` The best ${left} of ${data.count} are left out (--rows).` : ''
  const lost = rows.filter(row => row.state != FAILED && row.noAfter).length
  const gone = lost ? ` ${lost} results could not be read.` : ''
  $('note').textContent = `${list.length} of ${rows.length} rows, made ${data.made}.${more}${gone}`
  const counted = marks.size ? `Copy ${marks.size} marked` : `Copy ${list.length} names`
  $('copy').textContent = counted
}

function save() {
  history.replaceState(null, '', '#' + encodeURIComponent(JSON.stringify(view)))
}

// ---- the cards

const grid = $('grid'), cards = new Map()
let columns = 1, width = 1, height = 1

const picture = (row, name) => {
  const part = view.close && row.hasCloseUp ? '-close' : ''
  return `thumbnails/${row.key.slice(0, 2)}/${row.key}-${name}${part}.jpg`
}

function thumbnail(row, name) {
  const why = name == 'before' ? row.noBefore : row.noAfter
  const words = name == 'before' ? 'no plain paste: ' : 'no result: '
  if (why) return element('span', {class: 'gone'}, words + why)
  const shown = element('img', {loading: 'lazy', decoding: 'async', alt: name})
  shown.onerror = () => shown.replaceWith(
    element('span', {class: 'gone'}, 'its thumbnail is gone: make the gallery again'))
  shown.src = picture(row, name)
  return shown
}

function frame(row, first, second) {
  if (row.state == FAILED && first == 'after') {
    const why = element('span', {class: 'gone'}, `not blended: ${row.error}`)
    return element('span', {class: 'frame alone'}, why)
  }
  const words = {before: 'before', after: row.isChanged ? 'after, changed since' : 'after'}
  const labels = {'data-first': words[first], 'data-second': words[second]}
  return element('span', {class: 'frame', ...labels}, thumbnail(row, first), thumbnail(row, second))
}

// Many rows begin with the same folders: what tells them apart comes first.
const folderOf = out => out.split(/[\\/]/).slice(0, -1).join('/')
const nameOf = out => out.split(/[\\/]/).pop()

function facts(row) {
  const {rail} = SORTS[view.sort] ?? {}
  const took = row.seconds ? `${row.seconds.toFixed(1)} s` : ''
  const parts = [`line ${row.line}`, row.preset, took, folderOf(row.out)]
  const line = element('div', {class: 'facts'}, parts.filter(Boolean).join(' · '))
  if (rail !== undefined && row.values[rail] !== null) {
    const value = number(rails[rail], row.values[rail])
    line.prepend(element('b', {}, `${rails[rail].words} ${value}`), ' · ')
  }
  return line
}

function star(row) {
  const isMarked = marks.has(row.out)
  const made = element('button', {
    class: 'star', 'aria-pressed': isMarked, 'aria-label': `mark ${row.out}`, tabindex: -1,
    title: 'M: mark for the list',
  }, isMarked ? '★' : '☆')
  made.onclick = () => mark(row)
  return made
}

function card(row, index) {
  const link = element('a', {
    class: 'pictures', draggable: false, tabindex: index == current ? 0 : -1,
    'aria-label': `${row.out}, line ${row.line}, ${verdict(row)}`,
  })
  link.href = row.result || '#'
  const frames = [frame(row, 'after', 'before')]
  if (view.pair && !(row.state == FAILED && row.noBefore)) frames.unshift(frame(row, 'before', 'after'))
  link.append(...frames)
  link.onclick = event => {
    if (row.result && (event.ctrlKey || event.metaKey || event.shiftKey)) return
    event.preventDefault()
    if (!pressed.wasLong) open(index)
  }
  link.onfocus = () => become(index)
  const text = element('div', {class: 'text'},
    element('div', {class: 'out', title: row.out}, nameOf(row.out)), facts(row),
    element('div', {class: 'words', title: verdict(row)},
      row.state == FAILED ? 'failed' : verdict(row)), star(row))
  const kind = row.state > LOOK && row.badness == -Infinity ? 'none' : STATES[row.state]
  const place = {'aria-posinset': index + 1, 'aria-setsize': list.length}
  return element('article', {class: `card ${kind}`, role: 'listitem', ...place}, link, text)
}

function layOut() {
  for (const one of cards.values()) one.remove()
  cards.clear()
  grid.querySelector('p')?.remove()
  const least = view.size * (view.pair ? 2 : 1)
  const room = grid.clientWidth
  columns = Math.max(1, Math.floor((room + GAP) / (least + GAP)))
  width = Math.floor((room - GAP * (columns - 1)) / columns)
  height = Math.round(Math.min(width / (view.pair ? 2 : 1), 1.25 * view.size)) + TEXT
  grid.style.height = `${Math.ceil(list.length / columns) * (height + GAP)}px`
  if (!list.length) grid.append(element('p', {}, 'No row is like that.'))
  draw()
}

function draw() {
  const top = window.scrollY - grid.offsetTop, screen = window.innerHeight
  const from = Math.floor((top - (FLEX - 1) * screen) / (height + GAP)) * columns
  const to = Math.ceil((top + FLEX * screen) / (height + GAP)) * columns
  for (const [index, one] of cards) {
    if ((index < from || index >= to) && !one.contains(document.activeElement)) {
      one.remove()
      cards.delete(index)
    }
  }
  for (let index = Math.max(0, from); index < Math.min(to, list.length); index++) {
    if (cards.has(index)) continue
    const one = card(list[index], index)
    Object.assign(one.style, {
      left: `${(index % columns) * (width + GAP)}px`, width: `${width}px`,
      top: `${Math.floor(index / columns) * (height + GAP)}px`, height: `${height}px`,
    })
    one.firstChild.style.height = `${height - TEXT}px`
    cards.set(index, one)
    grid.append(one)
  }
}

function become(index) {
  cards.get(current)?.firstChild.setAttribute('tabindex', -1)
  current = index
  cards.get(current)?.firstChild.setAttribute('tabindex', 0)
}

function go(index) {
  become(Math.min(Math.max(index, 0), list.length - 1))
  const top = grid.offsetTop + Math.floor(current / columns) * (height + GAP)
  const bar = document.querySelector('header')
  const head = getComputedStyle(bar).position == 'sticky' ? bar.offsetHeight : 0
  if (top < window.scrollY + head) window.scrollTo(0, top - head - GAP)
  if (top + height > window.scrollY + window.innerHeight)
    window.scrollTo(0, top + height + GAP - window.innerHeight)
  draw()
  cards.get(current)?.firstChild.focus({preventScroll: true})
}

function redraw(row) {
  for (const [index, one] of cards) {
    if (list[index] === row) one.querySelector('.star').replaceWith(star(row))
  }
}

function mark(row) {
  if (!marks.delete(row.out)) marks.add(row.out)
  try {
    localStorage.setItem(STORE, JSON.stringify([...marks]))
  } catch { /* no storage */ }
  if (view.state == 'marked') choose()
  for (const button of $('states').children)
    if (button.dataset.state == 'marked') button.lastChild.textContent = marks.size
  redraw(row)
  say()
  $('mark').setAttribute('aria-pressed', marks.has(row.out))
}

async function copy() {
  const chosen = marks.size ? rows.filter(row => marks.has(row.out)) : list
  const text = chosen.map(row => `${row.line}\t${row.out}\t${verdict(row)}\n`).join('')
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    const area = element('textarea')
    area.value = text
    document.body.append(area)
    area.select()
    document.execCommand('copy')
    area.remove()
  }
  $('copy').textContent = `Copied ${chosen.length}`
}

// ---- the full picture

const viewer = $('viewer'), stage = $('stage')
const SVG = 'http://www.w3.org/2000/svg'
let size = [1, 1], turn = 0, opened = 0

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

const loaded = address => new Promise((resolve, reject) => {
  const shown = new Image()
  shown.onload = () => resolve(shown)
  shown.onerror = () => reject(new Error(address))
  shown.src = address
})

// The plain paste at full size, put together by the browser: no file holds it.
async function paste(row) {
  if (!row.source || !row.target || row.place.length < 3) throw new Error('no files')
  const needed = [row.target, row.source, ...(row.mask ? [row.mask] : [])]
  const [target, source] = await Promise.all(needed.map(loaded))
  const [left, top, scale] = row.place
  const box = {
    x: left, y: top, preserveAspectRatio: 'none',
    width: Math.max(1, Math.round(source.naturalWidth * scale)),
    height: Math.max(1, Math.round(source.naturalHeight * scale)),
  }
  const [width, height] = [target.naturalWidth, target.naturalHeight]
  const made = svg('svg', {viewBox: `0 0 ${width} ${height}`, class: 'paste'})
  made.append(svg('image', {href: row.target, width, height}))
  const pasted = svg('image', {href: row.source, ...box})
  if (!row.mask) {
    made.append(pasted)
    return made
  }
  const [channel, isInverted] = row.channel
  const taken = CHANNELS[channel] ?? LUMA
  const line = isInverted ? taken.replace(/[\d.]+/g, one => -one) + ' 1' : taken + ' 0'
  const matrix = svg('feColorMatrix', {values: `${line} ${line} ${line} 0 0 0 0 1`})
  const filter = svg('filter', {
    id: 'channel', x: 0, y: 0, width: 1, height: 1, 'color-interpolation-filters': 'sRGB',
  }, matrix)
  const shape = svg('image', {href: row.mask, filter: 'url(#channel)', ...box})
  const frame = {maskUnits: 'userSpaceOnUse', x: 0, y: 0, width, height}
  const mask = svg('mask', {id: 'taken', ...frame}, shape)
  made.append(svg('defs', {}, filter, mask), svg('g', {mask: 'url(#taken)'}, pasted))
  return made
}

async function show(row) {
  const mine = ++turn
  const ours = (result, before) => {
    if (mine == turn) $('picture').replaceChildren(result, before)
  }
  const thumb = (name, className) => {
    const shown = element('img', {alt: name, class: className})
    shown.src = `thumbnails/${row.key.slice(0, 2)}/${row.key}-${name}.jpg`
    return shown
  }
  const paper = row.noBefore ? element('p', {class: 'paste'}, `no plain paste: ${row.noBefore}`)
    : thumb('before', 'paste')
  fill(row)
  stage.querySelector(':scope > p')?.remove()
  $('picture').replaceChildren()
  $('picture').hidden = false
  let result = null, before = null, words = ''
  try {
    if (row.state != FAILED) result = await loaded(row.result || 'none:')
  } catch {
    if (!row.noAfter) result = await loaded(thumb('after').src).catch(() => null)
    words = result ? 'The browser cannot show the file: its thumbnail.'
      : `no result: ${row.noAfter || 'the file is gone'}`
  }
  if (mine != turn) return
  if (result) size = [result.naturalWidth, result.naturalHeight]
  else if (!row.noBefore) {
    before = await loaded(thumb('before').src).catch(() => null)
    if (before) size = [before.naturalWidth, before.naturalHeight]
  }
  if (mine != turn) return
  tell(row.state == FAILED ? `not blended${before ? ': the plain paste' : ''}` : words)
  $('picture').hidden = !result && !before
  if (result) result.alt = 'after'
  fit()
  ours(result ?? before ?? '', paper)
  try {
    const drawn = await paste(row)
    if (result) ours(result, drawn)
  } catch { /* the thumbnail stays */ }
  const next = list[current + 1]
  if (mine == turn && next?.result) loaded(next.result).catch(() => null)
}

function tell(words) {
  if (words) stage.prepend(element('p', {role: 'status'}, words))
}

function fit() {
  const isFull = stage.classList.contains('full')
  const [width, height] = size
  const words = stage.querySelector(':scope > p')?.offsetHeight ?? 0
  const room = [stage.clientWidth, stage.clientHeight - words]
  const scale = isFull ? 1 / devicePixelRatio : Math.min(room[0] / width, room[1] / height)
  const shown = [width * scale, height * scale]
  Object.assign($('picture').style, {width: `${shown[0]}px`, height: `${shown[1]}px`})
  const {box} = list[current]
  if (isFull && box.length) {
    stage.scrollLeft = (box[0] + box[2] / 2) * scale - room[0] / 2
    stage.scrollTop = (box[1] + box[3] / 2) * scale - room[1] / 2
  }
}

function fact(rail, n, row) {
  const value = row.values[n]
  const isBad = row.looks.includes(n)
  const line = element('tr', isBad ? {class: 'bad'} : {})
  const shown = value === null ? '–' : number(rail, value)
  const words = range(rail)
  line.append(element('td', {}, rail.words, ...(words ? [element('small', {}, words)] : [])),
    element('td', {}, shown))
  return line
}

function fileName(address) {
  const last = address.split('/').pop()
  try {
    return decodeURIComponent(last)
  } catch { // bytes that are no UTF-8
    return last
  }
}

function fill(row) {
  $('name').textContent = row.out
  $('mark').setAttribute('aria-pressed', marks.has(row.out))
  $('previous').disabled = current == 0
  $('next').disabled = current == list.length - 1
  $('file').hidden = !row.result
  $('file').href = row.result || '#'
  viewer.setAttribute('aria-label', row.out)
  const said = row.state == FAILED ? row.error : row.isChanged ? 'The file was changed since.' : ''
  const place = row.place.length < 3 ? '' : `at ${row.place[0]}, ${row.place[1]}` +
    (row.place[2] == 1 ? '' : `, scale ${row.place[2]}`)
  const about = [`line ${row.line}, ${current + 1} of ${list.length}`, row.preset, place,
    row.seconds ? `${row.seconds.toFixed(2)} s` : ''].filter(Boolean).join(' · ')
  const files = ['source', 'mask', 'target', 'result'].filter(name => row[name]).map(name => {
    const link = element('a', {target: '_blank', rel: 'noopener'}, fileName(row[name]))
    link.href = row[name]
    return element('p', {}, `${name} `, link)
  })
  const table = element('table', {}, ...rails.map((rail, n) => fact(rail, n, row)))
  const known = row.values.some(value => value !== null)
  $('facts').className = STATES[row.state]
  $('facts').replaceChildren(element('h2', {}, STATES[row.state]), element('p', {}, about),
    ...[said, row.doubt, ...row.notes].filter(Boolean).map(one => element('p', {}, one)), ...(known ? [table] : []),
    element('h2', {}, 'files'), ...files)
}

function open(index) {
  become(index)
  opened = index
  stage.classList.remove('full')
  $('zoom').setAttribute('aria-pressed', false)
  if (!viewer.open) viewer.showModal()
  stage.focus()
  show(list[index])
}

function step(by) {
  const index = current + by
  if (index >= 0 && index < list.length) open(index)
}

function swap(isBefore) {
  viewer.classList.toggle('pasted', isBefore)
  $('before').setAttribute('aria-pressed', isBefore)
}

function zoom() {
  const isFull = stage.classList.toggle('full')
  $('zoom').setAttribute('aria-pressed', isFull)
  fit()
}

// ---- what people do

const pressed = {wasLong: false, timer: 0, card: null}
grid.addEventListener('pointerdown', event => {
  pressed.wasLong = false
  pressed.card = event.target.closest?.('.pictures') ?? null
  pressed.timer = setTimeout(() => {
    pressed.wasLong = true
    pressed.card?.classList.add('swapped')
  }, 250)
})
function release() {
  clearTimeout(pressed.timer)
  pressed.card?.classList.remove('swapped')
  if (viewer.open && $('before').dataset.held != 'on') swap(false)
}
for (const name of ['pointerup', 'pointercancel']) window.addEventListener(name, release)
grid.addEventListener('contextmenu', event => pressed.wasLong && event.preventDefault())
stage.addEventListener('pointerdown', event => event.button == 0 && swap(true))
stage.addEventListener('dblclick', zoom)
$('before').onclick = () => {
  const isOn = $('before').dataset.held != 'on'
  $('before').dataset.held = isOn ? 'on' : ''
  swap(isOn)
}
$('zoom').onclick = zoom
$('previous').onclick = () => step(-1)
$('next').onclick = () => step(1)
$('mark').onclick = () => mark(list[current])
$('leave').onclick = () => viewer.close()
viewer.addEventListener('close', () => {
  turn += 1
  go(opened) // the browser has given the focus back to the card that was opened first
})
$('copy').onclick = copy
$('help').onclick = () => $('keys').showModal()
$('turn').onclick = () => change({turned: !view.turned})
$('close').onclick = () => change({close: !view.close})
$('pair').onclick = () => change({pair: !view.pair})
$('size').oninput = () => change({size: Number($('size').value)})
$('sort').onchange = () => change({sort: $('sort').value, turned: false})
$('rail').onchange = () => change({rail: $('rail').value, ...($('rail').value
  ? {sort: $('rail').value, turned: false} : {sort: 'worst'})})
$('text').oninput = () => change({text: $('text').value})

function change(changes) {
  const isOrder = 'sort' in changes || 'turned' in changes || 'state' in changes
  Object.assign(view, changes)
  if (isOrder) list = []
  reflect()
  choose()
  if (isOrder) window.scrollTo(0, Math.min(window.scrollY, grid.offsetTop - GAP))
}

function reflect() {
  $('turn').textContent = view.turned ? '↑' : '↓'
  $('turn').setAttribute('aria-pressed', view.turned)
  $('close').setAttribute('aria-pressed', view.close)
  $('pair').setAttribute('aria-pressed', view.pair)
  for (const name of ['sort', 'rail', 'text', 'size'])
    if ($(name).value != view[name]) $(name).value = view[name]
}

const STEPS = {ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: () => columns,
  ArrowUp: () => -columns, Home: () => -current, End: () => list.length,
  PageDown: () => columns * Math.max(1, Math.floor(innerHeight / (height + GAP))),
  PageUp: () => -columns * Math.max(1, Math.floor(innerHeight / (height + GAP)))}

function before(isDown) {
  if (viewer.open) swap(isDown)
  else cards.get(current)?.firstChild.classList.toggle('swapped', isDown)
}

document.addEventListener('keyup', event => event.key.toLowerCase() == 'b' && before(false))
document.addEventListener('keydown', event => {
  const isTyping = event.target.matches('input:not([type=range]), select, textarea')
  if (event.ctrlKey || event.metaKey || event.altKey || $('keys').open) return
  const key = event.key.length == 1 ? event.key.toLowerCase() : event.key
  if (isTyping) {
    if (key == 'Escape' && event.target === $('text')) change({text: ''})
    if (key == 'Enter' && event.target === $('text')) go(0)
    return
  }
  if (event.target.matches('[type=range]') && key in STEPS) return
  const row = list[current]
  const isFull = stage.classList.contains('full')
  const actions = {'/': () => $('text').focus(), c: () => change({close: !view.close}),
    p: () => change({pair: !view.pair})}
  if (row) Object.assign(actions, {m: () => mark(row), b: () => before(true)})
  if (viewer.open) {
    delete actions['/']
    if (!event.target.matches('button, a'))
      actions[' '] = () => $('before').click()
    Object.assign(actions, {z: zoom})
    if (!isFull) Object.assign(actions, {ArrowRight: () => step(1), ArrowLeft: () => step(-1)})
    Object.assign(actions, {PageDown: () => step(1), PageUp: () => step(-1)})
  } else if (key in STEPS && list.length) {
    const isOnCard = event.target.closest?.('.card')
    actions[key] = () => go(isOnCard ? current + STEPS[key]() : current)
  }
  if (!actions[key]) return
  event.preventDefault()
  actions[key]()
})

let frameAsked = 0
window.addEventListener('scroll', () => {
  frameAsked ||= requestAnimationFrame(() => { frameAsked = 0; draw() })
}, {passive: true})
window.addEventListener('resize', () => { layOut(); if (viewer.open) fit() })

for (const state of ['all', ...STATES, 'marked']) {
  const word = state[0].toUpperCase() + state.slice(1)
  const button = element('button', {'data-state': state}, `${word} `, element('b'))
  button.onclick = () => change({state})
  $('states').append(button)
}
for (const [value, {words}] of Object.entries(SORTS))
  $('sort').append(element('option', {value}, words))
$('rail').append(element('option', {value: ''}, 'any guard rail'))
rails.forEach((rail, n) => {
  const count = rows.filter(row => row.looks.includes(n)).length
  if (count) $('rail').append(element('option', {value: rail.name}, `${rail.words} ${count}`))
})
reflect()
choose()
