// A call from the console.
import assert from 'node:assert/strict'
import { servingWorker } from './support/clients.mjs'
import { onPage, says } from './support/page.mjs'

export async function calls() {
    let served = 0
    await servingWorker(() => {
        served += 1
        return { upper: 'HELLO' }
    })
    await onPage(async (tab) => {
        await tab.fill('#call-method', 'myapp.str.uc')
        await tab.fill('#call-params', '{"string": ')
        await tab.click('#call-send')
        await says(tab, 'call-problem', 'This is not JSON')
        await tab.fill('#call-params', '7')
        await tab.click('#call-send')
        await says(tab, 'call-problem', 'Parameters are a JSON object or list.')
        assert.equal(await tab.getAttribute('#call-params', 'aria-invalid'), 'true')
        await tab.fill('#call-params', '{"string": "hello"}')
        await tab.click('#call-send')
        await says(tab, 'call-outcome', 'Answered in')
        assert.deepEqual(JSON.parse(await tab.textContent('#call-answer')), { upper: 'HELLO' })
        assert.equal(await tab.getAttribute('#call-params', 'aria-invalid'), null)
        assert.equal(await tab.evaluate(() => document.activeElement.id), 'call-send', 'the focus stays on the button')
        // While an answer is awaited, there is no second call.
        await tab.evaluate(() => {
            for (let n = 0; n < 3; n += 1) document.getElementById('call').requestSubmit()
        })
        await says(tab, 'call-outcome', 'Answered in')
        assert.equal(served, 2)
        await tab.fill('#call-method', 'myapp.gone.do')
        await tab.click('#call-send')
        await says(tab, 'call-outcome', 'Error -31601')
    }, { view: 'console' })
}
