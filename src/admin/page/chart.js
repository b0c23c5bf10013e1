// Lines over the last minutes, drawn as SVG: with words for who can't see them,
// and a cursor for pointer and keys alike.
import { el, setAttribute, setText, svg } from './dom.js'
import { moment } from './format.js'
import { SECONDS } from './history.js'

const HEIGHT = 150
const EDGE = { top: 8, right: 8, bottom: 18, left: 52 }
const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }

/**
 * A chart of `series`, a list of `{ name, label, className, area }` whose names
 * are members of the samples. `format` writes a value; `log` is for values that
 * span magnitudes, of which none is below one; `present(sample)` says whether
 * there is something to draw.
 */
export class Chart {
    #options
    #plot
    #grid = svg('g', { class: 'grid', 'aria-hidden': 'true' })
    #lines
    #mark = svg('line', { class: 'cursor', y1: EDGE.top, y2: HEIGHT - EDGE.bottom, visibility: 'hidden' })
    #summary = el('p', { class: 'summary' })
    #when = el('span', { class: 'when' })
    #values
    #samples = []
    /** How many seconds before the newest sample the cursor is; -1: it is not shown. */
    #back = -1
    #width = 0

    constructor(parent, options) {
        this.#options = options
        this.#lines = options.series.map((series) => svg('path', { class: `line ${series.className}` }))
        const areas = options.series.map((series) => (series.area ? svg('path', { class: `area ${series.className}` }) : null))
        this.#lines.forEach((line, index) => { line.area = areas[index] })
        this.#plot = svg('svg', {
            class: 'plot',
            height: HEIGHT,
            tabindex: '0',
            role: 'slider',
            'aria-label': `${options.title}, the last five minutes; arrow keys go through the seconds`,
            'aria-valuemin': -(SECONDS - 1),
            'aria-valuemax': 0,
            'aria-valuenow': 0,
            'aria-valuetext': 'now',
        }, this.#grid, ...areas.filter(Boolean), ...this.#lines, this.#mark)
        this.#values = options.series.map(() => el('b'))
        const legend = el('ul', { class: 'legend' }, ...options.series.map((series, index) =>
            el('li', {}, el('i', { class: `swatch ${series.className}`, 'aria-hidden': 'true' }), `${series.label} `, this.#values[index])))
        parent.append(el('figure', { class: 'panel chart' },
            el('figcaption', {}, el('h2', {}, options.title), this.#when), legend, this.#plot, this.#summary))

        this.#plot.addEventListener('pointermove', (event) => this.#point(event))
        this.#plot.addEventListener('pointerleave', () => this.#move(-1))
        this.#plot.addEventListener('blur', () => this.#move(-1))
        this.#plot.addEventListener('keydown', (event) => this.#key(event))
        new ResizeObserver(([entry]) => {
            this.#width = Math.floor(entry.contentRect.width)
            this.#draw()
        }).observe(this.#plot)
    }

    show(samples) {
        this.#samples = samples
        this.#draw()
    }

    #key(event) {
        const to = event.key === 'Home' ? SECONDS : event.key === 'End' ? 0 : event.key === 'Escape' ? -1
            : event.key in STEPS ? Math.max(0, Math.max(0, this.#back) - STEPS[event.key]) : undefined
        if (to === undefined) return
        event.preventDefault()
        this.#move(to)
    }

    #point(event) {
        const inner = this.#width - EDGE.left - EDGE.right
        const x = event.clientX - this.#plot.getBoundingClientRect().left - EDGE.left
        this.#move(Math.min(Math.max(0, Math.round((1 - x / inner) * (SECONDS - 1))), SECONDS))
    }

    #move(back) {
        this.#back = back < 0 ? -1 : Math.min(back, Math.max(0, this.#samples.length - 1))
        this.#readOut()
        // Only where somebody put it: what moves by itself would be read out.
        const shown = this.#back >= 0
        const sample = this.#at()
        setAttribute(this.#plot, 'aria-valuenow', shown ? -this.#back : 0)
        setAttribute(this.#plot, 'aria-valuetext', shown && sample ? `${moment(sample.at_ms)}: ${this.#said(sample)}` : 'now')
    }

    #at() {
        return this.#samples.at(-1 - Math.max(0, this.#back))
    }

    #said(sample) {
        return this.#options.series.map((series) => `${series.label} ${this.#options.format(sample[series.name])}`).join(', ')
    }

    #readOut() {
        const sample = this.#at()
        this.#options.series.forEach((series, index) => {
            setText(this.#values[index], sample ? this.#options.format(sample[series.name]) : '–')
        })
        setText(this.#when, this.#back >= 0 && sample ? moment(sample.at_ms) : '')
        const x = this.#x(Math.max(0, this.#back))
        setAttribute(this.#mark, 'visibility', this.#back >= 0 ? 'visible' : 'hidden')
        setAttribute(this.#mark, 'x1', x)
        setAttribute(this.#mark, 'x2', x)
    }

    #x(back) {
        const inner = this.#width - EDGE.left - EDGE.right
        return Math.round((EDGE.left + inner * (1 - back / (SECONDS - 1))) * 10) / 10
    }

    #draw() {
        if (this.#width === 0) return
        const present = this.#options.present ?? (() => true)
        const drawn = this.#samples.filter(present)
        const values = drawn.flatMap((sample) => this.#options.series.map((series) => sample[series.name]))
        const scale = this.#options.log ? logarithmic(values) : linear(values)
        const inner = HEIGHT - EDGE.top - EDGE.bottom
        const y = (value) => Math.round((EDGE.top + inner * (1 - scale.at(value))) * 10) / 10

        setAttribute(this.#plot, 'viewBox', `0 0 ${this.#width} ${HEIGHT}`)
        this.#grid.replaceChildren(
            ...scale.ticks.flatMap((tick) => [
                svg('line', { x1: EDGE.left, x2: this.#width - EDGE.right, y1: y(tick), y2: y(tick) }),
                svg('text', { x: EDGE.left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, this.#options.tick(tick)),
            ]),
            ...[4, 3, 2, 1, 0].map((minutes) => svg('text', {
                x: this.#x(minutes * 60),
                y: HEIGHT - 4,
                'text-anchor': minutes === 0 ? 'end' : 'middle',
            }, minutes === 0 ? 'now' : `−${minutes} min`)),
        )
        const newest = this.#samples.at(-1)?.at_ms ?? 0
        this.#options.series.forEach((series, index) => {
            const { line, area } = paths(this.#samples, present, (sample) =>
                [this.#x((newest - sample.at_ms) / 1_000), y(sample[series.name])], HEIGHT - EDGE.bottom)
            // Nothing but noughts would hide the axis.
            const seen = series.summed || drawn.some((sample) => sample[series.name] > 0)
            this.#lines[index].setAttribute('d', seen ? line : '')
            this.#lines[index].area?.setAttribute('d', area)
        })
        setText(this.#summary, this.#summed(drawn))
        this.#readOut()
    }

    #summed(drawn) {
        const { series, format } = this.#options
        if (drawn.length === 0) return 'Nothing in the last five minutes.'
        const parts = series.filter((one) => one.summed).map((one) => {
            const values = drawn.map((sample) => sample[one.name])
            return `${one.label} between ${format(Math.min(...values))} and ${format(Math.max(...values))}`
        })
        const said = parts.length === 1 ? parts[0].slice(parts[0].indexOf('between')) : parts.join('; ')
        return `${said[0].toUpperCase()}${said.slice(1)}.`
    }
}

/** Lines through the points of `samples`, with a gap where there is nothing or a second is missing. */
function paths(samples, present, place, floor) {
    let line = ''
    let area = ''
    let run = []
    const end = () => {
        if (run.length === 0) return
        // A second by itself would be a line without length.
        const points = run.length === 1 ? [run[0], [run[0][0] + 1, run[0][1]]] : run
        const through = points.map(([x, y]) => `${x} ${y}`).join('L')
        line += `M${through}`
        area += `M${points[0][0]} ${floor}L${through}L${points.at(-1)[0]} ${floor}Z`
        run = []
    }
    let before
    for (const sample of samples) {
        if (!present(sample) || (before !== undefined && sample.at_ms - before > 2_500)) end()
        before = sample.at_ms
        if (present(sample)) run.push(place(sample))
    }
    end()
    return { line, area }
}

/** From nought to a round number, with a few round ones between. */
function linear(values) {
    const most = Math.max(4, ...values)
    const magnitude = 10 ** Math.floor(Math.log10(most / 2))
    const step = [1, 2, 5, 10].map((n) => n * magnitude).find((step) => step * 4 >= most)
    const top = Math.ceil(most / step) * step
    const ticks = []
    for (let tick = 0; tick <= top; tick += step) ticks.push(tick)
    return { at: (value) => value / top, ticks }
}

/** From a power of ten to a power of ten. */
function logarithmic(values) {
    const known = values.filter((value) => value > 0)
    const low = known.length > 0 ? Math.floor(Math.log10(Math.min(...known))) : 1
    const high = Math.max(low + 1, known.length > 0 ? Math.ceil(Math.log10(Math.max(...known))) : 4)
    const ticks = []
    for (let power = low; power <= high; power += 1) ticks.push(10 ** power)
    return { at: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low), ticks }
}
