/**
 * Error texts people paste into search engines: of dockerd, ip, the kernel, CNI plugins, podman. A
 * row says what a text means, which of our codes it is, and what mends it.
 */
import type { TextRow } from './text-row.ts'
import { DOCKER_TEXTS } from './texts-docker.ts'
import { OTHER_TEXTS } from './texts-others.ts'

export const TEXTS: Readonly<Record<string, TextRow>> = { ...DOCKER_TEXTS, ...OTHER_TEXTS }
