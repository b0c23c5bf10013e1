// What the last minutes were like: skep's samples, one a second, and what this
// page itself has seen of counters that skep has no samples of.

/** How far back the charts go. */
export const SECONDS = 300

/** How far back "lately" goes, for what is worth a look. */
export const LATELY_MS = 60_000

export class History {
    samples = []
    /** How far this clock is ahead of skep's, ms. */
    #skew = 0

    /** How many seconds to ask for: all, or what is not known yet. */
    missing() {
        const last = this.samples.at(-1)
        if (last === undefined) return SECONDS
        return Math.min(SECONDS, Math.max(2, Math.ceil((Date.now() - this.#skew - last.at_ms) / 1_000) + 3))
    }

    /** Takes in samples that are oldest first, some of them known already. */
    add(given) {
        // A clock that was set back: what came before has no place on the line any more.
        const back = given.findLastIndex((sample, at) => at > 0 && sample.at_ms < given[at - 1].at_ms)
        const samples = back > 0 ? given.slice(back) : given
        const newest = samples.at(-1)
        if (newest?.at_ms < this.samples.at(-1)?.at_ms) this.samples = []
        const last = this.samples.at(-1)?.at_ms ?? -Infinity
        const fresh = samples.filter((sample) => sample.at_ms > last)
        if (newest) this.#skew = Date.now() - newest.at_ms
        this.samples = [...this.samples, ...fresh].slice(-SECONDS)
    }

    /** The sum of `name` over the last minute. */
    lately(name) {
        const since = (this.samples.at(-1)?.at_ms ?? 0) - LATELY_MS
        return this.samples.reduce((sum, sample) => (sample.at_ms > since ? sum + sample[name] : sum), 0)
    }

    /** The mean of `name` over the last five seconds: one second alone jumps about. */
    now(name) {
        const last = this.samples.slice(-5)
        return last.length === 0 ? 0 : last.reduce((sum, sample) => sum + sample[name], 0) / last.length
    }
}

/** Counters that only grow, watched: how fast, and how much lately. */
export class Watched {
    #seen = new Map()

    /** Notes what `name` was `at` (ms); gives back its rate a second over the last five seconds. */
    rate(name, value, at) {
        const points = this.#seen.get(name) ?? []
        this.#seen.set(name, points)
        // A smaller number is another life of skep's.
        if (points.length > 0 && value < points.at(-1).value) points.length = 0
        points.push({ at, value })
        while (points.length > 2 && points[0].at < at - LATELY_MS) points.shift()
        const from = points.find((point) => point.at >= at - 5_500) ?? points[0]
        const seconds = (at - from.at) / 1_000
        // Too short a time tells nothing: answers come early and late.
        return seconds >= 0.5 ? (value - from.value) / seconds : 0
    }

    /** By how much it has grown while it was watched, at most in the last minute. */
    lately(name) {
        const points = this.#seen.get(name) ?? []
        return points.length > 0 ? points.at(-1).value - points[0].value : 0
    }
}
