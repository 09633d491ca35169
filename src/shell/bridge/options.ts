/** What the options before the object of `bridge` set. */
export interface BridgeOptions {
  netns: string
  details: boolean
}
