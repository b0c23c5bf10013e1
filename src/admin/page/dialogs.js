// What is asked before something is done, and what is shown of one thing.
import { byId, el, focusView, setText } from './dom.js'
import { foreign } from './format.js'

/** Asks; true: yes. Focus starts on the way out and comes back to where it was. */
export function confirm({ title, what, text, yes }) {
    const dialog = byId('confirm')
    const from = document.activeElement
    setText(byId('confirm-title'), title)
    setText(byId('confirm-what'), foreign(what, 400))
    setText(byId('confirm-text'), text)
    setText(byId('confirm-yes'), yes)
    return new Promise((resolve) => {
        const answer = (value) => {
            byId('confirm-yes').onclick = byId('confirm-no').onclick = dialog.onclose = null
            if (dialog.open) dialog.close()
            // Its row may have gone meanwhile.
            if (from?.checkVisibility()) from.focus({ preventScroll: true })
            else focusView()
            resolve(value)
        }
        byId('confirm-yes').onclick = () => answer(true)
        byId('confirm-no').onclick = () => answer(false)
        dialog.onclose = () => answer(false)
        dialog.showModal()
    })
}

/** Shows `entries`, pairs of a name and a text (which may be foreign) or a list of such. */
export function details(title, entries) {
    const dialog = byId('details')
    setText(byId('details-title'), title)
    byId('details-list').replaceChildren(...entries.flatMap(([name, texts]) => [
        el('dt', {}, name),
        ...[texts].flat().map((text) => el('dd', {}, el('bdi', { class: 'foreign' }, foreign(text, 70_000)))),
    ]))
    byId('details-close').onclick = () => dialog.close()
    dialog.showModal()
}

/** Asks for the token until one is given. */
export function askForToken(refused) {
    const dialog = byId('login')
    const field = byId('login-token')
    field.value = ''
    setText(byId('login-problem'), refused ? 'That is not the token.' : '')
    return new Promise((resolve) => {
        // There is nothing to see without it: Escape does not close this.
        dialog.oncancel = (event) => event.preventDefault()
        dialog.onclose = () => dialog.showModal()
        byId('login-form').onsubmit = (event) => {
            event.preventDefault()
            const token = field.value.trim()
            if (token === '') return
            dialog.onclose = null
            dialog.close()
            field.value = ''
            resolve(token)
        }
        if (!dialog.open) dialog.showModal()
        field.focus()
    })
}
