// A skep that is gone, and comes back as another.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { becomes, onPage, says, unanswered } from './support/page.mjs'
import { start } from './support/process.mjs'

export async function lost() {
    const folder = await mkdtemp(join(tmpdir(), 'skep-dashboard-'))
    let skep = await start(folder, '127.0.0.1:0')
    try {
        await onPage(async (tab) => {
            await says(tab, 'verdict', 'All is well')
            await skep.end('SIGKILL')
            await says(tab, 'verdict', 'The connection to skep is lost since')
            skep = await start(folder, new URL(skep.url).host)
            await says(tab, 'verdict', 'All is well')
            await becomes(tab, 'that it was started anew', () => document.getElementById('notice').textContent !== '')
            assert.equal(await tab.evaluate(() => document.body.classList.contains('stale')), false)
        }, { url: skep.url, expected: unanswered })
    } finally {
        await skep.end('SIGKILL')
        await rm(folder, { recursive: true, force: true })
    }
}
