// MQTT.js at both sides of the router: calls, pushes, broadcasts.
import assert from 'node:assert/strict'
import { bind, notify, request, routerCall, run, subscribe, user, worker } from './peer.mjs'

const SERVICE = '$share/BKPR/req/backend/myapp/str'

/**
 * A worker that takes one request at a time: it publishes the response before
 * it sends the PUBACK, as the framework's workers do, after `hold` has resolved.
 */
async function servingWorker(id, hold) {
    const client = await worker(id, {
        properties: { receiveMaximum: 1 },
        customHandleAcks: async (_topic, payload, packet, done) => {
            const call = JSON.parse(payload.toString())
            await hold(call, packet)
            const { responseTopic, userProperties } = packet.properties
            const result = call.params.string.toUpperCase()
            // Not awaited: MQTT.js handles no further packet, the response's
            // PUBACK among them, before this request is done.
            client.publish(responseTopic, JSON.stringify({ jsonrpc: '2.0', result, id: call.id }), {
                qos: 1,
                properties: { userProperties: { addr: userProperties.addr } },
            })
            done(null, 0)
        },
    })
    await subscribe(client, SERVICE)
    return client
}

async function call() {
    const caller = 'caller_of_mqttjs'
    const calls = 10
    // Whoever is first holds its request until all others are answered: with
    // Receive Maximum 1 they go to the other worker.
    let release
    const released = new Promise((resolve) => { release = resolve })
    const served = []
    const hold = (who) => async (_call, packet) => {
        const { clid, addr, auth } = packet.properties.userProperties
        assert.equal(clid, caller)
        assert.equal(addr, `priv/${caller}@frontend-1`)
        assert.equal(auth, undefined)
        served.push(who)
        if (served.length === 1) await released
    }
    await servingWorker('first-worker', hold('first'))
    await servingWorker('second-worker', hold('second'))
    const client = await user(caller)
    for (let id = 1; id <= calls; id++) await request(client, 'myapp.str.uc', { string: `hello ${id}` }, id)
    const answered = []
    while (answered.length < calls) {
        const answer = JSON.parse((await client.inbox.next()).text)
        assert.equal(answer.result, `HELLO ${answer.id}`)
        answered.push(answer.id)
        if (answered.length === calls - 1) {
            assert.equal(served.filter((who) => who === served[0]).length, 1, 'a busy worker got a second request')
            release()
        }
    }
    assert.equal(new Set(answered).size, calls, 'a request was answered twice')
}

async function push() {
    const backend = await worker('binding-worker')
    await subscribe(backend, 'priv/binding-worker')
    const phone = await user('phone_of_someone')
    const laptop = await user('laptop_of_someone')
    const stranger = await user('somebody_elses_pc')
    assert.equal(await bind(backend, 'phone_of_someone', 'frontend.someone'), 1)
    assert.equal(await bind(backend, 'laptop_of_someone', 'frontend.someone'), 1)
    assert.equal(await bind(backend, 'somebody_elses_pc', 'frontend.somebody-else'), 1)
    await notify(backend, 'for someone', 'someone')
    assert.equal((await phone.inbox.next()).text, 'for someone')
    assert.equal((await laptop.inbox.next()).text, 'for someone')
    // Logged out of one device, the other still hears.
    assert.equal(await routerCall(backend, '_bkpr.router.unbind', { caller_id: 'phone_of_someone' }), 1)
    await notify(backend, 'for the laptop', 'someone')
    assert.equal((await laptop.inbox.next()).text, 'for the laptop')
    await notify(backend, 'for somebody else', 'somebody-else')
    assert.equal((await stranger.inbox.next()).text, 'for somebody else')
    assert.equal(phone.inbox.length, 0)
}

async function broadcast() {
    const backend = await worker('broadcaster')
    const users = await Promise.all(['first_of_everyone', 'second_of_everyone'].map(user))
    for (const client of users) await subscribe(client, 'msg/frontend/chat/#', 1, { subscriptionIdentifier: 7 })
    await notify(backend, 'for everyone')
    for (const client of users) {
        const message = await client.inbox.next()
        assert.equal(message.topic, 'msg/frontend/chat/message')
        assert.equal(message.text, 'for everyone')
        assert.equal(message.packet.properties.subscriptionIdentifier, 7)
    }
}

await run({ call, push, broadcast })
