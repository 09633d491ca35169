/** The program `lanyard`; and, in a guest of User Mode Linux, what serves the program outside. */
import { runCommandLine } from './command-line.ts'

const [, , first, what, folder = ''] = process.argv

if (first !== '@guest') await runCommandLine(process.argv)
else if (what === 'serve') (await import('./guest-server.ts')).serveGuest(folder)
else await (await import('./guest-worker.ts')).waitForCommandLine()
