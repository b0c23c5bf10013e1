// The page shows the figures of `/metrics`, compared where neither is nought.
import assert from 'node:assert/strict'
import { bind, kill, subscribe, user, worker } from '../peer.mjs'
import { binder, call, denied, fullWorker, id, send, servingWorker } from './support/clients.mjs'
import { becomes, go, onPage, row } from './support/page.mjs'
import { scrape, settles } from './support/scrape.mjs'
import { time, whole } from './support/written.mjs'

const STR = 'service="myapp.str"'
const BACKEND = 'bus="backend-1"'
const SLOW = 'req/backend/myapp/slow'

/** 20 calls, of which the last five take long enough to be told apart. */
async function answered(caller) {
    const serving = await servingWorker()
    serving.handleMessage = (packet, done) => setTimeout(done, JSON.parse(packet.payload).id > 15 ? 50 : 0)
    for (let n = 1; n <= 20; n += 1) await call(caller, 'myapp.str.uc', n)
    await settles(20, 'skep_service_latency_seconds_count', STR)
}

/** Three sessions, of which one has no address. */
async function bound() {
    const binding = await binder()
    for (const [device, address] of [['phone', 'frontend.ann'], ['laptop', 'frontend.ann'], ['tablet', undefined]]) {
        await user(id(device))
        await bind(binding, id(device), address)
    }
}

/**
 * Two calls that a worker dies with: the next one answers the first of them,
 * and dies with the second, which then is an error.
 */
async function deadly(caller) {
    const frail = 'service="myapp.frail"'
    const [first, second] = [await worker(id('frail_1')), await worker(id('frail_2'))]
    first.handleMessage = () => {}
    await subscribe(first, '$share/BKPR/req/backend/myapp/frail')
    await send(caller, 'myapp.frail.do', 2)
    await settles(2, 'skep_queue_held_messages', BACKEND)
    second.handleMessage = (packet, done) => JSON.parse(packet.payload).id === 1 && done()
    await subscribe(second, '$share/BKPR/req/backend/myapp/frail')
    await kill(first)
    await settles(1, 'skep_service_latency_seconds_count', frail)
    await settles(1, 'skep_queue_held_messages', BACKEND)
    await kill(second)
    await settles(1, 'skep_service_errors_total', frail)
}

/** One call in the hands of a worker that is full, and three that wait. */
async function waiting(caller) {
    await fullWorker()
    await send(caller, 'myapp.slow.do', 4)
    await settles(3, 'skep_queue_waiting_messages', BACKEND)
    await settles(3, 'skep_connections', BACKEND)
}

async function comparesServices(tab, said) {
    for (const [service, calls, errors, again, waits] of [['myapp.str', 20, 0, 0, 0], ['myapp.frail', 2, 1, 2, 0], ['myapp.slow', 4, 0, 0, 3]]) {
        const shown = await row(tab, 'services', service)
        const of = `service="${service}"`
        // Noughts would be equal by chance.
        assert.deepEqual([calls, errors, again, waits], ['calls_total', 'errors_total', 'redeliveries_total', 'waiting_messages']
            .map((name) => said.sum(`skep_service_${name}`, of)), service)
        assert.equal(whole(shown.Calls), said.sum('skep_service_calls_total', of), service)
        assert.equal(whole(shown.Errors), said.sum('skep_service_errors_total', of), service)
        assert.equal(whole(shown.Again), said.sum('skep_service_redeliveries_total', of), service)
        assert.equal(whole(shown.Waiting), said.sum('skep_service_waiting_messages', of), service)
        assert.equal(whole(shown.Workers), said.sum('skep_service_workers', of), service)
        for (const [column, histogram, part] of [['Median', 'latency', 0.5], ['95 %', 'latency', 0.95], ['99 %', 'latency', 0.99], ['Wait 99 %', 'wait', 0.99]]) {
            if (shown[column] === '–') {
                assert.equal(said.sum(`skep_service_${histogram}_seconds_count`, of), 0, `${column} of ${service}: no call has got so far`)
                continue
            }
            const [low, high] = said.within(`skep_service_${histogram}_seconds`, part, of)
            const { us, off } = time(shown[column])
            assert.ok(us + off >= low && us - off <= high, `${column} of ${service}: ${shown[column]} is between ${low} and ${high} µs`)
        }
    }
    const [low] = said.within('skep_service_latency_seconds', 0.99, STR)
    assert.ok(low >= 32_000, `what took 50 ms is in a bucket that begins at ${low} µs`)
}

async function comparesQueues(tab, said) {
    const queue = await row(tab, 'queues', SLOW)
    assert.equal(whole(queue.Waiting), 3)
    assert.equal(whole(queue.Waiting), said.sum('skep_queue_waiting_messages', BACKEND))
    assert.equal(whole(queue['At work']), said.sum('skep_queue_held_messages', BACKEND))
    assert.equal(queue.Size, `${said.sum('skep_queue_waiting_bytes', BACKEND)} B`)
    const queues = await tab.locator('#queues tbody tr').count()
    assert.equal(queues, said.sum('skep_queues', BACKEND))
}

/** An age goes on: what is shown is held against scrapes before and after it. */
async function comparesAges(tab) {
    const oldest = async () => (await scrape()).sum('skep_queue_oldest_seconds', BACKEND) * 1_000_000
    // The second answer from here on was asked for after this scrape, and before the next.
    const before = await oldest()
    let shown = (await row(tab, 'queues', SLOW)).Oldest
    for (let answers = 0; answers < 2; answers += 1) {
        const next = await becomes(tab, `another age than ${shown}`, ([filter, shown]) => {
            const row = [...document.querySelectorAll('#queues tbody tr')].find((row) => row.cells[0].textContent === filter)
            const now = row.querySelector('[data-label=Oldest]').textContent
            return now === shown ? undefined : now
        }, [SLOW, shown])
        shown = await next.jsonValue()
    }
    const after = await oldest()
    const { us, off } = time(shown)
    assert.ok(before > 0 && us + off >= before && us - off <= after, `${shown} is between ${before} and ${after} µs`)
}

async function comparesBuses(tab, said) {
    for (const bus of ['backend-1', 'frontend-1']) {
        const line = await row(tab, 'buses', bus)
        const of = `bus="${bus}"`
        assert.equal(whole(line.Connections), said.sum('skep_connections', of), bus)
        assert.equal(whole(line.Subscriptions), said.sum('skep_topic_filters', of), bus)
        assert.equal(whole(line.Dropped), said.sum('skep_messages_dropped_total', of), bus)
        assert.equal(whole(line.Denied), said.sum('skep_denied_total', of), bus)
    }
    assert.equal(said.sum('skep_denied_total', 'bus="frontend-1"'), 1)
}

async function comparesTiles(tab, said) {
    const tile = (name, expected) => becomes(tab, `the figure ${name} is ${expected}`,
        ([name, expected]) => document.getElementById(`tile-${name}`).textContent === expected, [name, String(expected)])
    await tile('connections', said.sum('skep_connections'))
    await tile('waiting', said.sum('skep_queue_waiting_messages'))
    await tile('sessions', said.sum('skep_bindings'))
    await tile('errors', said.sum('skep_service_errors_total'))
}

async function comparesLists(tab, said) {
    await go(tab, 'sessions')
    await row(tab, 'session-list', id('tablet'))
    await row(tab, 'address-list', 'frontend.ann')
    assert.equal(said.sum('skep_bindings'), 3)
    assert.equal(await tab.locator('#session-list tbody tr').count(), said.sum('skep_bindings'))
    assert.equal(await tab.locator('#address-list tbody tr').count(), said.sum('skep_bindings_addresses'))
    await go(tab, 'clients')
    await row(tab, 'client-list', id('tablet'))
    assert.equal(await tab.locator('#client-list tbody tr').count(), said.sum('skep_connections'))
    assert.equal(await tab.getByRole('button', { name: /^Unbind / }).count(), said.sum('skep_bindings'))
}

export async function metrics() {
    const caller = await user(id('caller'))
    await answered(caller)
    await bound()
    await denied(caller)
    await deadly(caller)
    await waiting(caller)
    // From here on only time goes on.
    const said = await scrape()
    await onPage(async (tab) => {
        await comparesServices(tab, said)
        await comparesQueues(tab, said)
        await comparesAges(tab)
        await comparesBuses(tab, said)
        await comparesTiles(tab, said)
        await comparesLists(tab, said)
    })
}
