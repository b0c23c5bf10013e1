// The page: what is typed becomes calls, what comes becomes lines. What others
// wrote is text and nothing else: it is never put in as HTML.
import { Bus } from './bus.js'

// Where the frontend's WebSocket is; "?bus=ws://…" says another.
const url = new URL(location).searchParams.get('bus') ?? 'ws://127.0.0.1:18080/mqtt'

const at = (id) => document.getElementById(id)
const LINES = 500

function show(text, { from, className } = {}) {
    const line = document.createElement('li')
    if (from) line.append(Object.assign(document.createElement('b'), { textContent: from }))
    line.append(text)
    line.className = className ?? ''
    const messages = at('messages')
    messages.append(line)
    if (messages.childElementCount > LINES) messages.firstElementChild.remove()
    line.scrollIntoView({ block: 'end' })
}

const note = (text) => show(text, { className: 'note' })

// Every end user's login to the bus is this one; who they are is the service's
// affair, which binds it to the session.
const bus = new Bus(url, { username: 'frontend', password: 'abc123' }, ['msg/frontend/myapp/chat/#'], {
    notification(method, params, isPrivate) {
        if (!method.startsWith('myapp.chat.') || typeof params?.message !== 'string') return
        const from = typeof params.from === 'string' ? params.from : '*'
        show(params.message, { from, className: isPrivate ? 'private' : '' })
    },
    state(text) {
        at('state').textContent = text
    },
})

/** Calls, and says what is wrong if something is. */
async function call(method, params) {
    try {
        await bus.call(method, params)
        return true
    } catch (error) {
        note(`! ${error.message}`)
        return false
    }
}

at('login').addEventListener('submit', async (event) => {
    event.preventDefault()
    const username = at('name').value
    if (await call('myapp.auth.login', { username, password: 'anything' })) note(`logged in as ${username}`)
})

at('logout').addEventListener('click', async () => {
    if (await call('myapp.auth.logout', {})) note('logged out on this device')
})

at('say').addEventListener('submit', async (event) => {
    event.preventDefault()
    const [to, message] = [at('to').value, at('text').value]
    const said = to
        ? await call('myapp.chat.pmessage', { to_user: to, message })
        : await call('myapp.chat.message', { message })
    if (said) at('text').value = ''
    if (said && to) show(message, { from: `to ${to}`, className: 'note' })
})

at('kick').addEventListener('click', async () => {
    const username = at('to').value
    if (!username) note('! whom? put the name into "To"')
    else if (await call('myapp.auth.kick', { username })) note(`${username} is logged out everywhere`)
})
