// The dashboard in Chromium, as an operator uses it, against a skep with real
// clients on its buses.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bind, given, inTime, kill, request, run, subscribe, user, worker } from './peer.mjs'
import { browser as launch } from './browse.mjs'

const VIEWS = ['overview', 'clients', 'sessions', 'events', 'console']

const MARKUP = '<img src=x onerror="window.hit=1">\'"<script>window.hit=2</script>'
const TURNED = 'evil\u202Egnp.exe\u0007'
const BLANK = 'worker\u3164\u00a0\u2800 '
/** As long as a client id may be. */
const LONG = `<b>${'x'.repeat(253)}`

const HUGE = `<b>${'x'.repeat(65_536)}`

/** What the admin listener says. */
async function api(path) {
    const token = process.env.SKEP_TOKEN
    const response = await fetch(`${given('SKEP_ADMIN')}api/v1/${path}`, { headers: token ? { Authorization: `Bearer ${token}` } : {} })
    assert.equal(response.status, 200, path)
    return response.json()
}

/**
 * A tab with the dashboard. Fails in the end if the page said something to the
 * console, broke its own rules, or asked anybody else for anything.
 */
async function onPage(use, { view, options = {}, url = given('SKEP_ADMIN'), trouble = () => true } = {}) {
    const browser = await launch()
    try {
        const context = await browser.newContext(options)
        const tab = await context.newPage()
        const complaints = []
        tab.on('console', (line) => complaints.push(`${line.type()}: ${line.text()}`))
        tab.on('pageerror', (error) => complaints.push(`error: ${error}`))
        tab.on('dialog', (dialog) => { complaints.push('a dialog of the browser'); dialog.dismiss() })
        tab.on('request', (asked) => {
            if (!asked.url().startsWith(url) && !asked.url().startsWith('data:')) complaints.push(`asks for ${asked.url()}`)
        })
        await tab.addInitScript(() => {
            addEventListener('securitypolicyviolation', (event) => console.error('violates', event.violatedDirective))
        })
        await tab.goto(view ? `${url}#${view}` : url)
        await use(tab)
        assert.deepEqual(complaints.filter(trouble), [])
    } finally {
        await browser.close()
    }
}

/** Waits until `look`, run in the page with `seek`, is true. */
function becomes(tab, what, look, seek) {
    return inTime(what, tab.waitForFunction(look, seek, { timeout: 0, polling: 50 }))
}

const says = (tab, id, expected) => becomes(tab, `#${id} says ${expected}`,
    ([id, expected]) => document.getElementById(id).textContent.includes(expected), [id, expected])

/** The cells of the row of `list` that begins with `name`, by their titles; waits for it. */
async function row(tab, list, name) {
    const found = await becomes(tab, `${list} has ${name}`, ([list, name]) => {
        const row = [...document.querySelectorAll(`#${list} tbody tr`)].find((row) => row.firstElementChild.textContent === name)
        return row && Object.fromEntries([...row.children].map((cell) => [cell.dataset.label, cell.textContent]))
    }, [list, name])
    return found.jsonValue()
}

const gone = (tab, list, name) => becomes(tab, `${list} no longer has ${name}`, ([list, name]) =>
    ![...document.querySelectorAll(`#${list} tbody tr`)].some((row) => row.firstElementChild.textContent === name), [list, name])

/** Serves what comes, with the answer of the moment. */
function serve(client, answer = () => 'done') {
    client.removeAllListeners('message')
    client.on('message', (topic, payload, packet) => {
        const { id } = JSON.parse(payload)
        const { responseTopic, userProperties } = packet.properties
        const response = JSON.stringify({ jsonrpc: '2.0', result: answer(packet), id })
        client.publish(responseTopic, response, { qos: 1, properties: { userProperties: { addr: userProperties?.addr ?? '' } } })
    })
}

/** The reason code of the DISCONNECT that a client is sent. */
const disconnected = (client) => inTime('a DISCONNECT', new Promise((resolve) => client.once('disconnect', (packet) => resolve(packet.reasonCode))))

const id = (name) => name.padEnd(16, '_')

async function figures() {
    const serving = await worker(id('worker'))
    await subscribe(serving, '$share/BKPR/req/backend/myapp/str')
    serve(serving)
    const caller = await user(id('caller'))
    for (let n = 1; n <= 25; n += 1) {
        await request(caller, 'myapp.str.uc', {}, n)
        await caller.inbox.next()
    }
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

/** What `/metrics` says: sums of the samples of a name that have all `labels`, and percentiles. */
async function scrape() {
    const token = process.env.SKEP_TOKEN
    const answer = await fetch(`${given('SKEP_ADMIN')}metrics`, { headers: token ? { Authorization: `Bearer ${token}` } : {} })
    assert.equal(answer.status, 200)
    const samples = (await answer.text()).split('\n').filter((line) => line && !line.startsWith('#')).map((line) => {
        const [, name, labels = '', value] = line.match(/^(\w+)(?:\{(.*)\})? (\S+)$/)
        return { name, labels, value: Number(value) }
    })
    const all = (name, ...labels) => {
        const found = samples.filter((one) => one.name === name && labels.every((label) => one.labels.includes(label)))
        assert.ok(found.length > 0, `/metrics has ${name} of ${labels}`)
        return found
    }
    const sum = (name, ...labels) => all(name, ...labels).reduce((sum, one) => sum + one.value, 0)
    /** Between which times in µs the fraction `part` of those measured ends, as far as the buckets tell. */
    const within = (name, part, ...labels) => {
        const wanted = Math.ceil(sum(`${name}_count`, ...labels) * part)
        let low = 0
        for (const { labels: given, value } of all(`${name}_bucket`, ...labels)) {
            const high = Number(given.match(/le="([^"]+)"/)[1].replace('+Inf', 'Infinity')) * 1_000_000
            if (value >= wanted) return [low, high]
            low = high
        }
        throw new Error(`${name} has no bucket for ${part}`)
    }
    return { sum, within }
}

/** Waits until `/metrics` says so. */
async function settles(expected, name, ...labels) {
    let ended = false
    const look = async () => {
        while (!ended && (await scrape()).sum(name, ...labels) !== expected) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await inTime(`${name} of ${labels} is ${expected}`, look()).finally(() => { ended = true })
}

/** A time that the page shows, in µs, and by how much its rounding may have changed it. */
function time(text) {
    const [, number, decimals, unit] = text.match(/^([\d,]+(\.\d)?) (µs|ms|s)$/) ?? assert.fail(`${text} is a time`)
    const size = { µs: 1, ms: 1_000, s: 1_000_000 }[unit]
    // A nought behind the point is not written.
    const step = decimals || unit === 's' || (unit === 'ms' && Number(number) < 10) ? size / 10 : size
    return { us: Number(number.replaceAll(',', '')) * size, off: step / 2 + 0.001 }
}

const whole = (text) => {
    assert.match(text, /^\d{1,3}(,\d{3})*$/)
    return Number(text.replaceAll(',', ''))
}

async function metrics() {
    const caller = await user(id('caller'))
    // 20 calls, of which the last five take long enough to be told apart.
    const serving = await worker(id('worker'))
    await subscribe(serving, '$share/BKPR/req/backend/myapp/str')
    serve(serving)
    serving.handleMessage = (packet, done) => setTimeout(done, JSON.parse(packet.payload).id > 15 ? 50 : 0)
    for (let n = 1; n <= 20; n += 1) {
        await request(caller, 'myapp.str.uc', {}, n)
        await caller.inbox.next()
    }
    const str = 'service="myapp.str"'
    await settles(20, 'skep_service_latency_seconds_count', str)

    // Three sessions, of which one has no address, and something denied.
    const binding = await worker(id('binder'))
    await subscribe(binding, `priv/${id('binder')}`)
    for (const [device, address] of [['phone', 'frontend.ann'], ['laptop', 'frontend.ann'], ['tablet', undefined]]) {
        await user(id(device))
        await bind(binding, id(device), address)
    }
    await caller.subscribeAsync('req/#', { qos: 1 }).catch(() => {})

    // Two calls that a worker dies with: the next one answers the first of them,
    // and dies with the second, which then is an error.
    const frail = 'service="myapp.frail"'
    const [first, second] = [await worker(id('frail_1')), await worker(id('frail_2'))]
    first.handleMessage = () => {}
    await subscribe(first, '$share/BKPR/req/backend/myapp/frail')
    for (let n = 1; n <= 2; n += 1) await request(caller, 'myapp.frail.do', {}, n)
    await settles(2, 'skep_queue_held_messages', 'bus="backend-1"')
    second.handleMessage = (packet, done) => JSON.parse(packet.payload).id === 1 && done()
    await subscribe(second, '$share/BKPR/req/backend/myapp/frail')
    await kill(first)
    await settles(1, 'skep_service_latency_seconds_count', frail)
    await settles(1, 'skep_queue_held_messages', 'bus="backend-1"')
    await kill(second)
    await settles(1, 'skep_service_errors_total', frail)

    // One call in the hands of a worker that is full, and three that wait.
    const full = await worker(id('full'), { properties: { receiveMaximum: 1 } })
    full.handleMessage = () => {}
    await subscribe(full, '$share/BKPR/req/backend/myapp/slow')
    for (let n = 1; n <= 4; n += 1) await request(caller, 'myapp.slow.do', {}, n)
    await settles(3, 'skep_queue_waiting_messages', 'bus="backend-1"')
    await settles(3, 'skep_connections', 'bus="backend-1"')

    // From here on only time goes on.
    const said = await scrape()
    await onPage(async (tab) => {
        const tile = (name, expected) => becomes(tab, `the figure ${name} is ${expected}`,
            ([name, expected]) => document.getElementById(`tile-${name}`).textContent === expected, [name, String(expected)])

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
        const [low] = said.within('skep_service_latency_seconds', 0.99, str)
        assert.ok(low >= 32_000, `what took 50 ms is in a bucket that begins at ${low} µs`)

        const backend = 'bus="backend-1"'
        const queue = await row(tab, 'queues', 'req/backend/myapp/slow')
        assert.equal(whole(queue.Waiting), 3)
        assert.equal(whole(queue.Waiting), said.sum('skep_queue_waiting_messages', backend))
        assert.equal(whole(queue['At work']), said.sum('skep_queue_held_messages', backend))
        assert.equal(queue.Size, `${said.sum('skep_queue_waiting_bytes', backend)} B`)
        const queues = await tab.locator('#queues tbody tr').count()
        assert.equal(queues, said.sum('skep_queues', backend))
        // The second answer from here on was asked for after this scrape, and before the next.
        const before = (await scrape()).sum('skep_queue_oldest_seconds', backend) * 1_000_000
        let oldest = (await row(tab, 'queues', 'req/backend/myapp/slow')).Oldest
        for (let answers = 0; answers < 2; answers += 1) {
            const next = await becomes(tab, `another age than ${oldest}`, (shown) => {
                const row = [...document.querySelectorAll('#queues tbody tr')].find((row) => row.cells[0].textContent === 'req/backend/myapp/slow')
                const now = row.querySelector('[data-label=Oldest]').textContent
                return now === shown ? undefined : now
            }, oldest)
            oldest = await next.jsonValue()
        }
        const after = (await scrape()).sum('skep_queue_oldest_seconds', backend) * 1_000_000
        const age = time(oldest)
        assert.ok(before > 0 && age.us + age.off >= before && age.us - age.off <= after, `${oldest} is between ${before} and ${after} µs`)

        for (const bus of ['backend-1', 'frontend-1']) {
            const line = await row(tab, 'buses', bus)
            const of = `bus="${bus}"`
            assert.equal(whole(line.Connections), said.sum('skep_connections', of), bus)
            assert.equal(whole(line.Subscriptions), said.sum('skep_topic_filters', of), bus)
            assert.equal(whole(line.Dropped), said.sum('skep_messages_dropped_total', of), bus)
            assert.equal(whole(line.Denied), said.sum('skep_denied_total', of), bus)
        }
        assert.equal(said.sum('skep_denied_total', 'bus="frontend-1"'), 1)
        await tile('connections', said.sum('skep_connections'))
        await tile('waiting', said.sum('skep_queue_waiting_messages'))
        await tile('sessions', said.sum('skep_bindings'))
        await tile('errors', said.sum('skep_service_errors_total'))

        await tab.click('nav a[href="#sessions"]')
        await row(tab, 'session-list', id('tablet'))
        await row(tab, 'address-list', 'frontend.ann')
        assert.equal(said.sum('skep_bindings'), 3)
        assert.equal(await tab.locator('#session-list tbody tr').count(), said.sum('skep_bindings'))
        assert.equal(await tab.locator('#address-list tbody tr').count(), said.sum('skep_bindings_addresses'))
        await tab.click('nav a[href="#clients"]')
        await row(tab, 'client-list', id('tablet'))
        assert.equal(await tab.locator('#client-list tbody tr').count(), said.sum('skep_connections'))
        assert.equal(await tab.getByRole('button', { name: /^Unbind / }).count(), said.sum('skep_bindings'))
    })
}

async function behind() {
    const serving = await worker(id('worker'), { properties: { receiveMaximum: 1 } })
    await subscribe(serving, '$share/BKPR/req/backend/myapp/slow')
    // What is never acknowledged keeps the next ones waiting.
    serving.handleMessage = () => {}
    const caller = await user(id('caller'))
    for (let n = 1; n <= 4; n += 1) await request(caller, 'myapp.slow.do', {}, n)
    await onPage(async (tab) => {
        await becomes(tab, 'three wait', () => document.getElementById('tile-waiting').textContent === '3')
        const service = await row(tab, 'services', 'myapp.slow')
        assert.equal(service.Waiting, '3')
        assert.equal(service['At work'], '1')
        await says(tab, 'problems', 'req/backend/myapp/slow is behind: 3 messages wait')
        await says(tab, 'verdict', 'One thing needs a look')
    })
}

async function kicks() {
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
        await tab.getByRole('dialog').getByRole('button', { name: 'Kick', exact: true }).click()
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
        await becomes(tab, 'focus on the view', () => document.activeElement.id === 'clients-title')
    }, { view: 'clients' })
}

async function keyboard() {
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
        await becomes(tab, 'focus on the view', () => document.activeElement.id === 'clients-title')
        await row(tab, 'client-list', id('victim'))
        await tabTo(`Kick ${id('victim')}`)
        await tab.keyboard.press('Enter')
        await becomes(tab, 'the question', () => document.getElementById('confirm').open)
        assert.equal(await focus(), 'Cancel')
        await tab.keyboard.press('Escape')
        await becomes(tab, 'the way back', () => !document.getElementById('confirm').open)
        assert.equal(await focus(), `Kick ${id('victim')}`, 'the focus is back where it was')
        assert.equal(victim.connected, true)
        await tab.keyboard.press('Enter')
        await becomes(tab, 'the question', () => document.getElementById('confirm').open)
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
        await becomes(tab, 'focus on the view', () => document.activeElement.id === 'overview-title')
        // A chart is read by arrow keys.
        await tabTo('Calls a second, the last five minutes; arrow keys go through the seconds')
        await becomes(tab, 'samples', () => document.querySelectorAll('#charts path[d^=M]').length > 0)
        await tab.keyboard.press('ArrowLeft')
        const text = await tab.evaluate(() => document.activeElement.getAttribute('aria-valuetext'))
        assert.match(text, /^\d\d:\d\d:\d\d: calls \d+, errors \d+$/)
    })
}

async function unbinds() {
    const binding = await worker(id('binder'))
    await subscribe(binding, `priv/${id('binder')}`)
    const serving = await worker(id('worker'))
    await subscribe(serving, '$share/BKPR/req/backend/myapp/str')
    const seen = []
    serve(serving, (packet) => seen.push(packet.properties.userProperties.auth))
    const devices = [await user(id('phone')), await user(id('laptop')), await user(id('tablet'))]
    for (const [device, address] of [[devices[0], 'ann'], [devices[1], 'ann'], [devices[2], 'bob']]) {
        await bind(binding, device.options.clientId, `frontend.${address}`)
    }
    const call = async (device) => {
        await request(device, 'myapp.str.do', {}, 1)
        await device.inbox.next()
        return seen.at(-1)
    }
    assert.equal(await call(devices[0]), 'somebody')
    await onPage(async (tab) => {
        const session = await row(tab, 'session-list', id('tablet'))
        assert.equal(session.Address, 'frontend.bob')
        assert.equal(session.Connected, 'yes')
        const address = await row(tab, 'address-list', 'frontend.ann')
        assert.equal(address.Sessions, '2')
        const sure = async (name) => tab.getByRole('dialog').getByRole('button', { name, exact: true }).click()
        await tab.getByRole('button', { name: `Unbind ${id('tablet')}` }).click()
        await sure('Unbind')
        await says(tab, 'notice', '1 session was unbound.')
        await gone(tab, 'session-list', id('tablet'))
        assert.equal(await call(devices[2]), undefined)
        assert.equal(await call(devices[1]), 'somebody', 'others stay bound')
        await tab.getByRole('button', { name: 'Unbind all sessions of frontend.ann' }).click()
        await sure('Unbind all')
        await says(tab, 'notice', '2 sessions were unbound.')
        await gone(tab, 'address-list', 'frontend.ann')
        assert.equal(await call(devices[0]), undefined)
        assert.equal(await call(devices[1]), undefined)
        assert.equal((await api('sessions')).total, 0)
    }, { view: 'sessions' })
}

async function unbindsaclient() {
    const binding = await worker(id('binder'))
    await subscribe(binding, `priv/${id('binder')}`)
    const serving = await worker(id('worker'))
    await subscribe(serving, '$share/BKPR/req/backend/myapp/str')
    const seen = []
    serve(serving, (packet) => seen.push(packet.properties.userProperties.auth))
    const [phone, laptop, guest] = [await user(id('phone')), await user(id('laptop')), await user(id('guest'))]
    for (const device of [phone, laptop]) await bind(binding, device.options.clientId, 'frontend.ann')
    // A worker by the name of a bound client is not bound.
    await worker(id('phone'))
    const call = async (device) => {
        await request(device, 'myapp.str.do', {}, 1)
        await device.inbox.next()
        return seen.at(-1)
    }
    const bound = async () => (await api('sessions')).sessions.map((session) => session.caller)
    assert.equal(await call(phone), 'somebody')
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
        await becomes(tab, 'the question', () => document.getElementById('confirm').open)
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
        assert.equal(await call(phone), undefined)
        assert.equal(await call(laptop), 'somebody', 'others stay bound')
        assert.equal(await call(guest), undefined)
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
        await tab.getByRole('dialog').getByRole('button', { name: 'Unbind', exact: true }).click()
        await tab.getByRole('button', { name: `Unbind ${id('guest')}` }).waitFor({ state: 'hidden' })
        assert.deepEqual(await tab.evaluate(() => window.said), ['1 session was unbound.'], 'the same words as before are said anew')
        assert.deepEqual(await bound(), [id('laptop')])
    }, { view: 'clients' })
}

async function pages() {
    const binding = await worker(id('binder'))
    await subscribe(binding, `priv/${id('binder')}`)
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

async function hostile() {
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
    for (const client of clients) await client.subscribeAsync('secret/<b>/x', { qos: 1 }).catch(() => {})
    await onPage(async (tab) => {
        const shown = MARKUP
        const turned = 'evil\\u{202e}gnp.exe\\u{7}'
        await row(tab, 'queues', queue)
        await row(tab, 'queues', `req/backend/${'y'.repeat(108)}…`)
        await tab.click('nav a[href="#clients"]')
        await row(tab, 'client-list', shown)
        await row(tab, 'client-list', turned)
        await row(tab, 'client-list', 'worker\\u{3164}\\u{a0}\\u{2800}\\u{20}')
        await row(tab, 'client-list', `<b>${'x'.repeat(117)}…`)
        await tab.getByRole('button', { name: 'Details of <img src=x' }).click()
        await says(tab, 'details-list', `msg/backend/${MARKUP.replaceAll('/', '')}`)
        await tab.keyboard.press('Escape')
        await tab.click('nav a[href="#events"]')
        await becomes(tab, 'the denials', () => document.querySelector('#event-list tbody')?.textContent.includes('<img src=x'))
        await tab.click('nav a[href="#console"]')
        await tab.fill('#call-method', 'myapp.str.uc')
        await tab.fill('#call-params', JSON.stringify({ text: MARKUP }))
        await tab.keyboard.press('Control+Enter')
        await says(tab, 'call-outcome', 'Answered in')
        const answer = await tab.textContent('#call-answer')
        assert.deepEqual(JSON.parse(answer), result)
        assert.ok(!answer.includes('\u202E'), 'nothing turns the direction of the answer')
        // Search takes what it is given.
        await tab.click('nav a[href="#clients"]')
        await tab.fill('#client-search', MARKUP)
        await gone(tab, 'client-list', turned)
        await row(tab, 'client-list', shown)
        // A name of any length is kicked like any other.
        await tab.fill('#client-search', 'xxxx')
        await gone(tab, 'client-list', shown)
        await row(tab, 'client-list', `<b>${'x'.repeat(117)}…`)
        const reason = disconnected(clients[2])
        await tab.getByRole('button', { name: 'Kick <b>xxx' }).click()
        await tab.getByRole('dialog').getByRole('button', { name: 'Kick', exact: true }).click()
        assert.equal(await reason, 0x98)
        const made = await tab.evaluate(() => ({ hit: window.hit, foreign: document.querySelectorAll('img, b:not(.legend b), body script').length }))
        assert.deepEqual(made, { hit: undefined, foreign: 0 })
    })
}

async function phone() {
    const client = await worker(MARKUP)
    await subscribe(client, `$share/BKPR/req/backend/${'long'.repeat(60)}`)
    await worker('x'.repeat(256))
    const binding = await worker(id('binder'))
    await subscribe(binding, `priv/${id('binder')}`)
    await bind(binding, 'y'.repeat(200), `frontend.${'z'.repeat(200)}`)
    await onPage(async (tab) => {
        for (const view of VIEWS) {
            await tab.click(`nav a[href="#${view}"]`)
            await becomes(tab, `${view} is there`, (view) => !document.getElementById(view).hidden, view)
            if (view === 'clients') await row(tab, 'client-list', MARKUP)
            if (view === 'sessions') await becomes(tab, 'the session', () => document.querySelectorAll('#session-list tbody tr').length === 1)
            const { wide, room, out } = await tab.evaluate(() => ({
                wide: document.documentElement.scrollWidth,
                room: innerWidth,
                // The heads of tables are there for screen readers alone.
                out: [...document.querySelectorAll('main *')].filter((node) => !node.closest('thead') && node.getBoundingClientRect().right > innerWidth + 1)
                    .map((node) => `${node.tagName} ${node.className}`).slice(0, 3),
            }))
            assert.equal(room, 360)
            assert.ok(wide <= room, `${view} is ${wide} wide`)
            assert.deepEqual(out, [], `${view} has all in sight`)
        }
        // What is touched is large enough.
        await tab.click('nav a[href="#clients"]')
        const box = await tab.getByRole('button', { name: `Kick ${id('binder')}` }).boundingBox()
        assert.ok(box.height >= 32 && box.width >= 32, JSON.stringify(box))
    }, { options: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true } })
}

/** Brings about what gives each view rows: clients, a session, work that waits, calls, an error and a denial. */
async function inhabit() {
    const binding = await worker(id('binder'))
    await subscribe(binding, `priv/${id('binder')}`)
    const device = await user(id('phone'))
    await bind(binding, id('phone'), 'frontend.ann')
    const serving = await worker(id('worker'))
    await subscribe(serving, '$share/BKPR/req/backend/myapp/str')
    serve(serving)
    for (const method of ['myapp.str.uc', 'myapp.gone.do']) {
        await request(device, method, {}, 1)
        await device.inbox.next()
    }
    const full = await worker(id('full'), { properties: { receiveMaximum: 1 } })
    full.handleMessage = () => {}
    await subscribe(full, '$share/BKPR/req/backend/myapp/slow')
    for (let n = 1; n <= 3; n += 1) await request(device, 'myapp.slow.do', {}, n)
    await device.subscribeAsync('req/#', { qos: 1 }).catch(() => {})
}

const LISTS = {
    overview: ['services', 'queues', 'buses', 'recent'],
    clients: ['client-list'],
    sessions: ['session-list', 'address-list'],
    events: ['event-list'],
    console: [],
}

/** Leads the page, on which `inhabit` has been, to all that it has to show, and has each looked at. */
async function everywhere(tab, look) {
    const open = async (view) => {
        await tab.click(`nav a[href="#${view}"]`)
        await becomes(tab, `${view} has rows`, ([view, lists]) => !document.getElementById(view).hidden
            && lists.every((list) => document.querySelector(`#${list} tbody tr`)), [view, LISTS[view]])
    }
    await says(tab, 'problems', 'got an error from skep')
    await open('overview')
    await becomes(tab, 'curves', () => [...document.querySelectorAll('#charts figure')].every((chart) => chart.querySelector('path.line[d^=M]')))
    await look('overview')
    for (const view of VIEWS.slice(1)) {
        await open(view)
        await look(view)
    }
    await open('clients')
    await tab.getByRole('button', { name: `Details of ${id('phone')}` }).click()
    await says(tab, 'details-list', 'frontend-1')
    await look('details')
    await tab.keyboard.press('Escape')
    await tab.getByRole('button', { name: `Kick ${id('phone')}` }).click()
    await says(tab, 'confirm-what', id('phone'))
    await look('the question')
    await tab.keyboard.press('Escape')
    await tab.fill('#client-search', 'no such client')
    await becomes(tab, 'none that fit', () => document.querySelectorAll('#client-list tbody tr').length === 0)
    await look('no client that fits')
    await open('sessions')
    await tab.getByRole('button', { name: `Unbind ${id('phone')}` }).click()
    await tab.getByRole('dialog').getByRole('button', { name: 'Unbind', exact: true }).click()
    await says(tab, 'notice', '1 session was unbound.')
    await gone(tab, 'session-list', id('phone'))
    await look('what was done')
    await open('console')
    await tab.fill('#call-method', 'myapp.gone.do')
    await tab.fill('#call-params', '{')
    await tab.click('#call-send')
    await says(tab, 'call-problem', 'This is not JSON')
    await look('parameters that are none')
    await tab.fill('#call-params', '')
    await tab.click('#call-send')
    await says(tab, 'call-outcome', 'Error -31601')
    await look('an error')
    await tab.fill('#call-method', 'myapp.str.uc')
    await tab.click('#call-send')
    await says(tab, 'call-outcome', 'Answered in')
    await look('an answer')
    await open('overview')
    await tab.route('**/api/v1/**', (route) => route.abort())
    await says(tab, 'verdict', 'The connection to skep is lost')
    await look('a lost connection')
}

/** What is noted when nobody answers. */
const unanswered = (line) => line.includes('Failed to load resource')

/** What can't be read well, or seen, for want of contrast; and how light the page is. Of an open dialog, if there is one. */
function contrasts() {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true })
    /** Any colour that a style sheet can name, as four numbers from 0 to 1. */
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1)
        canvas.fillStyle = colour
        canvas.fillRect(0, 0, 1, 1)
        return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
    }
    const over = ([r, g, b, a], under) => [r, g, b].map((part, at) => part * a + under[at] * (1 - a))
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const base = rgba(getComputedStyle(document.body).backgroundColor)
    const ground = (node) => {
        if (!node || node === document.documentElement) return base.slice(0, 3)
        return over(rgba(getComputedStyle(node).backgroundColor), ground(node.tagName === 'DIALOG' ? null : node.parentElement))
    }
    const opacity = (node) => (node ? Number(getComputedStyle(node).opacity) * opacity(node.parentElement) : 1)
    const contrast = (node, colour, under = ground(node)) => {
        const [r, g, b, a] = rgba(colour)
        const [x, y] = [light(over([r, g, b, a * opacity(node)], under)), light(under)].sort((x, y) => y - x)
        return (x + 0.05) / (y + 0.05)
    }
    const faint = []
    const must = (least, node, what, contrast) => {
        if (contrast < least) faint.push(`${what}: ${contrast.toFixed(2)} (${node.tagName} ${node.id} ${node.textContent.slice(0, 40)})`)
    }
    const scope = document.querySelector('dialog[open]') ?? document.body
    const all = [...scope.querySelectorAll('*')].filter((node) => node.checkVisibility() && !node.disabled && node.ariaDisabled !== 'true')
    let texts = 0
    for (const node of all) {
        const style = getComputedStyle(node)
        const has = node.matches('input, select, textarea') || [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())
        if (node.matches('svg text')) must(4.5, node, 'a text of a chart', contrast(node, style.fill, ground(node.closest('svg'))))
        else if (node.matches('svg .line[d^=M]')) must(3, node, `a line of a chart, ${style.stroke}`, contrast(node, style.stroke, ground(node.closest('svg'))))
        else if (has) must(4.5, node, 'a text', contrast(node, style.color))
        if (node.placeholder) must(4.5, node, 'a placeholder', contrast(node, getComputedStyle(node, '::placeholder').color))
        if (node.matches('input, select, textarea')) must(3, node, 'the edge of a field', contrast(node, style.borderTopColor, ground(node.parentElement)))
        texts += has ? 1 : 0
    }
    const at = document.activeElement
    if (at.matches(':focus-visible') && getComputedStyle(at).outlineStyle !== 'none') {
        must(3, at, 'the mark of the focus', contrast(at, getComputedStyle(at).outlineColor, ground(at.parentElement)))
    }
    return { body: light(base.slice(0, 3)), faint, texts }
}

/** Fails if anything is faint on the page as it is, in the light or in the dark. */
async function legible(tab, where) {
    const seen = []
    for (const colorScheme of ['light', 'dark']) {
        await tab.emulateMedia({ colorScheme })
        const { body, faint, texts } = await tab.evaluate(contrasts)
        assert.deepEqual(faint, [], `${where} is readable, ${colorScheme}`)
        assert.ok(texts >= 3, `${where} has texts`)
        seen.push(body)
    }
    assert.ok(seen[0] > 0.7 && seen[1] < 0.1, `light and dark are told apart: ${seen}`)
}

async function dark() {
    await onPage(async (tab) => {
        await says(tab, 'verdict', 'All is well')
        await legible(tab, 'a skep that is well')
        await inhabit()
        await everywhere(tab, (where) => legible(tab, where))
    }, { options: { reducedMotion: 'reduce' }, trouble: (line) => !unanswered(line) })
}

async function token() {
    // A browser notes each 401 in its console; that is all it may note.
    const trouble = (line) => !line.includes('401')
    await onPage(async (tab) => {
        await becomes(tab, 'the question', () => document.getElementById('login').open)
        await says(tab, 'verdict', 'A token is needed')
        await tab.keyboard.press('Escape')
        await tab.keyboard.press('Escape')
        // A browser closes it at the second time whatever the page says: it comes back.
        await becomes(tab, 'the question again, as there is nothing to see without', () => document.getElementById('login').open)
        await tab.fill('#login-token', 'not the token')
        await tab.keyboard.press('Enter')
        await says(tab, 'login-problem', 'That is not the token.')
        await legible(tab, 'the question for a token')
        await named(tab, 'the question for a token')
        // Nor is one that no request could carry; it can be given anew.
        await tab.evaluate(() => { document.getElementById('login-problem').textContent = '' })
        await tab.fill('#login-token', 'copied – with a dash')
        await tab.keyboard.press('Enter')
        await says(tab, 'login-problem', 'That is not the token.')
        await tab.fill('#login-token', given('SKEP_TOKEN'))
        await tab.keyboard.press('Enter')
        await says(tab, 'verdict', 'All is well')
        await tab.reload()
        await says(tab, 'verdict', 'All is well')
        const kept = await tab.evaluate(() => ({ ...localStorage, cookie: document.cookie, address: location.href }))
        assert.ok(!JSON.stringify(kept).includes(given('SKEP_TOKEN')), 'nothing but the tab keeps it')
    }, { trouble })
}

/** A skep of its own, as a process. */
async function start(folder, admin) {
    const free = ['backend.backend-1.listeners.tcp', 'frontend.frontend-1.listeners.tcp', 'frontend.frontend-1.listeners.ws']
    const settings = [...free.map((name) => `${name}.listen=127.0.0.1:0`), `admin.listen=${admin}`]
    // What the test gives in variables is for this program alone.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SKEP_')))
    const options = { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] }
    const child = spawn(given('SKEP_BINARY'), settings.flatMap((one) => ['--set', one]), options)
    let said = ''
    const url = await inTime('the start of skep', new Promise((resolve, reject) => {
        child.stdout.on('data', (text) => {
            said += text
            const found = said.match(/admin +(http:\S+)\n/)
            if (found) resolve(found[1])
        })
        child.once('exit', () => reject(new Error(`skep ended: ${said}`)))
    }))
    const end = (signal) => new Promise((resolve) => {
        child.removeAllListeners('exit')
        child.once('exit', resolve)
        child.kill(signal)
    })
    return { url, end }
}

async function lost() {
    const folder = await mkdtemp(join(tmpdir(), 'skep-dashboard-'))
    let skep = await start(folder, '127.0.0.1:0')
    // Each try that finds nobody is noted by the browser.
    const trouble = (line) => !unanswered(line)
    try {
        await onPage(async (tab) => {
            await says(tab, 'verdict', 'All is well')
            await skep.end('SIGKILL')
            await says(tab, 'verdict', 'The connection to skep is lost since')
            skep = await start(folder, new URL(skep.url).host)
            await says(tab, 'verdict', 'All is well')
            await becomes(tab, 'that it was started anew', () => document.getElementById('notice').textContent !== '')
            assert.equal(await tab.evaluate(() => document.body.classList.contains('stale')), false)
        }, { url: skep.url, trouble })
    } finally {
        await skep.end('SIGKILL')
        await rm(folder, { recursive: true, force: true })
    }
}

/** What has to have a name to be of use to somebody who can't see it. */
const NAMED = ['button', 'link', 'textbox', 'searchbox', 'combobox', 'spinbutton', 'slider', 'option', 'dialog', 'table', 'columnheader', 'rowheader', 'heading', 'navigation', 'region']

/** What Chromium tells a screen reader of the page as it is: fails if something of use has no name. */
async function named(tab, where) {
    const session = await tab.context().newCDPSession(tab)
    const { nodes } = await session.send('Accessibility.getFullAXTree')
    await session.detach()
    const heard = nodes.filter((node) => !node.ignored).map((node) => ({
        role: node.role?.value, name: node.name?.value ?? '', description: node.description?.value ?? '', value: String(node.value?.value ?? ''),
    }))
    assert.deepEqual(heard.filter(({ role, name }) => NAMED.includes(role) && name.trim() === ''), [], `all has a name in ${where}`)
    return heard
}

/** What the markup has to have for `named` to hold with any screen reader. */
function marked(views) {
    const wrong = []
    const must = (holds, what) => { if (!holds) wrong.push(what) }
    must(document.documentElement.lang === 'en', 'the language')
    for (const landmark of ['header', 'nav[aria-label]', 'main']) must(document.querySelectorAll(landmark).length === 1, landmark)
    for (const view of views) must(document.querySelectorAll(`#${view} h1`).length === 1, `a heading of ${view}`)
    must(document.querySelectorAll('nav a[aria-current=page]').length === 1, 'which view it is')
    for (const table of document.querySelectorAll('table')) {
        must(table.caption?.textContent, 'a caption')
        for (const head of table.tHead.rows[0].cells) must(head.scope === 'col' && head.textContent.trim(), `a heading of ${table.caption.textContent}`)
        for (const row of table.tBodies[0].rows) must(row.cells[0].scope === 'row', 'the name of a row')
    }
    for (const field of document.querySelectorAll('input, select, textarea')) must(field.labels.length === 1, `a label of ${field.id}`)
    for (const button of document.querySelectorAll('main button')) must(button.hidden || (button.ariaLabel ?? button.textContent).trim(), 'the name of a button')
    // Of many buttons with one word, each says whose it is.
    const names = [...document.querySelectorAll('.action button')].filter((button) => button.checkVisibility()).map((button) => button.ariaLabel)
    must(new Set(names).size === names.length, 'names of buttons that are told apart')
    for (const chart of document.querySelectorAll('svg.plot')) {
        must(chart.ariaLabel && chart.closest('figure').querySelector('.summary').textContent, 'words for a chart')
    }
    for (const list of document.querySelectorAll('dialog')) must(document.getElementById(list.getAttribute('aria-labelledby')), 'the name of a dialog')
    const ids = [...document.querySelectorAll('[id]')].map((node) => node.id)
    must(new Set(ids).size === ids.length, 'ids are of one element each')
    return wrong
}

/** How often live regions are touched in `rounds` of asking, in which nothing becomes worth a look or ceases to be. */
async function chatter(tab, rounds) {
    for (;;) {
        const { touched, news } = await inTime('rounds of asking', tab.evaluate(watch, rounds))
        if (!news) return touched
    }
}

function watch(wanted) {
    return new Promise((resolve) => {
        const problems = () => document.querySelectorAll('#problems li').length
        const before = problems()
        let news = false
        let touched = 0
        let rounds = 0
        const live = new MutationObserver((changes) => { touched += changes.length })
        for (const region of document.querySelectorAll('[role=status], [role=alert], [aria-live]')) {
            live.observe(region, { childList: true, characterData: true, subtree: true })
        }
        const clock = new MutationObserver(() => {
            news ||= problems() !== before
            rounds += 1
            if (rounds < wanted) return
            live.disconnect()
            clock.disconnect()
            resolve({ touched, news })
        })
        clock.observe(document.getElementById('since'), { childList: true, characterData: true, subtree: true })
    })
}

async function spoken() {
    await inhabit()
    await onPage(async (tab) => {
        await everywhere(tab, async (where) => {
            assert.deepEqual(await tab.evaluate(marked, VIEWS), [], where)
            const heard = await named(tab, where)
            const of = (role) => heard.filter((node) => node.role === role)
            const text = of('StaticText').map(({ name }) => name)
            // While nothing happens, nothing is said.
            if (VIEWS.includes(where)) assert.equal(await chatter(tab, where === 'overview' ? 3 : 2), 0, `nothing is said in ${where}`)
            if (where === 'overview') {
                assert.ok(await tab.evaluate(() => [...document.querySelectorAll('.health [role=status]')].every((node) => node.checkVisibility())),
                    'what is going to be said has its place before')
                assert.deepEqual(of('slider').map(({ name }) => name.split(',')[0]), ['Calls a second', 'Latency', 'Waiting in work queues'])
                // A chart is its name, its value and its words, not the numbers at its edge.
                assert.ok(!text.some((words) => /^−\d min$/.test(words)), 'what is drawn is not read')
                assert.equal(text.filter((words) => /between .* and .*\.$/i.test(words)).length, 3, 'words for each chart')
                assert.equal(of('table').length, 4)
            }
            if (where === 'clients') {
                for (const name of ['Details of', 'Unbind', 'Kick']) assert.ok(of('button').some((button) => button.name === `${name} ${id('phone')}`), name)
            }
            if (where === 'details') assert.deepEqual(of('dialog').map(({ name }) => name), ['Client'])
            if (where === 'the question') {
                const [{ name, description }] = of('dialog')
                assert.equal(name, 'Kick this client?')
                assert.match(description, new RegExp(`${id('phone')} on frontend-1.*disconnected`), 'who it is about is said')
                assert.deepEqual(of('button').map((button) => button.name), ['Cancel', 'Kick'], 'nothing else is within reach')
            }
            if (where === 'parameters that are none') {
                const field = of('textbox').find((field) => field.name.startsWith('Parameters'))
                assert.match(field.description, /This is not JSON/)
                assert.ok(of('alert').length > 0, 'an error is an alert')
            }
        })
    }, { trouble: (line) => !unanswered(line) })
}

async function calls() {
    const serving = await worker(id('worker'))
    await subscribe(serving, '$share/BKPR/req/backend/myapp/str')
    let served = 0
    serve(serving, () => {
        served += 1
        return { upper: 'HELLO' }
    })
    await onPage(async (tab) => {
        await tab.fill('#call-method', 'myapp.str.uc')
        await tab.fill('#call-params', '{"string": ')
        await tab.click('#call-send')
        await says(tab, 'call-problem', 'This is not JSON')
        await tab.fill('#call-params', '7')
        await tab.click('#call-send')
        await says(tab, 'call-problem', 'Parameters are a JSON object or list.')
        assert.equal(await tab.getAttribute('#call-params', 'aria-invalid'), 'true')
        await tab.fill('#call-params', '{"string": "hello"}')
        await tab.click('#call-send')
        await says(tab, 'call-outcome', 'Answered in')
        assert.deepEqual(JSON.parse(await tab.textContent('#call-answer')), { upper: 'HELLO' })
        assert.equal(await tab.getAttribute('#call-params', 'aria-invalid'), null)
        assert.equal(await tab.evaluate(() => document.activeElement.id), 'call-send', 'the focus stays on the button')
        // While an answer is awaited, there is no second call.
        await tab.evaluate(() => {
            for (let n = 0; n < 3; n += 1) document.getElementById('call').requestSubmit()
        })
        await says(tab, 'call-outcome', 'Answered in')
        assert.equal(served, 2)
        await tab.fill('#call-method', 'myapp.gone.do')
        await tab.click('#call-send')
        await says(tab, 'call-outcome', 'Error -31601')
    }, { view: 'console' })
}

async function addresses() {
    for (const view of ['toString', 'constructor', '%00', 'nowhere']) {
        await onPage(async (tab) => {
            await says(tab, 'verdict', 'All is well')
            assert.ok(await tab.isVisible('#overview-title'), view)
        }, { view })
    }
}

async function clock() {
    await onPage(async (tab) => {
        const known = await tab.evaluate(async () => {
            const { History } = await import('/history.js')
            const history = new History()
            const at = (...times) => times.map((at_ms) => ({ at_ms, calls: 1 }))
            const known = []
            for (const samples of [at(9_000, 10_000), at(9_000, 10_000, 11_000), at(11_000, 4_000), at(11_000, 4_000, 5_000), at(4_000, 5_000, 6_000), at(1_000)]) {
                history.add(samples)
                known.push(history.samples.map((sample) => sample.at_ms / 1_000).join(' '))
            }
            return known
        })
        assert.deepEqual(known, ['9 10', '9 10 11', '4', '4 5', '4 5 6', '1'])
    })
}

async function denials() {
    const caller = await user(id('caller'))
    await caller.subscribeAsync('req/#', { qos: 1 }).catch(() => {})
    await onPage(async (tab) => {
        await becomes(tab, 'the denial', (client) => {
            const row = [...document.querySelectorAll('#event-list tbody tr')].find((row) => row.textContent.includes(client))
            return row?.textContent.includes('denied') && row.textContent.includes('req/#')
        }, id('caller'))
        const event = (await api('events?limit=10')).events.find((one) => one.client === id('caller'))
        const why = await tab.evaluate(() => document.querySelector('#event-list tbody tr').textContent)
        assert.ok(why.includes(event.reason), why)
        await tab.fill('#event-search', 'nothing like it')
        await becomes(tab, 'none that fit', () => document.querySelectorAll('#event-list tbody tr').length === 0)
    }, { view: 'events' })
}

await run({ figures, metrics, behind, kicks, keyboard, unbinds, unbindsaclient, pages, hostile, phone, dark, token, lost, spoken, calls, addresses, clock, denials })
