// An MQTT.js client that waits for messages, and the addresses it goes to.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import mqtt from 'mqtt'

const PATIENCE_MS = 20_000

/** A setting that the test gives in the environment. */
export function given(name) {
    const value = process.env[name]
    assert.ok(value, `${name} is not set: these programs are run by cargo test`)
    return value
}

/** Fails if `promise` takes longer than anything here may. */
export function inTime(what, promise) {
    let timer
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`too late: ${what}`)), PATIENCE_MS)
    })
    return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Messages in the order in which they came, for whoever asks next. */
class Inbox {
    #messages = []
    #waiting = []

    push(message) {
        const next = this.#waiting.shift()
        if (next) next(message)
        else this.#messages.push(message)
    }

    next() {
        if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift())
        return inTime('a message', new Promise((resolve) => this.#waiting.push(resolve)))
    }

    get length() {
        return this.#messages.length
    }
}

/**
 * Connects once. `client.inbox` has what arrives, from the first packet on: a
 * resumed session's messages come right behind the CONNACK.
 */
export async function connect(url, options) {
    const client = mqtt.connect(url, { protocolVersion: 5, reconnectPeriod: 0, ...options })
    client.inbox = new Inbox()
    client.on('message', (topic, payload, packet) => {
        client.inbox.push({ topic, text: payload.toString(), qos: packet.qos, retain: packet.retain, packet })
    })
    const connack = new Promise((resolve, reject) => {
        client.once('connect', resolve)
        client.once('error', reject)
        client.once('close', () => reject(new Error('closed before CONNACK')))
    })
    client.connack = await inTime(`a connection to ${url}`, connack)
    client.on('error', (error) => { throw error })
    return client
}

/** Subscribes, and fails if any filter is refused. */
export async function subscribe(client, filter, qos = 1, properties = undefined) {
    const granted = await inTime(`SUBACK for ${filter}`, client.subscribeAsync(filter, { qos, properties }))
    assert.equal(granted[0].qos, qos, `the QoS granted for ${filter}`)
}

export function publish(client, topic, payload, options = { qos: 1 }) {
    return inTime(`the acknowledgement of ${topic}`, client.publishAsync(topic, payload, options))
}

/** Ends a connection without DISCONNECT. */
export async function kill(client) {
    const closed = new Promise((resolve) => client.once('close', resolve))
    client.stream.destroy()
    await inTime('the end of a killed connection', closed)
    await client.endAsync(true)
}

export const worker = (id, options = {}) =>
    connect(given('SKEP_BACKEND'), { clientId: id, username: 'backend', password: 'def456', ...options })

/** An end user, with its mailbox. */
export async function user(id) {
    const client = await connect(given('SKEP_FRONTEND'), { clientId: id, username: 'frontend', password: 'abc123' })
    await subscribe(client, `priv/${id}`)
    return client
}

/** A request by way of the router. */
export function request(client, method, params, id) {
    const service = method.split('.').slice(0, -1).join('/')
    return publish(client, 'req/backend-1', JSON.stringify({ jsonrpc: '2.0', method, params, id }), {
        qos: 1,
        properties: {
            responseTopic: `priv/${client.options.clientId}`,
            userProperties: { fwd_to: `req/backend/${service}` },
        },
    })
}

/** Calls the router's own service, from a worker that listens to its mailbox. */
export async function routerCall(client, method, params) {
    const token = createHash('md5').update('BKPR_ROUTER' + 'backend-1').digest('base64').replaceAll('=', '')
    await publish(client, 'req/backend/_bkpr/router', JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 }), {
        qos: 1,
        properties: { responseTopic: `priv/${client.options.clientId}`, userProperties: { auth: token } },
    })
    const answer = JSON.parse((await client.inbox.next()).text)
    assert.equal(answer.error, undefined, `${method} succeeds`)
    return answer.result
}

export const bind = (client, callerId, address) =>
    routerCall(client, '_bkpr.router.bind', {
        caller_id: callerId,
        caller_addr: `priv/${callerId}@frontend-1`,
        address,
        auth_data: 'somebody',
    })

/** A notification to everybody, or to one address. */
export function notify(client, payload, address) {
    const to = address ? `@${address}` : ''
    return publish(client, 'msg/frontend-1', payload, {
        qos: 1,
        properties: { userProperties: { fwd_to: `msg/frontend/chat/message${to}` } },
    })
}

/** Runs the claim that the command line names; the exit status tells. */
export async function run(claims) {
    const claim = claims[process.argv[2]]
    assert.ok(claim, `one of ${Object.keys(claims).join(', ')} as argument, not ${process.argv[2]}`)
    try {
        await claim()
        process.exit(0)
    } catch (error) {
        console.error(error)
        process.exit(1)
    }
}
