// Whether all is well, and if not, what is not. The page's first line.
import { count, foreign, plural, span } from './format.js'

/** Work that has waited longer than this is worth a look. */
const LONG_MS = 5_000

/** What is not well, worst first: `{ key, state: 'bad' | 'warn', text, href }`. */
export function problems({ overview, queues, history, watched }) {
    const found = []
    const bad = (key, text, href) => found.push({ key, state: 'bad', text, href })
    const warn = (key, text, href) => found.push({ key, state: 'warn', text, href })

    if (!overview.ready) bad('ready', 'skep is not ready: it is stopping, a listener is down, or bindings can’t be written (see /readyz)')
    for (const queue of queues) {
        const name = foreign(queue.filter, 60)
        const key = JSON.stringify([queue.bus, queue.group, queue.filter])
        if (queue.waiting > 0 && queue.members === 0) {
            bad(key, `${plural(queue.waiting, 'message waits', 'messages wait')} for ${name}, which nobody serves`, '#overview')
        } else if (queue.waiting > 0 && queue.oldest_ms >= LONG_MS) {
            warn(key, `${name} is behind: ${plural(queue.waiting, 'message waits', 'messages wait')}, the first for ${span(queue.oldest_ms / 1_000)}`, '#overview')
        }
    }
    const errors = history.lately('errors')
    if (errors > 0) warn('errors', `${plural(errors, 'call', 'calls')} of the last minute got an error from skep instead of an answer`, '#events')
    for (const bus of overview.buses) {
        const dropped = watched.lately(`${bus.id} dropped`)
        if (dropped > 0) warn(`dropped ${bus.id}`, `${bus.id} dropped ${plural(dropped, 'message', 'messages')} in the last minute`, '#events')
    }
    return found.sort((a, b) => (a.state === b.state ? 0 : a.state === 'bad' ? -1 : 1))
}

/** The one line. It changes seldom, as it is read out when it does. */
export function verdict(found) {
    if (found.length === 0) return { state: 'good', text: 'All is well' }
    const state = found[0].state
    return { state, text: found.length === 1 ? 'One thing needs a look' : `${count(found.length)} things need a look` }
}
