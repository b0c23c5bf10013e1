// Makes a call and shows what came back.
import { get, post } from './api.js'
import { byId, el, setAttribute, setText } from './dom.js'
import { micros } from './format.js'

/** More of an answer than this makes a page slow. */
const SHOWN = 200_000

export class Console {
    #page
    #backend = byId('call-backend')
    #methods = byId('methods')

    constructor(page) {
        this.#page = page
        byId('call').addEventListener('submit', (event) => {
            event.preventDefault()
            this.#call()
        })
        byId('call').addEventListener('keydown', (event) => {
            if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
            event.preventDefault()
            byId('call').requestSubmit()
        })
        byId('call-params').addEventListener('input', () => {
            setText(byId('call-problem'), '')
            setAttribute(byId('call-params'), 'aria-invalid', undefined)
        })
    }

    async refresh({ overview }) {
        const backends = overview.buses.filter((bus) => bus.kind === 'backend').map((bus) => bus.id)
        if (backends.length !== this.#backend.options.length) {
            this.#backend.replaceChildren(...backends.map((id) => el('option', { value: id }, id)))
            byId('call-backend-label').hidden = backends.length < 2
        }
        const { services } = await get('services')
        // Those that take all below a name can't be called by it.
        const named = services.filter((service) => /^[\w.-]+$/.test(service.name))
        const offered = [...new Set(named.map((service) => `${service.name}.`))]
        if (offered.length !== this.#methods.options.length) {
            this.#methods.replaceChildren(...offered.map((value) => el('option', { value })))
        }
    }

    async #call() {
        const send = byId('call-send')
        // A disabled button would lose the focus.
        if (send.getAttribute('aria-disabled') === 'true') return
        const params = parse(byId('call-params').value)
        setText(byId('call-problem'), params.problem ?? '')
        setAttribute(byId('call-params'), 'aria-invalid', params.problem === undefined ? undefined : true)
        if (params.problem !== undefined) {
            byId('call-params').focus()
            return
        }
        const timeout = Math.round(Number(byId('call-timeout').value) * 1_000)
        const request = { method: byId('call-method').value.trim(), params: params.value, timeout_ms: timeout }
        if (this.#backend.options.length > 1) request.backend = this.#backend.value
        const answer = byId('call-answer')
        answer.hidden = true
        setText(byId('call-outcome'), 'Waiting for the answer …')
        setAttribute(send, 'aria-disabled', true)
        try {
            const { response, took_us } = await post('call', request, timeout)
            const error = response.error
            setText(byId('call-outcome'), error ? `Error ${error.code} after ${micros(took_us)}` : `Answered in ${micros(took_us)}`)
            byId('call-outcome').dataset.state = error ? 'bad' : 'good'
            const text = legible(error ?? response.result)
            setText(answer, text.length > SHOWN ? `${text.slice(0, SHOWN)}…\n(the rest of ${text.length} characters is not shown)` : text)
            answer.hidden = false
        } catch (error) {
            byId('call-outcome').dataset.state = 'bad'
            setText(byId('call-outcome'), `The call was not made: ${error.message}`)
            this.#page.failed(error)
        } finally {
            setAttribute(send, 'aria-disabled', undefined)
        }
    }
}

/** JSON on lines, in which what can't be seen is escaped as JSON escapes it. */
function legible(value) {
    const code = (char) => [...Array(char.length).keys()].map((at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')
    return (JSON.stringify(value, null, 2) ?? 'nothing').replace(/[\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\x7f-\x9f]/gu, code)
}

/** JSON-RPC 2.0, 4.2: parameters are a structured value, or left out. */
function parse(text) {
    if (text.trim() === '') return {}
    let value
    try {
        value = JSON.parse(text)
    } catch (error) {
        return { problem: `This is not JSON: ${error.message}` }
    }
    if (typeof value !== 'object' || value === null) return { problem: 'Parameters are a JSON object or list.' }
    return { value }
}
