// Talks to skep: requests, the token, and what can go wrong with them.

const TOKEN = 'skep-token'

/** How long an answer may take before skep counts as gone. */
const PATIENCE_MS = 8_000

/** A token is asked for, or the one given is not it. */
export class Unauthorized extends Error {}

/** skep answered, and said no. */
export class Refused extends Error {
    constructor(status, text) {
        super(text)
        this.status = status
    }
}

/** Nothing came back, or nothing that skep would say. */
export class Lost extends Error {}

export const hasToken = () => sessionStorage.getItem(TOKEN) !== null
export const setToken = (token) => sessionStorage.setItem(TOKEN, token)
export const forgetToken = () => sessionStorage.removeItem(TOKEN)

/** Asks for `path` below /api/v1, with the members of `query` that are set. */
export function get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== '' && value !== undefined)
    const search = given.length > 0 ? `?${new URLSearchParams(given)}` : ''
    return ask(`${path}${search}`, { method: 'GET' }, PATIENCE_MS)
}

/** Has skep do something. `waitMs` is how long that may take by itself. */
export function post(path, body, waitMs = 0) {
    const headers = { 'Content-Type': 'application/json', 'X-Skep': '1' }
    return ask(path, { method: 'POST', headers, body: JSON.stringify(body) }, PATIENCE_MS + waitMs)
}

async function ask(path, request, patience) {
    const token = sessionStorage.getItem(TOKEN)
    const headers = { Accept: 'application/json', ...request.headers }
    // What no header can hold is nobody's token.
    if (token !== null && !/^[\x20-\x7e]*$/.test(token)) throw new Unauthorized()
    if (token !== null) headers.Authorization = `Bearer ${token}`
    let status, answer
    try {
        const signal = AbortSignal.timeout(patience)
        const response = await fetch(`api/v1/${path}`, { ...request, headers, signal, cache: 'no-store' })
        status = response.status
        answer = await response.json()
    } catch (error) {
        if (status === 401) throw new Unauthorized()
        throw new Lost(error.name === 'TimeoutError' ? 'no answer came in time' : 'it can’t be reached')
    }
    if (status === 401) throw new Unauthorized(answer?.error)
    if (status >= 500 && answer?.error === undefined) throw new Lost(`it answered with status ${status}`)
    if (status >= 400) throw new Refused(status, answer?.error ?? `status ${status}`)
    return answer
}
