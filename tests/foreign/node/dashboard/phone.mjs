// The page on a phone.
import assert from 'node:assert/strict'
import { bind, subscribe, worker } from '../peer.mjs'
import { MARKUP, binder, id } from './support/clients.mjs'
import { VIEWS, becomes, go, onPage, row, rows } from './support/page.mjs'

export async function phone() {
    const client = await worker(MARKUP)
    await subscribe(client, `$share/BKPR/req/backend/${'long'.repeat(60)}`)
    await worker('x'.repeat(256))
    const binding = await binder()
    await bind(binding, 'y'.repeat(200), `frontend.${'z'.repeat(200)}`)
    await onPage(async (tab) => {
        for (const view of VIEWS) {
            await go(tab, view)
            await becomes(tab, `${view} is there`, (view) => !document.getElementById(view).hidden, view)
            if (view === 'clients') await row(tab, 'client-list', MARKUP)
            if (view === 'sessions') await rows(tab, 'session-list', 1)
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
        await go(tab, 'clients')
        const box = await tab.getByRole('button', { name: `Kick ${id('binder')}` }).boundingBox()
        assert.ok(box.height >= 32 && box.width >= 32, JSON.stringify(box))
    }, { options: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true } })
}
