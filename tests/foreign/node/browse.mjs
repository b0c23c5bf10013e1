// Chromium, without a window and without anything of its own on the network.
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

export const browser = () => chromium.launch({ executablePath: given('SKEP_CHROMIUM'), args: FLAGS })
