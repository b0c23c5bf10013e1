// What went wrong, with its reason.
import assert from 'node:assert/strict'
import { user } from '../peer.mjs'
import { denied, id } from './support/clients.mjs'
import { api } from './support/listener.mjs'
import { becomes, onPage, rows } from './support/page.mjs'

export async function denials() {
    const caller = await user(id('caller'))
    await denied(caller)
    await onPage(async (tab) => {
        await becomes(tab, 'the denial', (client) => {
            const row = [...document.querySelectorAll('#event-list tbody tr')].find((row) => row.textContent.includes(client))
            return row?.textContent.includes('denied') && row.textContent.includes('req/#')
        }, id('caller'))
        const event = (await api('events?limit=10')).events.find((one) => one.client === id('caller'))
        const why = await tab.evaluate(() => document.querySelector('#event-list tbody tr').textContent)
        assert.ok(why.includes(event.reason), why)
        await tab.fill('#event-search', 'nothing like it')
        await rows(tab, 'event-list', 0)
    }, { view: 'events' })
}
