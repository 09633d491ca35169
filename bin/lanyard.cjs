#!/usr/bin/env node
// The program `lanyard`: its bundle is made by build.mjs.
'use strict'
// A kernel waits 20 ms for each link that goes, and a network's links go side by side: one thread
// each (docs/lab-notes/2026-11-26-links-go-side-by-side.md). The pool's size is read when its first
// thread is needed, which loading an ES module does, so it is said here; it costs nothing before.
const { argv, env } = process
if (argv[2] === 'daemon' || (argv[2] === 'network' && argv.includes('--disconnect')))
  env.UV_THREADPOOL_SIZE ??= '128'
void import('../dist/main.mjs')
