// The question for a token, and where what is given is kept.
import assert from 'node:assert/strict'
import { given } from '../peer.mjs'
import { named } from './support/accessibility.mjs'
import { legible } from './support/contrast.mjs'
import { onPage, opens, says } from './support/page.mjs'

export async function token() {
    // A browser notes each 401 in its console; that is all it may note.
    const expected = (line) => line.includes('401')
    await onPage(async (tab) => {
        await opens(tab, 'login')
        await says(tab, 'verdict', 'A token is needed')
        await tab.keyboard.press('Escape')
        await tab.keyboard.press('Escape')
        // A browser closes it at the second time whatever the page says: it comes back,
        // as there is nothing to see without.
        await opens(tab, 'login')
        await tab.fill('#login-token', 'not the token')
        await tab.keyboard.press('Enter')
        await says(tab, 'login-problem', 'That is not the token.')
        await legible(tab, 'the question for a token')
        await named(tab, 'the question for a token')
        // Nor is one that no request could carry; it can be given anew.
        await tab.evaluate(() => { document.getElementById('login-problem').textContent = '' })
        await tab.fill('#login-token', 'copied – with a dash')
        await tab.keyboard.press('Enter')
        await says(tab, 'login-problem', 'That is not the token.')
        await tab.fill('#login-token', given('SKEP_TOKEN'))
        await tab.keyboard.press('Enter')
        await says(tab, 'verdict', 'All is well')
        await tab.reload()
        await says(tab, 'verdict', 'All is well')
        const kept = await tab.evaluate(() => ({ ...localStorage, cookie: document.cookie, address: location.href }))
        assert.ok(!JSON.stringify(kept).includes(given('SKEP_TOKEN')), 'nothing but the tab keeps it')
    }, { expected })
}
