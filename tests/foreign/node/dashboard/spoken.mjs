// The page by a screen reader.
import assert from 'node:assert/strict'
import { marked, named } from './support/accessibility.mjs'
import { id } from './support/clients.mjs'
import { chatter } from './support/live.mjs'
import { VIEWS, onPage, unanswered } from './support/page.mjs'
import { everywhere, inhabit } from './support/tour.mjs'

export async function spoken() {
    await inhabit()
    await onPage(async (tab) => {
        await everywhere(tab, async (where) => {
            assert.deepEqual(await tab.evaluate(marked, VIEWS), [], where)
            const heard = await named(tab, where)
            const of = (role) => heard.filter((node) => node.role === role)
            const text = of('StaticText').map(({ name }) => name)
            // While nothing happens, nothing is said.
            if (VIEWS.includes(where)) assert.equal(await chatter(tab, where === 'overview' ? 3 : 2), 0, `nothing is said in ${where}`)
            if (where === 'overview') {
                assert.ok(await tab.evaluate(() => [...document.querySelectorAll('.health [role=status]')].every((node) => node.checkVisibility())),
                    'what is going to be said has its place before')
                assert.deepEqual(of('slider').map(({ name }) => name.split(',')[0]), ['Calls a second', 'Latency', 'Waiting in work queues'])
                // A chart is its name, its value and its words, not the numbers at its edge.
                assert.ok(!text.some((words) => /^−\d min$/.test(words)), 'what is drawn is not read')
                assert.equal(text.filter((words) => /between .* and .*\.$/i.test(words)).length, 3, 'words for each chart')
                assert.equal(of('table').length, 4)
            }
            if (where === 'clients') {
                for (const name of ['Details of', 'Unbind', 'Kick']) assert.ok(of('button').some((button) => button.name === `${name} ${id('phone')}`), name)
            }
            if (where === 'details') assert.deepEqual(of('dialog').map(({ name }) => name), ['Client'])
            if (where === 'the question') {
                const [{ name, description }] = of('dialog')
                assert.equal(name, 'Kick this client?')
                assert.match(description, new RegExp(`${id('phone')} on frontend-1.*disconnected`), 'who it is about is said')
                assert.deepEqual(of('button').map((button) => button.name), ['Cancel', 'Kick'], 'nothing else is within reach')
            }
            if (where === 'parameters that are none') {
                const field = of('textbox').find((field) => field.name.startsWith('Parameters'))
                assert.match(field.description, /This is not JSON/)
                assert.ok(of('alert').length > 0, 'an error is an alert')
            }
        })
    }, { expected: unanswered })
}
