#!/usr/bin/env node
// The program `lanyard`: its bundle is made by build.mjs.
import '../dist/main.mjs'
