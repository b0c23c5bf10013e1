// A client of a frontend, on MQTT.js: calls, and notifications as they come.
import mqtt from './mqtt.js'

/** A call that the service, or skep in its place, answered with an error. */
export class RpcError extends Error {
    constructor({ code, message }) {
        super(`${message} (${code})`)
        this.code = code
    }
}

const TIMEOUT_MS = 10_000

/** The session's secret: whoever knows it could answer in our name. */
function randomId() {
    const bytes = crypto.getRandomValues(new Uint8Array(11))
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export class Bus {
    #client
    #mailbox
    #lastId = 0
    /** Calls that wait for their answer, by id. */
    #calls = new Map()

    /**
     * `topics`: notifications of these services are listened to.
     * `on.notification(method, params, isPrivate)`, `on.state(text, isUp)`.
     */
    constructor(url, { username, password }, topics, on) {
        const clientId = randomId()
        this.#mailbox = `priv/${clientId}`
        this.#client = mqtt.connect(url, {
            protocolVersion: 5, clientId, username, password, keepalive: 60, reconnectPeriod: 1000, resubscribe: false,
        })
        this.#client.on('connect', async () => {
            try {
                await this.#client.subscribeAsync([this.#mailbox, ...topics], { qos: 1 })
                on.state('connected', true)
            } catch (error) {
                on.state(`not allowed in: ${error.message}`, false)
            }
        })
        this.#client.on('close', () => {
            on.state('no connection; trying again', false)
            for (const call of this.#calls.values()) call.reject(new Error('the connection was lost'))
        })
        this.#client.on('error', (error) => on.state(error.message, false))
        this.#client.on('message', (topic, payload) => this.#take(topic, payload, on))
    }

    #take(topic, payload, on) {
        let message
        try {
            message = JSON.parse(payload.toString())
        } catch {
            return
        }
        const isPrivate = topic === this.#mailbox
        if (typeof message?.method === 'string') {
            on.notification(message.method, message.params, isPrivate)
        } else if (isPrivate) {
            const call = this.#calls.get(message?.id)
            if (message.error) call?.reject(new RpcError(message.error))
            else call?.resolve(message.result)
        }
    }

    /** Calls `{service}.{method}` through the router. */
    async call(method, params) {
        const id = ++this.#lastId
        const answer = new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }))
        const late = setTimeout(() => this.#calls.get(id)?.reject(new Error('no answer')), TIMEOUT_MS)
        const service = method.split('.').slice(0, -1).join('/')
        try {
            this.#client.publish('req/backend-1', JSON.stringify({ jsonrpc: '2.0', method, params, id }), {
                qos: 1,
                properties: { responseTopic: this.#mailbox, userProperties: { fwd_to: `req/backend/${service}` } },
            })
            return await answer
        } finally {
            clearTimeout(late)
            this.#calls.delete(id)
        }
    }
}
