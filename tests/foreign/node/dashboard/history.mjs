// What the charts keep.
import assert from 'node:assert/strict'
import { onPage } from './support/page.mjs'

export async function clock() {
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
