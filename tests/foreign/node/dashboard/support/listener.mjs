// What the admin listener says to whoever asks it, without a page between.
import assert from 'node:assert/strict'
import { given } from '../../peer.mjs'

/** What is answered to a GET of `path`, with the token if there is one. */
export async function ask(path) {
    const token = process.env.SKEP_TOKEN
    const response = await fetch(given('SKEP_ADMIN') + path, { headers: token ? { Authorization: `Bearer ${token}` } : {} })
    assert.equal(response.status, 200, path)
    return response
}

/** What the API says. */
export const api = async (path) => (await ask(`api/v1/${path}`)).json()
