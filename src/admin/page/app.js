// The page: which view is shown, asking skep each second, and saying so when it
// does not answer.
import { Lost, Refused, Unauthorized, forgetToken, get, hasToken, setToken } from './api.js'
import { Clients } from './clients.js'
import { Console } from './console.js'
import { askForToken } from './dialogs.js'
import { byId, el, reconcile, setAttribute, setText } from './dom.js'
import { Events } from './events.js'
import { moment, span } from './format.js'
import { problems, verdict } from './health.js'
import { History, Watched } from './history.js'
import { Overview } from './overview.js'
import { Sessions } from './sessions.js'

const EACH_MS = 1_000

/** How long to wait after the first, second, … try that found nobody. */
const RETRIES_MS = [1_000, 1_000, 2_000, 3_000, 5_000]

class Page {
    #history = new History()
    #watched = new Watched()
    #views
    #shown
    /** What skep said last, which views draw from. */
    #known
    #failures = 0
    #lostAt
    #paused = false
    #timer
    /** The round under way, and whether another is wanted after it. */
    #round
    #again = false

    constructor() {
        this.#views = {
            overview: new Overview(this.#watched),
            clients: new Clients(this),
            sessions: new Sessions(this),
            events: new Events(),
            console: new Console(this),
        }
        this.#turn()
        addEventListener('hashchange', () => {
            if (this.#turn()) byId(`${this.#shown}-title`).focus()
            this.refresh()
        })
        document.addEventListener('visibilitychange', () => this.#wake())
        addEventListener('online', () => this.#wake())
        byId('pause').addEventListener('click', () => this.#pause())
        this.refresh()
    }

    /** Shows the view that the address names; true if it is another one. */
    #turn() {
        const named = location.hash.slice(1)
        // The skip link goes to #main, which is no view.
        const view = Object.hasOwn(this.#views, named) ? named : this.#shown ?? 'overview'
        if (view === this.#shown) return false
        this.#shown = view
        for (const name of Object.keys(this.#views)) byId(name).hidden = name !== view
        for (const link of document.querySelectorAll('nav a')) {
            setAttribute(link, 'aria-current', link.hash === `#${view}` ? 'page' : undefined)
        }
        document.title = `${byId(`${view}-title`).textContent} · skep`
        return true
    }

    #pause() {
        this.#paused = !this.#paused
        // The word changes; "pressed" beside it would say the contrary.
        setText(byId('pause'), this.#paused ? 'Go on' : 'Pause')
        if (!this.#paused) this.refresh()
    }

    #wake() {
        if (!document.hidden && !this.#paused) this.refresh()
    }

    /** Asks now; while a round is under way, once more after it. */
    refresh() {
        clearTimeout(this.#timer)
        if (this.#round) {
            this.#again = true
            return
        }
        const began = performance.now()
        this.#round = this.#ask().catch((error) => this.failed(error)).finally(() => {
            this.#round = undefined
            if (this.#again) {
                this.#again = false
                this.refresh()
                return
            }
            if (document.hidden || this.#paused) return
            const wait = this.#failures > 0
                ? RETRIES_MS[Math.min(this.#failures, RETRIES_MS.length) - 1]
                : Math.max(100, EACH_MS - (performance.now() - began))
            this.#timer = setTimeout(() => this.refresh(), wait)
        })
    }

    async #ask() {
        const [overview, { samples }, { queues }] = await Promise.all([
            get('overview'),
            get('history', { seconds: this.#history.missing() }),
            get('queues'),
        ])
        if (this.#known && overview.started_ms !== this.#known.overview.started_ms) {
            this.say(`skep was started anew at ${moment(overview.started_ms)}.`)
        }
        this.#history.add(samples)
        const at = performance.now()
        for (const bus of overview.buses) this.#watched.rate(`${bus.id} dropped`, bus.dropped, at)
        this.#known = { overview, queues, history: this.#history, watched: this.#watched, at }
        this.#answered()
        const view = this.#shown
        await this.#views[view].refresh(this.#known)
        if (view !== this.#shown) this.#again = true
    }

    #answered() {
        if (this.#lostAt !== undefined) this.say(`Connected again. skep was gone for ${span((Date.now() - this.#lostAt) / 1_000)}.`)
        this.#failures = 0
        this.#lostAt = undefined
        document.body.classList.remove('stale')
        const { overview } = this.#known
        setText(byId('version'), overview.version)
        setText(byId('since'), `up ${span(overview.uptime_s)}`)
        const found = problems(this.#known)
        this.#judge(verdict(found), found)
    }

    #judge({ state, text }, found) {
        setText(byId('verdict'), text)
        byId('verdict').dataset.state = state
        const make = () => el('li', {}, el('a'))
        reconcile(byId('problems'), found, (problem) => problem.key, make, (node, problem) => {
            node.dataset.state = problem.state
            setText(node.firstElementChild, problem.text)
            setAttribute(node.firstElementChild, 'href', problem.href)
        })
    }

    /** Something that was asked of skep did not work. */
    async failed(error) {
        if (error instanceof Unauthorized) {
            this.#judge({ state: 'unknown', text: 'A token is needed' }, [])
            await (this.#login ??= this.#logIn())
        } else if (error instanceof Lost) {
            this.#failures += 1
            this.#lostAt ??= Date.now()
            document.body.classList.add('stale')
            const text = `The connection to skep is lost since ${moment(this.#lostAt)}: ${error.message}. Trying again.`
            this.#judge({ state: 'bad', text }, [])
        } else if (error instanceof Refused) {
            this.say(error.message)
        } else {
            this.#failures += 1
            console.error(error)
            this.say(`This page has failed: ${error.message}`)
        }
    }

    /** Runs what somebody asked for, and says so if it fails. */
    async doing(run) {
        try {
            await run()
        } catch (error) {
            await this.failed(error)
        }
    }

    /** At most once at a time, whatever was asked for without a token. */
    #login

    async #logIn() {
        const refused = hasToken()
        forgetToken()
        setToken(await askForToken(refused))
        this.#login = undefined
        this.refresh()
    }

    #sayTimer

    /** A line that is read out, and goes by itself. The same words anew mean that it has happened again. */
    say(text) {
        byId('notice').replaceChildren(text)
        clearTimeout(this.#sayTimer)
        this.#sayTimer = setTimeout(() => setText(byId('notice'), ''), 15_000)
    }
}

new Page()
