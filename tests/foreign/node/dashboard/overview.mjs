// The overview shows what the admin listener says, and what needs a look.
import assert from 'node:assert/strict'
import { user } from '../peer.mjs'
import { call, fullWorker, id, send, servingWorker } from './support/clients.mjs'
import { api } from './support/listener.mjs'
import { becomes, onPage, row, says } from './support/page.mjs'

export async function figures() {
    await servingWorker()
    const caller = await user(id('caller'))
    for (let n = 1; n <= 25; n += 1) await call(caller, 'myapp.str.uc', n)
    await onPage(async (tab) => {
        await becomes(tab, 'all 25 calls are shown', () =>
            [...document.querySelectorAll('#services tbody tr')].some((row) => row.textContent.includes('myapp.str') && row.textContent.includes('25')))
        const shown = await row(tab, 'services', 'myapp.str')
        const service = (await api('services')).services.find((one) => one.name === 'myapp.str')
        assert.equal(service.calls, 25)
        assert.equal(shown.Calls, String(service.calls))
        assert.equal(shown.Workers, String(service.workers))
        assert.equal(shown.Waiting, String(service.waiting))
        assert.equal(shown.Errors, String(service.errors))
        const overview = await api('overview')
        const connections = overview.buses.reduce((sum, bus) => sum + bus.connections, 0)
        await becomes(tab, 'connections', (n) => document.getElementById('tile-connections').textContent === n, String(connections))
        for (const bus of overview.buses) {
            const line = await row(tab, 'buses', bus.id)
            assert.equal(line.Connections, String(bus.connections))
            for (const listener of bus.listeners) assert.ok(line['Listens at'].includes(listener.url), listener.url)
        }
        const queue = await row(tab, 'queues', 'req/backend/myapp/str')
        assert.equal(queue.Members, '1')
        await says(tab, 'verdict', 'All is well')
        await becomes(tab, 'a curve', () => document.querySelectorAll('#charts path[d^=M]').length >= 3)
        const { samples } = await api('history?seconds=300')
        assert.equal(samples.reduce((sum, sample) => sum + sample.calls, 0), 25)
        // The curve's words say the same as the samples.
        const most = Math.max(...samples.map((sample) => sample.calls))
        await becomes(tab, `at most ${most}`, (most) => document.querySelector('#charts .summary').textContent.endsWith(`and ${most}.`), most)
    })
}

export async function behind() {
    await fullWorker()
    const caller = await user(id('caller'))
    await send(caller, 'myapp.slow.do', 4)
    await onPage(async (tab) => {
        await becomes(tab, 'three wait', () => document.getElementById('tile-waiting').textContent === '3')
        const service = await row(tab, 'services', 'myapp.slow')
        assert.equal(service.Waiting, '3')
        assert.equal(service['At work'], '1')
        await says(tab, 'problems', 'req/backend/myapp/slow is behind: 3 messages wait')
        await says(tab, 'verdict', 'One thing needs a look')
    })
}
