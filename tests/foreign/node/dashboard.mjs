// The dashboard in Chromium, as an operator uses it, against a skep with real
// clients on its buses: the claims by name, and where each is.
import { run } from './peer.mjs'
// What is shown.
import { behind, figures } from './dashboard/overview.mjs'
import { metrics } from './dashboard/metrics.mjs'
import { denials } from './dashboard/events.mjs'
import { clock } from './dashboard/history.mjs'
import { hostile } from './dashboard/hostile.mjs'
// What is done.
import { kicks } from './dashboard/kick.mjs'
import { unbinds, unbindsaclient } from './dashboard/unbind.mjs'
import { calls } from './dashboard/console.mjs'
// To whom, and on what.
import { keyboard, pages } from './dashboard/keyboard.mjs'
import { spoken } from './dashboard/spoken.mjs'
import { dark } from './dashboard/dark.mjs'
import { phone } from './dashboard/phone.mjs'
// How one comes to it, and what if it is gone.
import { addresses } from './dashboard/addresses.mjs'
import { token } from './dashboard/token.mjs'
import { lost } from './dashboard/lost.mjs'

await run({
    figures, behind, metrics, denials, clock, hostile,
    kicks, unbinds, unbindsaclient, calls,
    keyboard, pages, spoken, dark, phone,
    addresses, token, lost,
})
