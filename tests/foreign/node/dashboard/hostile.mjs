// What clients choose stays text, whatever it is and however long.
import assert from 'node:assert/strict'
import { subscribe, worker } from '../peer.mjs'
import { MARKUP, denied, disconnected, serve } from './support/clients.mjs'
import { becomes, confirm, go, gone, onPage, row, says } from './support/page.mjs'

/** Turns the direction, so that `gnp.exe` would be read as `exe.png`; and rings. */
const TURNED = 'evil\u202Egnp.exe\u0007'

/** Ends in what looks like nothing. */
const BLANK = 'worker\u3164\u00a0\u2800 '

/** As long as a client id may be. */
const LONG = `<b>${'x'.repeat(253)}`

/** Of an answer: one word of 64 KiB. */
const HUGE = `<b>${'x'.repeat(65_536)}`

export async function hostile() {
    const names = [MARKUP, TURNED, LONG, BLANK]
    const clients = []
    for (const name of names) clients.push(await worker(name))
    await clients[0].subscribeAsync(`msg/backend/${MARKUP.replaceAll('/', '')}`, { qos: 1 })
    const queue = `req/backend/${MARKUP.replaceAll('/', '')}`
    await subscribe(clients[0], `$share/BKPR/${queue}`)
    await subscribe(clients[0], `$share/BKPR/req/backend/${'y'.repeat(60_000)}`)
    await subscribe(clients[1], '$share/BKPR/req/backend/myapp/str')
    const result = { text: MARKUP, turned: TURNED, huge: HUGE }
    serve(clients[1], () => result)
    // Something denied, in the name of each.
    for (const client of clients) await denied(client, 'secret/<b>/x')
    await onPage(async (tab) => {
        const shown = MARKUP
        const turned = 'evil\\u{202e}gnp.exe\\u{7}'
        await row(tab, 'queues', queue)
        await row(tab, 'queues', `req/backend/${'y'.repeat(108)}…`)
        await go(tab, 'clients')
        await row(tab, 'client-list', shown)
        await row(tab, 'client-list', turned)
        await row(tab, 'client-list', 'worker\\u{3164}\\u{a0}\\u{2800}\\u{20}')
        await row(tab, 'client-list', `<b>${'x'.repeat(117)}…`)
        await tab.getByRole('button', { name: 'Details of <img src=x' }).click()
        await says(tab, 'details-list', `msg/backend/${MARKUP.replaceAll('/', '')}`)
        await tab.keyboard.press('Escape')
        await go(tab, 'events')
        await becomes(tab, 'the denials', () => document.querySelector('#event-list tbody')?.textContent.includes('<img src=x'))
        await go(tab, 'console')
        await tab.fill('#call-method', 'myapp.str.uc')
        await tab.fill('#call-params', JSON.stringify({ text: MARKUP }))
        await tab.keyboard.press('Control+Enter')
        await says(tab, 'call-outcome', 'Answered in')
        const answer = await tab.textContent('#call-answer')
        assert.deepEqual(JSON.parse(answer), result)
        assert.ok(!answer.includes('\u202E'), 'nothing turns the direction of the answer')
        // Search takes what it is given.
        await go(tab, 'clients')
        await tab.fill('#client-search', MARKUP)
        await gone(tab, 'client-list', turned)
        await row(tab, 'client-list', shown)
        // A name of any length is kicked like any other.
        await tab.fill('#client-search', 'xxxx')
        await gone(tab, 'client-list', shown)
        await row(tab, 'client-list', `<b>${'x'.repeat(117)}…`)
        const reason = disconnected(clients[2])
        await tab.getByRole('button', { name: 'Kick <b>xxx' }).click()
        await confirm(tab, 'Kick')
        assert.equal(await reason, 0x98)
        const made = await tab.evaluate(() => ({ hit: window.hit, foreign: document.querySelectorAll('img, b:not(.legend b), body script').length }))
        assert.deepEqual(made, { hit: undefined, foreign: 0 })
    })
}
