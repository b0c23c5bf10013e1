// The page of examples/chat in Chromium: one user on two devices, and another.
import assert from 'node:assert/strict'
import { browser } from './browse.mjs'
import { given, inTime, run } from './peer.mjs'

/** One device: a context of its own shares nothing with the others. */
class Device {
    constructor(tab) {
        this.tab = tab
    }

    static async open(chromium, name) {
        const tab = await (await chromium.newContext()).newPage()
        tab.on('console', (line) => console.log(`${name}:`, line.text()))
        tab.on('pageerror', (error) => console.error(`${name}:`, error))
        tab.on('dialog', (dialog) => { throw new Error(`what somebody wrote was run: ${dialog.message()}`) })
        await tab.goto(`${given('SKEP_CHAT')}?bus=${encodeURIComponent(given('SKEP_FRONTEND'))}`)
        const up = () => document.getElementById('state').textContent === 'connected'
        await inTime(`${name} is connected`, tab.waitForFunction(up))
        const device = new Device(tab)
        return device
    }

    async login(name) {
        await this.tab.fill('#name', name)
        await this.tab.click('#login button:not([type])')
        await this.shows(`logged in as ${name}`)
    }

    async say(message, to = '') {
        await this.tab.fill('#to', to)
        await this.tab.fill('#text', message)
        await this.tab.click('#say button:not([type])')
    }

    lines() {
        return this.tab.$$eval('#messages li', (lines) =>
            lines.map((line) => `${line.querySelector('b')?.textContent ?? ''}|${line.lastChild.textContent}|${line.className}`))
    }

    /** Waits for a line with this text; with who said it and how, if given. */
    async shows(text, from, className) {
        const look = (seek) => [...document.querySelectorAll('#messages li')].some((line) =>
            line.lastChild.textContent === seek.text
            && (seek.from === undefined || (line.querySelector('b')?.textContent ?? '') === seek.from)
            && (seek.className === undefined || line.className === seek.className))
        const seek = { text, from, className }
        const late = async (error) => { throw new Error(`${error.message}; it shows ${JSON.stringify(await this.lines())}`) }
        await inTime(`the page shows ${JSON.stringify(seek)}`, this.tab.waitForFunction(look, seek)).catch(late)
    }

    async showsNot(text) {
        const lines = await this.lines()
        assert.ok(!lines.some((line) => line.includes(text)), `${text} is not in ${JSON.stringify(lines)}`)
    }
}

async function chat() {
    const chromium = await browser()
    try {
        const [laptop, phone, other] = [
            await Device.open(chromium, 'laptop'), await Device.open(chromium, 'phone'), await Device.open(chromium, 'other'),
        ]
        await other.say('nobody yet')
        await other.shows('! Not logged in (-401)')
        await laptop.login('ann')
        await phone.login('ann')
        await other.login('bob')

        // To all; and what is written stays text.
        const text = 'hello <img src=x onerror=alert(1)> all'
        await laptop.say(text)
        for (const device of [laptop, phone, other]) await device.shows(text, 'ann', '')

        // To one user: on both devices, and nowhere else.
        await other.say('psst', 'ann')
        for (const device of [laptop, phone]) await device.shows('psst', 'bob', 'private')
        await other.shows('psst', 'to ann')

        // One device logs out; the other stays.
        await phone.tab.click('#logout')
        await phone.shows('logged out on this device')
        await other.say('only the laptop', 'ann')
        await laptop.shows('only the laptop', 'bob', 'private')
        await phone.say('hello?')
        await phone.shows('! Not logged in (-401)')

        // Kicked from all.
        await phone.login('ann')
        await other.tab.fill('#to', 'ann')
        await other.tab.click('#kick')
        for (const device of [laptop, phone]) await device.shows('bob has logged you out everywhere', '*', 'private')
        await other.shows('ann is logged out everywhere')
        await other.say('gone', 'ann')
        await other.shows('gone', 'to ann')
        await other.say('bye')
        for (const device of [laptop, phone, other]) {
            // What is said to all comes even so; what was sent before it has not.
            await device.shows('bye', 'bob', '')
        }
        for (const device of [laptop, phone]) await device.showsNot('gone')
        await phone.showsNot('only the laptop')
        await laptop.say('let me in')
        await laptop.shows('! Not logged in (-401)')
        for (const device of [laptop, phone, other]) await device.showsNot('let me in')
    } finally {
        await chromium.close()
    }
}

await run({ chat })
