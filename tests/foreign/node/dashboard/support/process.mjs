// A skep of its own, as a process that can be ended and started anew.
import { spawn } from 'node:child_process'
import { given, inTime } from '../../peer.mjs'

/** Starts one that listens for HTTP at `admin`: where that is, and how to end it. */
export async function start(folder, admin) {
    const free = ['backend.backend-1.listeners.tcp', 'frontend.frontend-1.listeners.tcp', 'frontend.frontend-1.listeners.ws']
    const settings = [...free.map((name) => `${name}.listen=127.0.0.1:0`), `admin.listen=${admin}`]
    // What the test gives in variables is for this program alone.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SKEP_')))
    const options = { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] }
    const child = spawn(given('SKEP_BINARY'), settings.flatMap((one) => ['--set', one]), options)
    let said = ''
    const url = await inTime('the start of skep', new Promise((resolve, reject) => {
        child.stdout.on('data', (text) => {
            said += text
            const found = said.match(/admin +(http:\S+)\n/)
            if (found) resolve(found[1])
        })
        child.once('exit', () => reject(new Error(`skep ended: ${said}`)))
    }))
    const end = (signal) => new Promise((resolve) => {
        child.removeAllListeners('exit')
        child.once('exit', resolve)
        child.kill(signal)
    })
    return { url, end }
}
