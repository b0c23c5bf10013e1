// Errors, denials and refusals, each with its reason.
import { get } from './api.js'
import { byId, el } from './dom.js'
import { count, moment, plural } from './format.js'
import { Table } from './table.js'

const ALL = 256

export const eventKey = (event) => JSON.stringify([event.kind, event.bus, event.client, event.what, event.reason])

export function eventColumns() {
    return [
        { title: 'When', text: (event) => moment(event.at_ms) },
        { title: 'Kind', text: (event) => event.kind, mark: (event) => `kind-${event.kind}` },
        { title: 'Bus', text: (event) => event.bus ?? '' },
        { title: 'Client', foreign: (event) => event.client ?? '' },
        { title: 'What', foreign: (event) => event.what ?? '' },
        { title: 'Why', foreign: (event) => event.reason ?? '' },
        { title: 'Times', numeric: true, text: (event) => count(event.count ?? 1) },
    ]
}

export class Events {
    #table
    #known = []
    #search = byId('event-search')
    #kind = byId('event-kind')

    constructor() {
        this.#table = new Table(byId('event-list'), {
            caption: `Errors and denials, newest first, at most ${plural(ALL, 'kind', 'kinds')} of them`,
            columns: eventColumns(),
            key: eventKey,
            empty: 'None that fit.',
        })
        this.#search.addEventListener('input', () => this.#show())
        this.#kind.addEventListener('change', () => this.#show())
    }

    async refresh() {
        this.#known = (await get('events', { limit: ALL })).events
        const offered = new Set([...this.#kind.options].map((option) => option.value))
        for (const kind of new Set(this.#known.map((event) => event.kind))) {
            if (!offered.has(kind)) this.#kind.append(el('option', { value: kind }, kind))
        }
        this.#show()
    }

    #show() {
        const sought = this.#search.value.trim().toLowerCase()
        const kind = this.#kind.value
        this.#table.show(this.#known.filter((event) => (kind === '' || event.kind === kind)
            && (sought === '' || [event.client, event.what, event.reason].some((text) => String(text ?? '').toLowerCase().includes(sought)))))
    }
}
