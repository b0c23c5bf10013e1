// Addresses of the page that name no view.
import assert from 'node:assert/strict'
import { onPage, says } from './support/page.mjs'

export async function addresses() {
    for (const view of ['toString', 'constructor', '%00', 'nowhere']) {
        await onPage(async (tab) => {
            await says(tab, 'verdict', 'All is well')
            assert.ok(await tab.isVisible('#overview-title'), view)
        }, { view })
    }
}
