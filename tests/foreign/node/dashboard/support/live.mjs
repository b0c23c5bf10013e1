// What a screen reader says unasked: changes of live regions.
import { inTime } from '../../peer.mjs'

/** Counts, in the page, until it has been told the time of `wanted` answers. */
function watch(wanted) {
    return new Promise((resolve) => {
        const problems = () => document.querySelectorAll('#problems li').length
        const before = problems()
        let news = false
        let touched = 0
        let rounds = 0
        const live = new MutationObserver((changes) => { touched += changes.length })
        for (const region of document.querySelectorAll('[role=status], [role=alert], [aria-live]')) {
            live.observe(region, { childList: true, characterData: true, subtree: true })
        }
        const clock = new MutationObserver(() => {
            news ||= problems() !== before
            rounds += 1
            if (rounds < wanted) return
            live.disconnect()
            clock.disconnect()
            resolve({ touched, news })
        })
        clock.observe(document.getElementById('since'), { childList: true, characterData: true, subtree: true })
    })
}

/** How often live regions are touched in `rounds` of asking, in which nothing becomes worth a look or ceases to be. */
export async function chatter(tab, rounds) {
    for (;;) {
        const { touched, news } = await inTime('rounds of asking', tab.evaluate(watch, rounds))
        if (!news) return touched
    }
}
