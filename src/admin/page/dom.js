// Elements, made and changed without ever reading text as markup.

/** An element with properties (`class`, `data-…`, `aria-…` and `on…` too) and children. */
export function el(tag, properties = {}, ...children) {
    const node = document.createElement(tag)
    for (const [name, value] of Object.entries(properties)) {
        if (value === undefined) continue
        if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
        else node.setAttribute(name, value)
    }
    node.append(...children)
    return node
}

export function svg(tag, attributes = {}, ...children) {
    const node = document.createElementNS('http://www.w3.org/2000/svg', tag)
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
    node.append(...children)
    return node
}

export const byId = (id) => document.getElementById(id)

/** The focus to the start of the view that is shown, when what had it is gone. */
export const focusView = () => document.querySelector('.view:not([hidden]) h1').focus({ preventScroll: true })

/** Sets a text only where it differs: a live region speaks when it is touched. */
export function setText(node, text) {
    if (node.textContent !== text) node.textContent = text
}

/** Sets an attribute only where it differs; `undefined` takes it away. */
export function setAttribute(node, name, value) {
    if (value === undefined) node.removeAttribute(name)
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value)
}

/**
 * Makes the children of `parent` those of `items`, in their order: what has the
 * same key stays the same element, so that focus and selection stay where they
 * are.
 */
export function reconcile(parent, items, key, make, show) {
    const focused = document.activeElement
    const known = parent.known ?? (parent.known = new Map())
    const seen = new Set()
    let next = parent.firstElementChild
    for (const item of items) {
        const name = key(item)
        if (seen.has(name)) continue
        seen.add(name)
        let node = known.get(name)
        if (node === undefined) {
            node = make(item)
            known.set(name, node)
        }
        show(node, item)
        if (node === next) next = next.nextElementSibling
        else parent.insertBefore(node, next)
    }
    for (const [name, node] of known) {
        if (seen.has(name)) continue
        // What had the focus is gone: to the start of the view, not of the page.
        if (node.contains(focused) && node.closest('.view')) focusView()
        node.remove()
        known.delete(name)
    }
    if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true })
}

/** Calls `run` once nothing has come for `ms`. */
export function settled(ms, run) {
    let timer
    return () => {
        clearTimeout(timer)
        timer = setTimeout(run, ms)
    }
}
