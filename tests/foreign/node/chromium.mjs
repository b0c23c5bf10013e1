// Chromium, for the programs that drive a page.
import { chromium } from 'playwright-core'
import { given } from './peer.mjs'

const FLAGS = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]

/** Runs `use` with a browser, which is closed whatever comes of it. */
export async function withBrowser(use) {
    const browser = await chromium.launch({ executablePath: given('SKEP_CHROMIUM'), args: FLAGS })
    try {
        return await use(browser)
    } finally {
        await browser.close()
    }
}
