// MQTT.js on one bus, in either protocol version: what a full broker does.
import assert from 'node:assert/strict'
import { connect, given, kill, publish, run, subscribe } from './peer.mjs'

const protocolVersion = Number(given('SKEP_MQTT_VERSION'))
const open = (clientId, options = {}) => connect(given('SKEP_BUS'), { clientId, protocolVersion, ...options })

async function qos2() {
    const reader = await open('reader')
    await subscribe(reader, 'exactly/once', 2)
    const writer = await open('writer')
    const sent = [...Array(50).keys()].map((n) => `message ${n}`)
    await Promise.all(sent.map((text) => publish(writer, 'exactly/once', text, { qos: 2 })))
    // Whatever came twice would stand before this one.
    await publish(writer, 'exactly/once', 'the last', { qos: 2 })
    for (const text of [...sent, 'the last']) {
        const message = await reader.inbox.next()
        assert.equal(message.qos, 2)
        assert.equal(message.text, text)
    }
}

async function retained() {
    const writer = await open('writer')
    await publish(writer, 'kept/one', 'first', { qos: 1, retain: true })
    await publish(writer, 'kept/one', 'second', { qos: 1, retain: true })
    await publish(writer, 'kept/two', 'other', { qos: 1, retain: true })
    const reader = await open('reader')
    await subscribe(reader, 'kept/one')
    const message = await reader.inbox.next()
    assert.equal(message.text, 'second')
    assert.equal(message.retain, true)
    // To those who listen already it is like any message.
    await publish(writer, 'kept/one', 'third', { qos: 1, retain: true })
    const live = await reader.inbox.next()
    assert.equal(live.text, 'third')
    assert.equal(live.retain, false)
    await publish(writer, 'kept/one', '', { qos: 1, retain: true })
    const late = await open('late')
    await subscribe(late, 'kept/#')
    assert.equal((await late.inbox.next()).text, 'other', 'an empty payload clears the topic')
}

async function resumption() {
    const resumable = { clean: false, properties: protocolVersion === 5 ? { sessionExpiryInterval: 300 } : undefined }
    const first = await open('sleeper', resumable)
    assert.equal(first.connack.sessionPresent, false)
    await subscribe(first, 'while/away')
    await first.endAsync()
    const writer = await open('writer')
    for (const text of ['one', 'two', 'three']) await publish(writer, 'while/away', text)
    const second = await open('sleeper', resumable)
    assert.equal(second.connack.sessionPresent, true)
    for (const text of ['one', 'two', 'three']) assert.equal((await second.inbox.next()).text, text)
    // What it has acknowledged is known once something sent after that is: else
    // it would rightly come again.
    await publish(second, 'something/else', 'later')
    // A lost connection leaves the session as an ordered end does.
    await kill(second)
    await publish(writer, 'while/away', 'four')
    const third = await open('sleeper', resumable)
    assert.equal(third.connack.sessionPresent, true)
    assert.equal((await third.inbox.next()).text, 'four')
    await third.endAsync()
    const fresh = await open('sleeper', { clean: true })
    assert.equal(fresh.connack.sessionPresent, false)
}

async function will() {
    const watcher = await open('watcher')
    await subscribe(watcher, 'gone/#')
    const lastWords = (topic) => ({ will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false } })
    const polite = await open('polite', lastWords('gone/polite'))
    await polite.endAsync()
    const killed = await open('killed', lastWords('gone/killed'))
    await kill(killed)
    const message = await watcher.inbox.next()
    assert.equal(message.topic, 'gone/killed', 'only who goes without DISCONNECT leaves a will')
    assert.equal(message.text, 'gone')
}

await run({ qos2, retained, resumption, will })
