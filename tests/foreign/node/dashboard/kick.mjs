// Kicking a client, by its row.
import assert from 'node:assert/strict'
import { user } from '../peer.mjs'
import { disconnected, id } from './support/clients.mjs'
import { confirm, focused, gone, onPage, row, says } from './support/page.mjs'

export async function kicks() {
    const victim = await user(id('victim'))
    const bystander = await user(id('bystander'))
    await onPage(async (tab) => {
        await row(tab, 'client-list', id('victim'))
        await tab.fill('#client-search', 'victim')
        await gone(tab, 'client-list', id('bystander'))
        const reason = disconnected(victim)
        await tab.getByRole('button', { name: `Kick ${id('victim')}` }).click()
        await says(tab, 'confirm-what', `${id('victim')} on frontend-1`)
        assert.equal(victim.connected, true, 'nothing happens before it is confirmed')
        await confirm(tab, 'Kick')
        assert.equal(await reason, 0x98)
        await says(tab, 'notice', `${id('victim')} was kicked.`)
        await gone(tab, 'client-list', id('victim'))
        assert.equal(bystander.connected, true)
        // Who goes while it is asked leaves the focus in the view.
        await tab.fill('#client-search', '')
        await tab.getByRole('button', { name: `Kick ${id('bystander')}` }).click()
        await bystander.endAsync()
        await gone(tab, 'client-list', id('bystander'))
        await tab.keyboard.press('Escape')
        await focused(tab, 'clients-title')
    }, { view: 'clients' })
}
