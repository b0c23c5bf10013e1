// Whether all on the page is readable, by the contrasts that WCAG asks for.
import assert from 'node:assert/strict'

/** Run in the page: what can't be read well, or seen, for want of contrast; and how light the page is. Of an open dialog, if there is one. */
function contrasts() {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true })
    /** Any colour that a style sheet can name, as four numbers from 0 to 1. */
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1)
        canvas.fillStyle = colour
        canvas.fillRect(0, 0, 1, 1)
        return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
    }
    const over = ([r, g, b, a], under) => [r, g, b].map((part, at) => part * a + under[at] * (1 - a))
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const base = rgba(getComputedStyle(document.body).backgroundColor)
    const ground = (node) => {
        if (!node || node === document.documentElement) return base.slice(0, 3)
        return over(rgba(getComputedStyle(node).backgroundColor), ground(node.tagName === 'DIALOG' ? null : node.parentElement))
    }
    const opacity = (node) => (node ? Number(getComputedStyle(node).opacity) * opacity(node.parentElement) : 1)
    const contrast = (node, colour, under = ground(node)) => {
        const [r, g, b, a] = rgba(colour)
        const [x, y] = [light(over([r, g, b, a * opacity(node)], under)), light(under)].sort((x, y) => y - x)
        return (x + 0.05) / (y + 0.05)
    }
    const faint = []
    const must = (least, node, what, contrast) => {
        if (contrast < least) faint.push(`${what}: ${contrast.toFixed(2)} (${node.tagName} ${node.id} ${node.textContent.slice(0, 40)})`)
    }
    const scope = document.querySelector('dialog[open]') ?? document.body
    const all = [...scope.querySelectorAll('*')].filter((node) => node.checkVisibility() && !node.disabled && node.ariaDisabled !== 'true')
    let texts = 0
    for (const node of all) {
        const style = getComputedStyle(node)
        const has = node.matches('input, select, textarea') || [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())
        if (node.matches('svg text')) must(4.5, node, 'a text of a chart', contrast(node, style.fill, ground(node.closest('svg'))))
        else if (node.matches('svg .line[d^=M]')) must(3, node, `a line of a chart, ${style.stroke}`, contrast(node, style.stroke, ground(node.closest('svg'))))
        else if (has) must(4.5, node, 'a text', contrast(node, style.color))
        if (node.placeholder) must(4.5, node, 'a placeholder', contrast(node, getComputedStyle(node, '::placeholder').color))
        if (node.matches('input, select, textarea')) must(3, node, 'the edge of a field', contrast(node, style.borderTopColor, ground(node.parentElement)))
        texts += has ? 1 : 0
    }
    const at = document.activeElement
    if (at.matches(':focus-visible') && getComputedStyle(at).outlineStyle !== 'none') {
        must(3, at, 'the mark of the focus', contrast(at, getComputedStyle(at).outlineColor, ground(at.parentElement)))
    }
    return { body: light(base.slice(0, 3)), faint, texts }
}

/** Fails if anything is faint on the page as it is, in the light or in the dark. */
export async function legible(tab, where) {
    const seen = []
    for (const colorScheme of ['light', 'dark']) {
        await tab.emulateMedia({ colorScheme })
        const { body, faint, texts } = await tab.evaluate(contrasts)
        assert.deepEqual(faint, [], `${where} is readable, ${colorScheme}`)
        assert.ok(texts >= 3, `${where} has texts`)
        seen.push(body)
    }
    assert.ok(seen[0] > 0.7 && seen[1] < 0.1, `light and dark are told apart: ${seen}`)
}
