// The page by keys alone: the focus is seen, led on, and never lost.
import assert from 'node:assert/strict'
import { bind, user } from '../peer.mjs'
import { binder, disconnected, id } from './support/clients.mjs'
import { becomes, focused, gone, onPage, opens, row } from './support/page.mjs'

export async function keyboard() {
    const victim = await user(id('victim'))
    await onPage(async (tab) => {
        const focus = () => tab.evaluate(() => {
            const at = document.activeElement
            return (at.getAttribute('aria-label') ?? at.textContent ?? '').trim() || at.id
        })
        /** Goes on with the Tab key until `name` has the focus, at most once around. */
        const tabTo = async (name) => {
            for (let n = 0; n < 80; n += 1) {
                await tab.keyboard.press('Tab')
                if (await focus() === name) return
            }
            assert.fail(`the Tab key does not come to ${name}, but to ${await focus()}`)
        }
        await tab.keyboard.press('Tab')
        assert.equal(await focus(), 'Skip to the content')
        const seen = await tab.evaluate(() => document.activeElement.getBoundingClientRect().top >= 0)
        assert.ok(seen, 'the skip link is seen when it has the focus')
        await tabTo('Clients')
        const outline = await tab.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)
        assert.notEqual(outline, 'none', 'the focus is seen')
        await tab.keyboard.press('Enter')
        await focused(tab, 'clients-title')
        await row(tab, 'client-list', id('victim'))
        await tabTo(`Kick ${id('victim')}`)
        await tab.keyboard.press('Enter')
        await opens(tab, 'confirm')
        assert.equal(await focus(), 'Cancel')
        await tab.keyboard.press('Escape')
        await becomes(tab, 'the way back', () => !document.getElementById('confirm').open)
        assert.equal(await focus(), `Kick ${id('victim')}`, 'the focus is back where it was')
        assert.equal(victim.connected, true)
        await tab.keyboard.press('Enter')
        await opens(tab, 'confirm')
        await tab.keyboard.press('Tab')
        assert.equal(await focus(), 'Kick')
        const reason = disconnected(victim)
        await tab.keyboard.press('Enter')
        assert.equal(await reason, 0x98)
        await gone(tab, 'client-list', id('victim'))
        assert.equal(await tab.evaluate(() => document.activeElement.id), 'clients-title', 'the focus is not lost with the row')
        // No trap: the Tab key leaves the page's last element for its first.
        await tabTo('Skip to the content')
        await tabTo('Overview')
        await tab.keyboard.press('Enter')
        await focused(tab, 'overview-title')
        // A chart is read by arrow keys.
        await tabTo('Calls a second, the last five minutes; arrow keys go through the seconds')
        await becomes(tab, 'samples', () => document.querySelectorAll('#charts path[d^=M]').length > 0)
        await tab.keyboard.press('ArrowLeft')
        const text = await tab.evaluate(() => document.activeElement.getAttribute('aria-valuetext'))
        assert.match(text, /^\d\d:\d\d:\d\d: calls \d+, errors \d+$/)
    })
}

export async function pages() {
    const binding = await binder()
    for (let n = 10; n < 61; n += 1) await bind(binding, id(`device_${n}`), 'frontend.ann')
    await onPage(async (tab) => {
        const where = (text) => becomes(tab, text, (text) => document.querySelector('#session-list .pages p').textContent === text, text)
        await where('1 to 50 of 51')
        await tab.locator('#session-list').getByRole('button', { name: 'Next' }).focus()
        await tab.keyboard.press('Enter')
        await where('51 to 51 of 51')
        await row(tab, 'session-list', id('device_60'))
        assert.equal(await tab.evaluate(() => document.activeElement.textContent), 'Previous', 'the focus is not lost on the last page')
        await tab.keyboard.press('Enter')
        await where('1 to 50 of 51')
        assert.equal(await tab.evaluate(() => document.activeElement.textContent), 'Next')
    }, { view: 'sessions' })
}
