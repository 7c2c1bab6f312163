export interface Platform {
  readonly tuple: string
  readonly target: string
}
export const PLATFORMS: readonly Platform[]
export function manifestOf(platform: Platform, manifest: unknown): unknown
