// The samples of `/metrics`, added up.
import assert from 'node:assert/strict'
import { inTime } from '../../peer.mjs'
import { ask } from './listener.mjs'

/** What `/metrics` says: sums of the samples of a name that have all `labels`, and percentiles. */
export async function scrape() {
    const text = await (await ask('metrics')).text()
    const samples = text.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => {
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
export async function settles(expected, name, ...labels) {
    let ended = false
    const look = async () => {
        while (!ended && (await scrape()).sum(name, ...labels) !== expected) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await inTime(`${name} of ${labels} is ${expected}`, look()).finally(() => { ended = true })
}
