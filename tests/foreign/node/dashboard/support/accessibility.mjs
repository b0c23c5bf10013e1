// What a screen reader is given: the tree of names, and the markup they come from.
import assert from 'node:assert/strict'

/** What has to have a name to be of use to somebody who can't see it. */
const NAMED = ['button', 'link', 'textbox', 'searchbox', 'combobox', 'spinbutton', 'slider', 'option', 'dialog', 'table', 'columnheader', 'rowheader', 'heading', 'navigation', 'region']

/** What Chromium tells a screen reader of the page as it is: fails if something of use has no name. */
export async function named(tab, where) {
    const session = await tab.context().newCDPSession(tab)
    const { nodes } = await session.send('Accessibility.getFullAXTree')
    await session.detach()
    const heard = nodes.filter((node) => !node.ignored).map((node) => ({
        role: node.role?.value, name: node.name?.value ?? '', description: node.description?.value ?? '', value: String(node.value?.value ?? ''),
    }))
    assert.deepEqual(heard.filter(({ role, name }) => NAMED.includes(role) && name.trim() === ''), [], `all has a name in ${where}`)
    return heard
}

/** Run in the page: what its markup lacks for `named` to hold with any screen reader. */
export function marked(views) {
    const wrong = []
    const must = (holds, what) => { if (!holds) wrong.push(what) }
    must(document.documentElement.lang === 'en', 'the language')
    for (const landmark of ['header', 'nav[aria-label]', 'main']) must(document.querySelectorAll(landmark).length === 1, landmark)
    for (const view of views) must(document.querySelectorAll(`#${view} h1`).length === 1, `a heading of ${view}`)
    must(document.querySelectorAll('nav a[aria-current=page]').length === 1, 'which view it is')
    for (const table of document.querySelectorAll('table')) {
        must(table.caption?.textContent, 'a caption')
        for (const head of table.tHead.rows[0].cells) must(head.scope === 'col' && head.textContent.trim(), `a heading of ${table.caption.textContent}`)
        for (const row of table.tBodies[0].rows) must(row.cells[0].scope === 'row', 'the name of a row')
    }
    for (const field of document.querySelectorAll('input, select, textarea')) must(field.labels.length === 1, `a label of ${field.id}`)
    for (const button of document.querySelectorAll('main button')) must(button.hidden || (button.ariaLabel ?? button.textContent).trim(), 'the name of a button')
    // Of many buttons with one word, each says whose it is.
    const names = [...document.querySelectorAll('.action button')].filter((button) => button.checkVisibility()).map((button) => button.ariaLabel)
    must(new Set(names).size === names.length, 'names of buttons that are told apart')
    for (const chart of document.querySelectorAll('svg.plot')) {
        must(chart.ariaLabel && chart.closest('figure').querySelector('.summary').textContent, 'words for a chart')
    }
    for (const list of document.querySelectorAll('dialog')) must(document.getElementById(list.getAttribute('aria-labelledby')), 'the name of a dialog')
    const ids = [...document.querySelectorAll('[id]')].map((node) => node.id)
    must(new Set(ids).size === ids.length, 'ids are of one element each')
    return wrong
}
