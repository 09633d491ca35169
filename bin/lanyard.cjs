#!/usr/bin/env node
// The program `lanyard`: its bundle is made by build.mjs.
'use strict'
// A kernel waits 20 ms for each link that goes, and a network's links go side by side: one thread
// each (docs/lab-notes/2026-11-26-links-go-side-by-side.md). The pool's size is read when its first
// thread is needed, which loading an ES module does, so it is said here; it costs nothing before.
const { argv, env } = process
if (argv[2] === 'daemon' || (argv[2] === 'network' && argv.includes('--disconnect')))
  env.UV_THREADPOOL_SIZE ??= '128'

/** What is typed most has a script of its own, compiled when it was built (src/cli/lab-door.ts). */
function openDoor() {
  const { readFileSync } = require('node:fs')
  const { Script } = require('node:vm')
  const read = (name, encoding) => {
    try {
      return readFileSync(`${__dirname}/../dist/${name}`, encoding)
    } catch {
      return undefined
    }
  }
  const code = read('door.cjs', 'latin1')
  if (code === undefined) return false
  const filename = `${__dirname}/../dist/door.cjs`
  const script = new Script(code, { filename, cachedData: read('door.cache') })
  const door = { exports: {} }
  script.runInThisContext()(require, door)
  return door.exports.openDoor(argv.slice(4))
}

async function main() {
  if (argv[2] === 'lab' && argv[3] === 'exec' && (await openDoor())) return
  await import('../dist/main.mjs')
}

void main()
