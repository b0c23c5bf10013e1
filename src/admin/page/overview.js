// The first view: figures, charts, services, queues, buses, what went wrong last.
import { get } from './api.js'
import { Chart } from './chart.js'
import { byId, el, setAttribute, setText } from './dom.js'
import { eventColumns, eventKey } from './events.js'
import { bytes, count, micros, millis, rate } from './format.js'
import { Table } from './table.js'

const TILES = [
    ['calls', 'Calls a second'],
    ['p99', 'Latency, 99 %'],
    ['waiting', 'Waiting'],
    ['errors', 'Errors, last minute'],
    ['connections', 'Connections'],
    ['sessions', 'Bound sessions'],
]

const RECENT = 8

export class Overview {
    #tiles
    #charts
    #services
    #queues
    #buses
    #recent
    #watched

    constructor(watched) {
        this.#watched = watched
        this.#tiles = new Map(TILES.map(([name, title]) => {
            const value = el('dd', { id: `tile-${name}` }, '–')
            byId('tiles').append(el('div', {}, el('dt', {}, title), value))
            return [name, value]
        }))
        const charts = byId('charts')
        const calls = new Chart(charts, {
            title: 'Calls a second',
            series: [
                { name: 'calls', label: 'calls', className: 'first', area: true, summed: true },
                { name: 'errors', label: 'errors', className: 'wrong' },
            ],
            format: count,
            tick: short,
        })
        const latency = new Chart(charts, {
            title: 'Latency',
            series: [
                { name: 'p99_us', label: '99 %', className: 'third', summed: true },
                { name: 'p95_us', label: '95 %', className: 'second' },
                { name: 'p50_us', label: 'median', className: 'first', summed: true },
            ],
            log: true,
            present: (sample) => sample.p50_us > 0,
            format: micros,
            tick: micros,
        })
        const waiting = new Chart(charts, {
            title: 'Waiting in work queues',
            series: [{ name: 'waiting', label: 'messages', className: 'first', area: true, summed: true }],
            format: count,
            tick: short,
        })
        this.#charts = [calls, latency, waiting]
        this.#services = servicesTable()
        this.#queues = queuesTable()
        this.#buses = busesTable(watched)
        this.#recent = new Table(byId('recent'), {
            caption: 'Newest first',
            columns: eventColumns(),
            key: eventKey,
            empty: 'None since skep started.',
        })
    }

    async refresh({ overview, queues, history, at }) {
        const [{ services }, { events }] = await Promise.all([get('services'), get('events', { limit: RECENT })])
        const now = performance.now()
        for (const service of services) service.rate = this.#watched.rate(`service ${serviceKey(service)}`, service.calls, now)
        for (const bus of overview.buses) {
            bus.rate_in = this.#watched.rate(`${bus.id} in`, bus.messages_in, at)
            bus.rate_out = this.#watched.rate(`${bus.id} out`, bus.messages_out, at)
        }
        const samples = history.samples
        const say = (name, text, mark) => {
            setText(this.#tiles.get(name), text)
            setAttribute(this.#tiles.get(name), 'data-mark', mark)
        }
        const sum = (name) => overview.buses.reduce((all, bus) => all + bus[name], 0)
        const waiting = queues.reduce((all, queue) => all + queue.waiting, 0)
        const errors = history.lately('errors')
        say('calls', rate(history.now('calls')))
        say('p99', micros(samples.at(-1)?.p99_us))
        say('waiting', count(waiting))
        say('errors', count(errors), errors > 0 ? 'warn' : undefined)
        say('connections', count(sum('connections')))
        say('sessions', count(overview.bindings.sessions))
        for (const chart of this.#charts) chart.show(samples)
        this.#services.show(services)
        this.#queues.show(queues)
        this.#buses.show(overview.buses)
        this.#recent.show(events)
    }
}

const short = (n) => (n >= 1_000 ? `${count(n / 100) / 10}k` : count(n))

const serviceKey = (service) => `${service.backend} ${service.name}`

/** Work that finds a worker with room waits for no microsecond: that is not the same as none. */
const waited = (s) => (s.wait_p99_us === 0 && (s.held > 0 || s.p99_us > 0) ? '0 µs' : micros(s.wait_p99_us))

function servicesTable() {
    return new Table(byId('services'), {
        caption: 'Who serves what, how busy they are, how fast they answer',
        key: serviceKey,
        sorted: { title: 'Service', down: false },
        empty: ['No worker serves anything yet. In a source tree, ', el('code', {}, 'cargo run --example worker'), ' starts one.'],
        columns: [
            { title: 'Service', foreign: (s) => s.name, sort: (s) => s.name },
            { title: 'Backend', text: (s) => s.backend, sort: (s) => s.backend },
            {
                title: 'Workers', numeric: true, text: (s) => count(s.workers), sort: (s) => s.workers,
                mark: (s) => (s.workers === 0 && s.waiting > 0 ? 'bad' : undefined),
            },
            { title: 'Calls/s', numeric: true, text: (s) => rate(s.rate), sort: (s) => s.rate },
            { title: 'Calls', numeric: true, text: (s) => count(s.calls), sort: (s) => s.calls },
            {
                title: 'Waiting', numeric: true, text: (s) => count(s.waiting), sort: (s) => s.waiting,
                mark: (s) => (s.waiting > 0 ? 'warn' : undefined),
            },
            { title: 'At work', long: 'Given to workers and not acknowledged yet', numeric: true, text: (s) => count(s.held), sort: (s) => s.held },
            { title: 'Wait 99 %', long: 'Time that 99 % spent at most in the queue', numeric: true, text: waited, sort: (s) => s.wait_p99_us },
            { title: 'Median', long: 'Latency, from request to acknowledged answer: median', numeric: true, text: (s) => micros(s.p50_us), sort: (s) => s.p50_us },
            { title: '95 %', long: 'Latency that 95 % stay below', numeric: true, text: (s) => micros(s.p95_us), sort: (s) => s.p95_us },
            { title: '99 %', long: 'Latency that 99 % stay below', numeric: true, text: (s) => micros(s.p99_us), sort: (s) => s.p99_us },
            {
                title: 'Errors', long: 'Requests that skep answered in place of the service', numeric: true,
                text: (s) => count(s.errors), sort: (s) => s.errors,
            },
            {
                title: 'Again', long: 'Given to another worker because the first one went', numeric: true,
                text: (s) => count(s.redelivered), sort: (s) => s.redelivered,
            },
        ],
    })
}

function queuesTable() {
    return new Table(byId('queues'), {
        caption: 'What waits, and for how long',
        key: (queue) => JSON.stringify([queue.bus, queue.group, queue.filter]),
        sorted: { title: 'Waiting', down: true },
        empty: 'No queue: nobody has a shared subscription.',
        columns: [
            { title: 'Filter', foreign: (q) => q.filter, sort: (q) => q.filter },
            { title: 'Group', foreign: (q) => q.group, sort: (q) => q.group },
            { title: 'Bus', text: (q) => q.bus, sort: (q) => q.bus },
            { title: 'Members', numeric: true, text: (q) => count(q.members), sort: (q) => q.members },
            { title: 'Waiting', numeric: true, text: (q) => count(q.waiting), sort: (q) => q.waiting, mark: (q) => (q.waiting > 0 ? 'warn' : undefined) },
            { title: 'Oldest', long: 'How long the first has waited', numeric: true, text: (q) => millis(q.oldest_ms), sort: (q) => q.oldest_ms },
            { title: 'Size', numeric: true, text: (q) => bytes(q.bytes), sort: (q) => q.bytes },
            { title: 'At work', long: 'Given to members and not acknowledged yet', numeric: true, text: (q) => count(q.held), sort: (q) => q.held },
        ],
    })
}

function busesTable(watched) {
    return new Table(byId('buses'), {
        caption: 'Where they listen, and what passes through them',
        key: (bus) => bus.id,
        empty: 'None.',
        columns: [
            { title: 'Bus', text: (b) => b.id },
            { title: 'Kind', text: (b) => b.kind },
            { title: 'Listens at', wraps: true, text: (b) => b.listeners.map((listener) => listener.url).join(' ') },
            { title: 'Connections', numeric: true, text: (b) => count(b.connections) },
            { title: 'Subscriptions', numeric: true, text: (b) => count(b.subscriptions) },
            { title: 'In/s', long: 'Messages in, a second', numeric: true, text: (b) => rate(b.rate_in) },
            { title: 'Out/s', long: 'Messages out, a second', numeric: true, text: (b) => rate(b.rate_out) },
            { title: 'Retained', numeric: true, text: (b) => count(b.retained) },
            { title: 'Dropped', numeric: true, text: (b) => count(b.dropped), mark: (b) => (watched.lately(`${b.id} dropped`) > 0 ? 'warn' : undefined) },
            { title: 'Denied', numeric: true, text: (b) => count(b.denied) },
        ],
    })
}
