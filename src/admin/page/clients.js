// Who is connected, and the ways to log one out and to show it the door.
import { get, post } from './api.js'
import { confirm, details } from './dialogs.js'
import { byId, el, settled } from './dom.js'
import { bytes, count, foreign, moment, span } from './format.js'
import { unbindCaller } from './sessions.js'
import { Pages, Table } from './table.js'

const PAGE = 50

export class Clients {
    #table
    #pages
    #search = byId('client-search')
    #bus = byId('client-bus')
    #page

    constructor(page) {
        this.#page = page
        const list = byId('client-list')
        this.#table = new Table(list, {
            caption: 'Connected clients',
            key: (client) => JSON.stringify([client.bus, client.id]),
            empty: 'No client that fits.',
            columns: [
                { title: 'Client', foreign: (c) => c.id },
                { title: 'Bus', text: (c) => c.bus },
                { title: 'User', foreign: (c) => c.user ?? '' },
                { title: 'From', text: (c) => c.peer ?? '' },
                { title: 'Over', text: (c) => `${c.protocol}, ${c.transport}` },
                { title: 'For', long: 'How long it has been connected', numeric: true, text: (c) => span((Date.now() - c.since_ms) / 1_000) },
                { title: 'Filters', numeric: true, text: (c) => count(c.subscriptions) },
                { title: 'In flight', numeric: true, text: (c) => count(c.inflight) },
                { title: 'Held', long: 'Messages that wait for it', numeric: true, text: (c) => count(c.held), mark: (c) => (c.held > 0 ? 'warn' : undefined) },
                { title: 'In', long: 'Messages it sent', numeric: true, text: (c) => count(c.messages_in) },
                { title: 'Out', long: 'Messages it was sent', numeric: true, text: (c) => count(c.messages_out) },
                { title: 'Show', action: (c) => ({ label: 'Details', name: `Details of ${foreign(c.id, 40)}`, run: () => this.#show(c) }) },
                { title: 'Unbind', action: (c) => (c.bound ? { label: 'Unbind', name: `Unbind ${foreign(c.id, 40)}`, run: () => unbindCaller(page, c.id) } : undefined) },
                { title: 'Kick', action: (c) => (c.connected === false ? undefined : { label: 'Kick', name: `Kick ${foreign(c.id, 40)}`, run: () => this.#kick(c) }) },
            ],
        })
        this.#pages = new Pages(list, PAGE, () => page.refresh())
        const again = () => {
            this.#pages.reset()
            page.refresh()
        }
        this.#search.addEventListener('input', settled(200, again))
        this.#bus.addEventListener('change', again)
    }

    async refresh({ overview }) {
        const offered = new Set([...this.#bus.options].map((option) => option.value))
        for (const { id } of overview.buses) if (!offered.has(id)) this.#bus.append(el('option', { value: id }, id))
        const query = { search: this.#search.value.trim(), bus: this.#bus.value, ...this.#pages.query }
        const { total, clients } = await get('clients', query)
        if (this.#pages.show(total, clients.length)) this.#table.show(clients)
    }

    async #show(client) {
        await this.#page.doing(async () => {
            const known = await get('client', { bus: client.bus, id: client.id })
            details('Client', [
                ['Client id', known.id],
                ['Bus', known.bus],
                ['User', known.user ?? 'none'],
                ['From', `${known.peer ?? 'nowhere now'}, ${known.protocol} over ${known.transport}`],
                ['Connected since', moment(known.since_ms)],
                ['Session', known.bound ? 'bound' : 'none'],
                ['Held for it', `${count(known.held)} messages, ${bytes(known.held_bytes)}`],
                ['Filters', known.filters.length > 0 ? known.filters.map((filter) => `${filter.filter} (QoS ${filter.qos})`) : 'none'],
            ])
        })
    }

    async #kick(client) {
        const sure = await confirm({
            title: 'Kick this client?',
            what: `${client.id} on ${client.bus}`,
            text: 'It is disconnected (reason 0x98, administrative action). Nothing keeps it from connecting again.',
            yes: 'Kick',
        })
        if (!sure) return
        await this.#page.doing(async () => {
            await post('client/kick', { bus: client.bus, id: client.id })
            this.#page.say(`${foreign(client.id, 40)} was kicked.`)
        })
        this.#page.refresh()
    }
}
