/**
 * Who may import whom, as data: one row a folder of src/ (and one for console/). Type-only imports
 * count. `errors.ts` and `errno.ts` are open to all. docs/explanation/architecture.md tells the
 * same in prose.
 */

export interface Layer {
  /** Folders whose files this one may import; `*` is every folder. */
  readonly may: readonly string[]
  /** npm packages it may import. */
  readonly packages?: readonly string[]
  /** May it import `node:` modules? */
  readonly node?: true
  /**
   * Compiled with neither Node nor DOM types, so that it runs in a browser; time and chance are
   * passed in. The folders of tsconfig.core.json.
   */
  readonly core?: true
}

/** Folder of src/, or `console` -> what it may import. A folder without a row may not exist. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  addr: { may: [], core: true },
  wire: { may: ['addr'], core: true },
  netlink: { may: ['addr'], core: true },
  fabric: { may: ['addr', 'wire'], core: true },
  sim: { may: ['addr', 'wire', 'fabric'], core: true },
  sys: { may: [], packages: ['koffi'], node: true },
  kernel: { may: ['addr', 'wire', 'fabric', 'netlink', 'sys'], node: true },
  driver: { may: ['addr', 'fabric'], core: true },
  store: { may: [], packages: ['@grpc/grpc-js', 'lmdb', 'protobufjs', 'sorted-btree'], node: true },
  ipam: { may: ['addr', 'store'], node: true },
  engine: { may: ['addr', 'wire', 'fabric', 'driver', 'ipam', 'store'], node: true },
  explain: { may: ['addr', 'wire', 'fabric', 'sim'], core: true },
  doctor: { may: ['addr', 'wire', 'fabric', 'explain'], packages: ['zod'], node: true },
  lab: {
    may: ['addr', 'wire', 'fabric', 'driver', 'engine', 'ipam', 'store', 'sim', 'explain'],
    packages: ['yaml', 'zod'],
    core: true,
  },
  shell: {
    may: ['addr', 'wire', 'fabric', 'driver', 'engine', 'ipam', 'store', 'sim', 'explain', 'lab'],
    core: true,
  },
  daemon: {
    may: ['addr', 'engine', 'doctor', 'explain'],
    packages: ['@hono/node-server', 'hono', 'pino', 'prom-client', 'zod'],
    node: true,
  },
  plugin: { may: ['addr', 'engine', 'doctor', 'explain'], packages: ['zod'], node: true },
  cli: { may: ['*'], packages: ['commander', 'yaml', 'zod'], node: true },
  console: { may: ['addr', 'wire', 'fabric', 'sim', 'explain', 'lab', 'shell'] },
}

/** Files at the top that every folder may import. */
export const OPEN: readonly string[] = ['src/errors.ts', 'src/errno.ts']

/** Folders nobody may import, whatever their row says. */
export const CLOSED: readonly string[] = ['cli', 'console']

/** Files published as a sub-path of the package: the only barrels, imported by nobody inside. */
export const PUBLISHED: readonly string[] = [
  'src/index.ts',
  'src/fabric/index.ts',
  'src/kernel/index.ts',
  'src/lab/index.ts',
  'src/netlink/index.ts',
  'src/sim/index.ts',
  'src/wire/index.ts',
]
