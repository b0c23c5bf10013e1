// Who is on the buses while somebody looks at the page.
import { inTime, request, subscribe, worker } from '../../peer.mjs'

/** Markup, in place of a plain name. */
export const MARKUP = '<img src=x onerror="window.hit=1">\'"<script>window.hit=2</script>'

/** A client id of this name, long enough for an end user's. */
export const id = (name) => name.padEnd(16, '_')

/** Answers each request with what `answer` makes of it. */
export function serve(client, answer = () => 'done') {
    client.removeAllListeners('message')
    client.on('message', (topic, payload, packet) => {
        const { id } = JSON.parse(payload)
        const { responseTopic, userProperties } = packet.properties
        const response = JSON.stringify({ jsonrpc: '2.0', result: answer(packet), id })
        client.publish(responseTopic, response, { qos: 1, properties: { userProperties: { addr: userProperties?.addr ?? '' } } })
    })
}

/** A worker that serves `myapp.str`. */
export async function servingWorker(answer) {
    const client = await worker(id('worker'))
    serve(client, answer)
    await subscribe(client, '$share/BKPR/req/backend/myapp/str')
    return client
}

/** A worker of `myapp.slow` that never acknowledges its first request, so that the next ones wait. */
export async function fullWorker() {
    const client = await worker(id('full'), { properties: { receiveMaximum: 1 } })
    client.handleMessage = () => {}
    await subscribe(client, '$share/BKPR/req/backend/myapp/slow')
}

/** A worker that binds, by way of its mailbox. */
export async function binder() {
    const client = await worker(id('binder'))
    await subscribe(client, `priv/${id('binder')}`)
    return client
}

/** Sends requests, numbered from 1, without waiting for what comes back. */
export async function send(client, method, requests) {
    for (let n = 1; n <= requests; n += 1) await request(client, method, {}, n)
}

/** A request and its response. */
export async function call(client, method, n = 1) {
    await request(client, method, {}, n)
    await client.inbox.next()
}

/** Asks for what nobody may subscribe to. */
export const denied = (client, filter = 'req/#') => client.subscribeAsync(filter, { qos: 1 }).catch(() => {})

/** The reason code of the DISCONNECT that a client is sent. */
export const disconnected = (client) => inTime('a DISCONNECT', new Promise((resolve) => client.once('disconnect', (packet) => resolve(packet.reasonCode))))
