// The way through all that the page has to show, for claims about each part of it.
import { bind, user } from '../../peer.mjs'
import { binder, call, denied, fullWorker, id, send, servingWorker } from './clients.mjs'
import { VIEWS, becomes, confirm, go, gone, rows, says } from './page.mjs'

/** Brings about what gives each view rows: clients, a session, work that waits, calls, an error and a denial. */
export async function inhabit() {
    const binding = await binder()
    const device = await user(id('phone'))
    await bind(binding, id('phone'), 'frontend.ann')
    await servingWorker()
    for (const method of ['myapp.str.uc', 'myapp.gone.do']) await call(device, method)
    await fullWorker()
    await send(device, 'myapp.slow.do', 3)
    await denied(device)
}

/** Which tables of a view have rows then. */
const LISTS = {
    overview: ['services', 'queues', 'buses', 'recent'],
    clients: ['client-list'],
    sessions: ['session-list', 'address-list'],
    events: ['event-list'],
    console: [],
}

/** Leads the page, on which `inhabit` has been, to all that it has to show, and has each looked at. */
export async function everywhere(tab, look) {
    const open = async (view) => {
        await go(tab, view)
        await becomes(tab, `${view} has rows`, ([view, lists]) => !document.getElementById(view).hidden
            && lists.every((list) => document.querySelector(`#${list} tbody tr`)), [view, LISTS[view]])
    }
    await says(tab, 'problems', 'got an error from skep')
    await open('overview')
    await becomes(tab, 'curves', () => [...document.querySelectorAll('#charts figure')].every((chart) => chart.querySelector('path.line[d^=M]')))
    await look('overview')
    for (const view of VIEWS.slice(1)) {
        await open(view)
        await look(view)
    }
    await open('clients')
    await tab.getByRole('button', { name: `Details of ${id('phone')}` }).click()
    await says(tab, 'details-list', 'frontend-1')
    await look('details')
    await tab.keyboard.press('Escape')
    await tab.getByRole('button', { name: `Kick ${id('phone')}` }).click()
    await says(tab, 'confirm-what', id('phone'))
    await look('the question')
    await tab.keyboard.press('Escape')
    await tab.fill('#client-search', 'no such client')
    await rows(tab, 'client-list', 0)
    await look('no client that fits')
    await open('sessions')
    await tab.getByRole('button', { name: `Unbind ${id('phone')}` }).click()
    await confirm(tab, 'Unbind')
    await says(tab, 'notice', '1 session was unbound.')
    await gone(tab, 'session-list', id('phone'))
    await look('what was done')
    await open('console')
    await tab.fill('#call-method', 'myapp.gone.do')
    await tab.fill('#call-params', '{')
    await tab.click('#call-send')
    await says(tab, 'call-problem', 'This is not JSON')
    await look('parameters that are none')
    await tab.fill('#call-params', '')
    await tab.click('#call-send')
    await says(tab, 'call-outcome', 'Error -31601')
    await look('an error')
    await tab.fill('#call-method', 'myapp.str.uc')
    await tab.click('#call-send')
    await says(tab, 'call-outcome', 'Answered in')
    await look('an answer')
    await open('overview')
    await tab.route('**/api/v1/**', (route) => route.abort())
    await says(tab, 'verdict', 'The connection to skep is lost')
    await look('a lost connection')
}
