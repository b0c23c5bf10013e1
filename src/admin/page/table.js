// Tables that are brought up to date in place, can be sorted and turned over,
// and become cards on a narrow screen.
import { el, focusView, reconcile, setAttribute, setText } from './dom.js'
import { count, foreign } from './format.js'

/**
 * A table. Each column has a `title` and one of
 * - `text(item)`: what the cell says;
 * - `foreign(item)`: the same, of text that a client chose;
 * - `action(item)`: `{ label, name, run }`, a button; nothing: no button;
 * with `numeric`, `wraps` (what is long may go on in a next line), `long` (the title in full), `sort(item)` and `mark(item)`, a
 * word for the style sheet. `empty` is said in place of no rows.
 */
export class Table {
    #columns
    #body
    #key
    #sorted
    #items = []
    #empty
    #scroll

    constructor(parent, { caption, columns, key, empty, sorted }) {
        this.#columns = columns
        this.#key = key
        this.#sorted = sorted
        this.#empty = el('p', { class: 'empty', hidden: '' }, ...[empty].flat())
        this.#body = el('tbody', { role: 'rowgroup' })
        const head = el('tr', { role: 'row' }, ...columns.map((column) => this.#heading(column)))
        // The roles are what the elements have; a style sheet that turns rows
        // into cards would take them away.
        const table = el('table', { role: 'table' },
            el('caption', {}, caption), el('thead', { role: 'rowgroup' }, head), this.#body)
        this.#scroll = el('div', { class: 'scroll' }, table)
        parent.append(this.#scroll, this.#empty)
    }

    #heading(column) {
        const title = column.long ? el('abbr', { title: column.long }, column.title) : column.title
        const cell = el('th', { role: 'columnheader', scope: 'col', class: column.numeric ? 'number' : undefined })
        if (column.sort) {
            cell.append(el('button', { type: 'button', class: 'sort', onclick: () => this.#sortBy(column) }, title))
        } else if (column.action) {
            cell.append(el('span', { class: 'unseen' }, column.title))
        } else {
            cell.append(title)
        }
        column.heading = cell
        return cell
    }

    #sortBy(column) {
        const again = this.#sorted?.title === column.title
        // Most first for numbers, A first for names; the other way the second time.
        const down = again ? !this.#sorted.down : Boolean(column.numeric)
        this.#sorted = { title: column.title, down }
        this.show(this.#items)
    }

    show(items) {
        this.#items = items
        const by = this.#columns.find((column) => column.title === this.#sorted?.title)
        const ordered = by ? [...items].sort((a, b) => compare(by.sort(a), by.sort(b), this.#sorted.down)) : items
        for (const column of this.#columns.filter((column) => column.sort)) {
            setAttribute(column.heading, 'aria-sort', column === by ? (this.#sorted.down ? 'descending' : 'ascending') : undefined)
        }
        reconcile(this.#body, ordered, this.#key, () => this.#row(), (row, item) => this.#fill(row, item))
        this.#scroll.hidden = items.length === 0
        this.#empty.hidden = items.length > 0
    }

    #row() {
        const row = el('tr', { role: 'row' })
        this.#columns.forEach((column, index) => {
            const role = index === 0 ? 'rowheader' : 'cell'
            const kind = column.action ? 'action' : column.numeric ? 'number' : undefined
            const cell = el(index === 0 ? 'th' : 'td', { role, class: kind, 'data-label': column.title })
            if (index === 0) cell.setAttribute('scope', 'row')
            if (column.wraps) cell.setAttribute('data-wraps', '')
            if (column.foreign) cell.append(el('bdi', { class: 'foreign' }))
            if (column.action) {
                cell.append(el('button', { type: 'button', onclick: () => column.action(row.item)?.run() }))
            }
            row.append(cell)
        })
        return row
    }

    #fill(row, item) {
        row.item = item
        this.#columns.forEach((column, index) => {
            const cell = row.children[index]
            if (column.mark) setAttribute(cell, 'data-mark', column.mark(item))
            if (column.action) {
                const action = column.action(item)
                const button = cell.firstElementChild
                const focused = button === document.activeElement
                button.hidden = action === undefined
                // Done, and not to be done again: the focus stays in the row.
                if (focused && button.hidden) row.querySelector('.action button:not([hidden])')?.focus({ preventScroll: true })
                if (action) {
                    setText(button, foreign(action.label))
                    setAttribute(button, 'aria-label', action.name)
                }
            } else if (column.foreign) {
                setText(cell.firstElementChild, foreign(column.foreign(item)))
            } else {
                setText(cell, column.text(item))
            }
        })
    }
}

function compare(a, b, down) {
    const order = typeof a === 'number' ? a - b : String(a).localeCompare(String(b))
    return down ? -order : order
}

/** What a list that skep gives in parts is at, and the way to its other parts. */
export class Pages {
    #offset = 0
    #total = 0
    #where = el('p')
    #before = el('button', { type: 'button', onclick: () => this.#turn(-1) }, 'Previous')
    #after = el('button', { type: 'button', onclick: () => this.#turn(1) }, 'Next')
    #size
    #turned

    constructor(parent, size, turned) {
        this.#size = size
        this.#turned = turned
        parent.append(el('div', { class: 'pages' }, this.#where, this.#before, this.#after))
    }

    get query() {
        return { limit: this.#size, offset: this.#offset }
    }

    /** Back to the first part: something else is searched for. */
    reset() {
        this.#offset = 0
    }

    /** True if there is something to show; else this page is gone and an earlier one is asked for. */
    show(total, shown) {
        this.#total = total
        if (shown === 0 && this.#offset > 0) {
            this.#offset = Math.max(0, Math.floor((total - 1) / this.#size)) * this.#size
            this.#turned()
            return false
        }
        const from = this.#offset + 1
        // While all fit, only the number is of interest, and it is in the rows.
        setText(this.#where, total > this.#size ? `${count(from)} to ${count(this.#offset + shown)} of ${count(total)}` : '')
        const focused = [this.#before, this.#after].find((button) => button === document.activeElement)
        this.#before.hidden = this.#after.hidden = total <= this.#size
        this.#before.disabled = this.#offset === 0
        this.#after.disabled = this.#offset + this.#size >= total
        // At the first or the last part: to the way back, if there is one.
        if (focused?.hidden) focusView()
        else if (focused?.disabled) (focused === this.#before ? this.#after : this.#before).focus()
        return true
    }

    #turn(by) {
        const last = Math.max(0, Math.floor((this.#total - 1) / this.#size)) * this.#size
        this.#offset = Math.min(Math.max(0, this.#offset + by * this.#size), last)
        this.#turned()
    }
}
