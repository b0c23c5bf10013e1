// Numbers and times as the page writes them, read back.
import assert from 'node:assert/strict'

/** A time that the page shows, in µs, and by how much its rounding may have changed it. */
export function time(text) {
    const [, number, decimals, unit] = text.match(/^([\d,]+(\.\d)?) (µs|ms|s)$/) ?? assert.fail(`${text} is a time`)
    const size = { µs: 1, ms: 1_000, s: 1_000_000 }[unit]
    // A nought behind the point is not written.
    const step = decimals || unit === 's' || (unit === 'ms' && Number(number) < 10) ? size / 10 : size
    return { us: Number(number.replaceAll(',', '')) * size, off: step / 2 + 0.001 }
}

/** A whole number. */
export const whole = (text) => {
    assert.match(text, /^\d{1,3}(,\d{3})*$/)
    return Number(text.replaceAll(',', ''))
}
