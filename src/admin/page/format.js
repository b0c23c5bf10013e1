// Numbers, times and foreign text as people read them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })

export const count = (n) => whole.format(n)

/** A rate a second: with a tenth while it is small. */
export const rate = (n) => (n > 0 && n < 10 ? tenths.format(n) : whole.format(n))

/** Microseconds, in the unit that fits; nothing was measured: a dash. */
export function micros(us) {
    if (!us) return '–'
    if (us < 1_000) return `${whole.format(us)} µs`
    if (us < 10_000) return `${tenths.format(us / 1_000)} ms`
    if (us < 1_000_000) return `${whole.format(us / 1_000)} ms`
    return `${tenths.format(us / 1_000_000)} s`
}

export const millis = (ms) => (ms ? micros(ms * 1_000) : '–')

export function bytes(n) {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
    let unit = 0
    while (n >= 1_024 && unit < units.length - 1) {
        n /= 1_024
        unit += 1
    }
    return `${n < 10 && unit > 0 ? tenths.format(n) : whole.format(n)} ${units[unit]}`
}

/** A length of time in its two largest units. */
export function span(seconds) {
    const s = Math.max(0, Math.floor(seconds))
    if (s < 60) return `${s} s`
    if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`
    if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`
    return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3_600)} h`
}

const clockTime = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })
const dayTime = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })

/** The time of day, with the date unless it is today. */
export function moment(ms) {
    const at = new Date(ms)
    return at.toDateString() === new Date().toDateString() ? clockTime.format(at) : dayTime.format(at)
}

export const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`

// Control characters, what turns the direction of text, what has no width or no
// ink, and halves of surrogate pairs: all that makes a text look like another. Of
// spaces, the usual one by itself and inside a text is seen.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}|^ | $|(?<= ) /gu

/**
 * Text that a client chose, so that it can be told from any other: unseen
 * characters are written out, and it is cut at `max` characters.
 */
export function foreign(text, max = 120) {
    const given = String(text ?? '')
    const cut = given.length > max ? `${given.slice(0, max)}…` : given
    return cut.replace(UNSEEN, (char) => `\\u{${char.codePointAt(0).toString(16)}}`)
}
