/** What the machine says of itself in files: kernel, modules, distribution, DMI, cards. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { release } from 'node:os'
import { basename } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** `loadable`: there, and loaded when it is first used. */
type ModuleState = 'built in' | 'loaded' | 'loadable' | 'absent' | 'unknown'

/** What a module is called in a kernel's configuration. */
const CONFIG: Readonly<Record<string, string>> = {
  macvlan: 'MACVLAN',
  ipvlan: 'IPVLAN',
  '8021q': 'VLAN_8021Q',
  bridge: 'BRIDGE',
  veth: 'VETH',
  dummy: 'DUMMY',
}

/**
 * How this kernel has a module: by what is loaded, its list of what is built in, its configuration,
 * and the files of modules; all of them may be missing in a container or a small image.
 *
 * @param root where `/proc`, `/lib` and `/boot` are
 */
export function moduleState(name: string, root = '', version = release()): ModuleState {
  const loaded = readText(`${root}/proc/modules`) ?? ''
  if (new RegExp(`^${name} `, 'm').test(loaded)) return 'loaded'
  const folder = `${root}/lib/modules/${version}`
  const file = new RegExp(`/${name}\\.ko(?:\\.(?:gz|xz|zst))?(?::|$)`, 'm')
  if (file.test(readText(`${folder}/modules.builtin`) ?? '')) return 'built in'
  const dependencies = readText(`${folder}/modules.dep`)
  if (file.test(dependencies ?? '')) return 'loadable'
  const config = kernelConfig(root, version)
  if (config === undefined) return dependencies === undefined ? 'unknown' : 'absent'
  const value = new RegExp(`^CONFIG_${CONFIG[name]}=([ym])$`, 'm').exec(config)?.[1]
  if (value === 'y') return 'built in'
  // Configured as a module, but the file is not installed.
  return value === 'm' && dependencies === undefined ? 'unknown' : 'absent'
}

function kernelConfig(root: string, version: string): string | undefined {
  try {
    return gunzipSync(readFileSync(`${root}/proc/config.gz`)).toString('latin1')
  } catch {
    return readText(`${root}/boot/config-${version}`)
  }
}

/** `/etc/os-release`. */
export function distribution(
  root = '',
): { readonly id: string; readonly version: string; readonly name: string } | undefined {
  const text = readText(`${root}/etc/os-release`)
  if (text === undefined) return undefined
  const value = (key: string): string =>
    new RegExp(`^${key}=["']?(.*?)["']?$`, 'm').exec(text)?.[1] ?? ''
  return { id: value('ID'), version: value('VERSION_ID'), name: value('PRETTY_NAME') }
}

/** DMI and the processor's flag. */
export function machineFacts(root = '') {
  const dmi = (name: string): string | undefined => {
    const text = readText(`${root}/sys/class/dmi/id/${name}`)?.trim()
    return text === '' ? undefined : text
  }
  return {
    vendor: dmi('sys_vendor'),
    product: dmi('product_name'),
    board: dmi('board_vendor'),
    assetTag: dmi('chassis_asset_tag'),
    virtual: / hypervisor( |$)/m.test(readText(`${root}/proc/cpuinfo`) ?? ''),
  }
}

/** The cards in /sys, by name: those of the namespace /sys was mounted in. */
export function cardFacts(root = '') {
  const folder = `${root}/sys/class/net`
  const found: Record<
    string,
    { speed: number | undefined; wireless: boolean; driver: string | undefined }
  > = {}
  for (const name of names(folder)) {
    // Links that are made, not plugged in, have no device.
    if (!existsSync(`${folder}/${name}/device`)) continue
    const speed = Number(readText(`${folder}/${name}/speed`) ?? -1)
    found[name] = {
      speed: speed > 0 ? speed : undefined,
      wireless:
        existsSync(`${folder}/${name}/wireless`) || existsSync(`${folder}/${name}/phy80211`),
      driver: linkTarget(`${folder}/${name}/device/driver`),
    }
  }
  return found
}

function linkTarget(path: string): string | undefined {
  try {
    return basename(readlinkSync(path))
  } catch {
    return undefined
  }
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Undefined too where a file may not be read, or its link is down (EINVAL of `speed`). */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
