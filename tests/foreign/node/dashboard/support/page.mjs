// The page in a browser, and what an operator does and waits for on it.
import assert from 'node:assert/strict'
import { browser as launch } from '../../browse.mjs'
import { given, inTime } from '../../peer.mjs'

/** In the order of the links to them. */
export const VIEWS = ['overview', 'clients', 'sessions', 'events', 'console']

/** What a browser notes of each request that nobody answers. */
export const unanswered = (line) => line.includes('Failed to load resource')

/**
 * A tab with the dashboard. Fails in the end if the page said something to the
 * console that is not `expected`, broke its own rules, or asked anybody else for
 * anything.
 */
export async function onPage(use, { view, options = {}, url = given('SKEP_ADMIN'), expected = () => false } = {}) {
    const browser = await launch()
    try {
        const context = await browser.newContext(options)
        const tab = await context.newPage()
        const complaints = []
        tab.on('console', (line) => complaints.push(`${line.type()}: ${line.text()}`))
        tab.on('pageerror', (error) => complaints.push(`error: ${error}`))
        tab.on('dialog', (dialog) => { complaints.push('a dialog of the browser'); dialog.dismiss() })
        tab.on('request', (asked) => {
            if (!asked.url().startsWith(url) && !asked.url().startsWith('data:')) complaints.push(`asks for ${asked.url()}`)
        })
        await tab.addInitScript(() => {
            addEventListener('securitypolicyviolation', (event) => console.error('violates', event.violatedDirective))
        })
        await tab.goto(view ? `${url}#${view}` : url)
        await use(tab)
        assert.deepEqual(complaints.filter((line) => !expected(line)), [])
    } finally {
        await browser.close()
    }
}

/** Waits until `look`, run in the page with `seek`, is true. */
export function becomes(tab, what, look, seek) {
    return inTime(what, tab.waitForFunction(look, seek, { timeout: 0, polling: 50 }))
}

/** Waits until the element of this id has `expected` in its text. */
export const says = (tab, id, expected) => becomes(tab, `#${id} says ${expected}`,
    ([id, expected]) => document.getElementById(id).textContent.includes(expected), [id, expected])

/** Waits until the dialog of this id is open. */
export const opens = (tab, dialog) => becomes(tab, `${dialog} is open`, (id) => document.getElementById(id).open, dialog)

/** Waits until the element of this id has the focus. */
export const focused = (tab, id) => becomes(tab, `#${id} has the focus`, (id) => document.activeElement.id === id, id)

/** The cells of the row of `list` that begins with `name`, by their titles; waits for it. */
export async function row(tab, list, name) {
    const found = await becomes(tab, `${list} has ${name}`, ([list, name]) => {
        const row = [...document.querySelectorAll(`#${list} tbody tr`)].find((row) => row.firstElementChild.textContent === name)
        return row && Object.fromEntries([...row.children].map((cell) => [cell.dataset.label, cell.textContent]))
    }, [list, name])
    return found.jsonValue()
}

/** Waits until no row of `list` begins with `name`. */
export const gone = (tab, list, name) => becomes(tab, `${list} no longer has ${name}`, ([list, name]) =>
    ![...document.querySelectorAll(`#${list} tbody tr`)].some((row) => row.firstElementChild.textContent === name), [list, name])

/** Waits until `list` has as many rows as `wanted`. */
export const rows = (tab, list, wanted) => becomes(tab, `${list} has ${wanted} rows`, ([list, wanted]) =>
    document.querySelectorAll(`#${list} tbody tr`).length === wanted, [list, wanted])

/** Chooses a view. */
export const go = (tab, view) => tab.click(`nav a[href="#${view}"]`)

/** Says yes, by the word on the button, to what a dialog asks. */
export const confirm = (tab, yes) => tab.getByRole('dialog').getByRole('button', { name: yes, exact: true }).click()
