// The page in the dark and in the light.
import { legible } from './support/contrast.mjs'
import { onPage, says, unanswered } from './support/page.mjs'
import { everywhere, inhabit } from './support/tour.mjs'

export async function dark() {
    await onPage(async (tab) => {
        await says(tab, 'verdict', 'All is well')
        await legible(tab, 'a skep that is well')
        await inhabit()
        await everywhere(tab, (where) => legible(tab, where))
    }, { options: { reducedMotion: 'reduce' }, expected: unanswered })
}
