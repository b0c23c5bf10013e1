// Whose sessions are bound, to which addresses, and the way to log them out.
import { get, post } from './api.js'
import { confirm, details } from './dialogs.js'
import { byId, settled } from './dom.js'
import { count, foreign, plural, span } from './format.js'
import { Pages, Table } from './table.js'

const PAGE = 50

export class Sessions {
    #sessions
    #addresses
    #sessionPages
    #addressPages
    #search = byId('session-search')
    #page

    constructor(page) {
        this.#page = page
        const list = byId('session-list')
        this.#sessions = new Table(list, {
            caption: 'Clients that a worker has bound, by caller',
            key: (session) => session.caller,
            empty: 'No session that fits: none is bound, or the search finds none.',
            columns: [
                { title: 'Caller', foreign: (s) => s.caller },
                { title: 'Address', foreign: (s) => s.address ?? '' },
                { title: 'Frontend', text: (s) => s.frontend ?? '' },
                { title: 'Connected', text: (s) => (s.connected ? 'yes' : 'no') },
                { title: 'Forgotten in', long: 'Unless it makes a call before', numeric: true, text: (s) => span(s.expires_in_s) },
                { title: 'Show', action: (s) => ({ label: 'Details', name: `Details of ${foreign(s.caller, 40)}`, run: () => this.#show(s) }) },
                { title: 'Unbind', action: (s) => ({ label: 'Unbind', name: `Unbind ${foreign(s.caller, 40)}`, run: () => unbindCaller(page, s.caller) }) },
            ],
        })
        this.#sessionPages = new Pages(list, PAGE, () => page.refresh())
        const addresses = byId('address-list')
        this.#addresses = new Table(addresses, {
            caption: 'What sessions are bound to',
            key: (address) => address.address,
            empty: 'No address that fits.',
            columns: [
                { title: 'Address', foreign: (a) => a.address },
                { title: 'Sessions', numeric: true, text: (a) => count(a.sessions) },
                { title: 'Show', action: (a) => ({ label: 'Its sessions', name: `Sessions of ${foreign(a.address, 40)}`, run: () => this.#seek(a.address) }) },
                { title: 'Unbind all', action: (a) => ({ label: 'Unbind all', name: `Unbind all sessions of ${foreign(a.address, 40)}`, run: () => this.#unbindAddress(a) }) },
            ],
        })
        this.#addressPages = new Pages(addresses, PAGE, () => page.refresh())
        this.#search.addEventListener('input', settled(200, () => this.#again()))
    }

    async refresh() {
        const search = this.#search.value.trim()
        const [bound, known] = await Promise.all([
            get('sessions', { search, ...this.#sessionPages.query }),
            get('addresses', { search, ...this.#addressPages.query }),
        ])
        if (this.#sessionPages.show(bound.total, bound.sessions.length)) this.#sessions.show(bound.sessions)
        if (this.#addressPages.show(known.total, known.addresses.length)) this.#addresses.show(known.addresses)
    }

    #again() {
        this.#sessionPages.reset()
        this.#addressPages.reset()
        this.#page.refresh()
    }

    #seek(address) {
        this.#search.value = address
        this.#search.focus()
        this.#again()
    }

    async #show(session) {
        await this.#page.doing(async () => {
            const known = await get('session', { caller: session.caller })
            details('Session', [
                ['Caller', known.caller],
                ['Address', known.address ?? 'none'],
                ['Frontend', known.frontend ?? 'unknown'],
                ['Authorization data', typeof known.auth === 'string' ? known.auth : JSON.stringify(known.auth)],
                ['Connected', known.connected ? 'yes' : 'no'],
                ['Forgotten in', span(known.expires_in_s)],
            ])
        })
    }

    #unbindAddress(address) {
        return unbind(this.#page, { address: address.address }, {
            title: 'Unbind all sessions of this address?',
            what: address.address,
            text: `It has ${plural(address.sessions, 'session', 'sessions')}. Their calls come without authorization data from then on, as after a logout on all devices.`,
            yes: 'Unbind all',
        })
    }
}

/** Asks, and takes the session from a client that has one. */
export function unbindCaller(page, caller) {
    return unbind(page, { caller }, {
        title: 'Unbind this session?',
        what: caller,
        text: 'Its calls come without authorization data from then on, as after a logout on this device.',
        yes: 'Unbind',
    })
}

async function unbind(page, which, question) {
    if (!await confirm(question)) return
    await page.doing(async () => {
        const { unbound } = await post('session/unbind', which)
        page.say(`${plural(unbound, 'session was', 'sessions were')} unbound.`)
    })
    page.refresh()
}
