// MQTT.js in a page in Chromium: an end user who calls, is bound, and is pushed to.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { browser as launch } from './browse.mjs'
import { bind, given, inTime, notify, publish, run, subscribe, worker } from './peer.mjs'

const FILES = {
    '/': ['text/html', new URL('page.html', import.meta.url)],
    '/mqtt.js': ['text/javascript', new URL('node_modules/mqtt/dist/mqtt.esm.js', import.meta.url)],
}

async function serveFiles() {
    const server = createServer(async (request, response) => {
        const file = FILES[request.url.split('?')[0]]
        if (!file) {
            response.writeHead(404).end()
            return
        }
        response.writeHead(200, { 'Content-Type': file[0] }).end(await readFile(file[1]))
    })
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${server.address().port}/`
}

async function page() {
    const serving = await worker('page-worker', { properties: { receiveMaximum: 1 } })
    const binding = await worker('page-binder')
    await subscribe(binding, 'priv/page-binder')
    await subscribe(serving, '$share/BKPR/req/backend/myapp/str')
    const site = await serveFiles()
    const browser = await launch()
    try {
        const tab = await browser.newPage()
        tab.on('console', (line) => console.log('page:', line.text()))
        tab.on('pageerror', (error) => console.error('page:', error))
        await tab.goto(`${site}?bus=${encodeURIComponent(given('SKEP_FRONTEND'))}`)

        const { text, packet } = await serving.inbox.next()
        const call = JSON.parse(text)
        const { clid, addr } = packet.properties.userProperties
        assert.equal(addr, `priv/${clid}@frontend-1`)
        assert.equal(await bind(binding, clid, 'frontend.visitor'), 1)
        const result = call.params.string.toUpperCase()
        await publish(serving, packet.properties.responseTopic, JSON.stringify({ jsonrpc: '2.0', result, id: call.id }), {
            qos: 1,
            properties: { userProperties: { addr } },
        })
        await shows(tab, 'answer', 'HELLO FROM A PAGE')
        await notify(binding, JSON.stringify({ jsonrpc: '2.0', method: 'chat.message', params: { text: 'psst' } }), 'visitor')
        await shows(tab, 'pushed', 'psst')
    } finally {
        await browser.close()
    }
}

async function shows(tab, id, expected) {
    const look = (seek) => document.getElementById(seek.id).textContent === seek.expected
    await inTime(`the page shows ${expected}`, tab.waitForFunction(look, { id, expected }))
}

await run({ page })
