// Unbinding: a session, all sessions of an address, a client by its row.
import assert from 'node:assert/strict'
import { bind, user, worker } from '../peer.mjs'
import { binder, call, id, servingWorker } from './support/clients.mjs'
import { api } from './support/listener.mjs'
import { becomes, confirm, gone, onPage, opens, row, says } from './support/page.mjs'

/** A worker, and for a device what the router tells it of the authorization with a call. */
async function authorization() {
    const seen = []
    await servingWorker((packet) => seen.push(packet.properties.userProperties.auth))
    return async (device) => {
        await call(device, 'myapp.str.do')
        return seen.at(-1)
    }
}

export async function unbinds() {
    const binding = await binder()
    const authOf = await authorization()
    const devices = [await user(id('phone')), await user(id('laptop')), await user(id('tablet'))]
    for (const [device, address] of [[devices[0], 'ann'], [devices[1], 'ann'], [devices[2], 'bob']]) {
        await bind(binding, device.options.clientId, `frontend.${address}`)
    }
    assert.equal(await authOf(devices[0]), 'somebody')
    await onPage(async (tab) => {
        const session = await row(tab, 'session-list', id('tablet'))
        assert.equal(session.Address, 'frontend.bob')
        assert.equal(session.Connected, 'yes')
        const address = await row(tab, 'address-list', 'frontend.ann')
        assert.equal(address.Sessions, '2')
        await tab.getByRole('button', { name: `Unbind ${id('tablet')}` }).click()
        await confirm(tab, 'Unbind')
        await says(tab, 'notice', '1 session was unbound.')
        await gone(tab, 'session-list', id('tablet'))
        assert.equal(await authOf(devices[2]), undefined)
        assert.equal(await authOf(devices[1]), 'somebody', 'others stay bound')
        await tab.getByRole('button', { name: 'Unbind all sessions of frontend.ann' }).click()
        await confirm(tab, 'Unbind all')
        await says(tab, 'notice', '2 sessions were unbound.')
        await gone(tab, 'address-list', 'frontend.ann')
        assert.equal(await authOf(devices[0]), undefined)
        assert.equal(await authOf(devices[1]), undefined)
        assert.equal((await api('sessions')).total, 0)
    }, { view: 'sessions' })
}

export async function unbindsaclient() {
    const binding = await binder()
    const authOf = await authorization()
    const [phone, laptop, guest] = [await user(id('phone')), await user(id('laptop')), await user(id('guest'))]
    for (const device of [phone, laptop]) await bind(binding, device.options.clientId, 'frontend.ann')
    // A worker by the name of a bound client is not bound.
    await worker(id('phone'))
    const bound = async () => (await api('sessions')).sessions.map((session) => session.caller)
    assert.equal(await authOf(phone), 'somebody')
    await onPage(async (tab) => {
        for (const client of ['guest', 'worker', 'binder', 'phone', 'laptop']) await row(tab, 'client-list', id(client))
        const offered = () => tab.getByRole('button', { name: /^Unbind / }).evaluateAll((buttons) =>
            buttons.map((button) => [...button.closest('tr').cells].slice(0, 2).map((cell) => cell.textContent)))
        assert.deepEqual((await offered()).sort(), [[id('laptop'), 'frontend-1'], [id('phone'), 'frontend-1']])
        const button = tab.getByRole('button', { name: `Unbind ${id('phone')}` })
        // By keys alone, and not before it is confirmed.
        await button.focus()
        await tab.keyboard.press('Enter')
        await says(tab, 'confirm-what', id('phone'))
        await tab.keyboard.press('Escape')
        await becomes(tab, 'the way back', (name) => document.activeElement.ariaLabel === name, `Unbind ${id('phone')}`)
        assert.deepEqual((await bound()).sort(), [id('laptop'), id('phone')])
        await tab.keyboard.press('Enter')
        await opens(tab, 'confirm')
        await tab.keyboard.press('Tab')
        await tab.keyboard.press('Enter')
        await says(tab, 'notice', '1 session was unbound.')
        assert.equal(await tab.getAttribute('#notice', 'role'), 'status', 'it is read out')
        assert.deepEqual(await bound(), [id('laptop')])
        await becomes(tab, 'no button for who is unbound', () => [...document.querySelectorAll('#client-list button[aria-label^=Unbind]')]
            .filter((button) => button.checkVisibility()).length === 1)
        assert.deepEqual(await offered(), [[id('laptop'), 'frontend-1']])
        const focus = await tab.evaluate(() => document.activeElement.ariaLabel)
        assert.equal(focus, `Details of ${id('phone')}`, 'the focus is not lost with the button')
        assert.equal(phone.connected, true)
        assert.equal(await authOf(phone), undefined)
        assert.equal(await authOf(laptop), 'somebody', 'others stay bound')
        assert.equal(await authOf(guest), undefined)
        await tab.getByRole('button', { name: `Details of ${id('laptop')}` }).click()
        await says(tab, 'details-list', 'Sessionbound')
        await tab.keyboard.press('Escape')
        // One who is bound while the page is open is offered it.
        await bind(binding, id('guest'), 'frontend.bob')
        await tab.evaluate(() => {
            window.said = []
            new MutationObserver((changes) => window.said.push(...changes.flatMap((change) => [...change.addedNodes].map((node) => node.data))))
                .observe(document.getElementById('notice'), { childList: true, characterData: true, subtree: true })
        })
        await tab.getByRole('button', { name: `Unbind ${id('guest')}` }).click()
        await confirm(tab, 'Unbind')
        await tab.getByRole('button', { name: `Unbind ${id('guest')}` }).waitFor({ state: 'hidden' })
        assert.deepEqual(await tab.evaluate(() => window.said), ['1 session was unbound.'], 'the same words as before are said anew')
        assert.deepEqual(await bound(), [id('laptop')])
    }, { view: 'clients' })
}
