/** sendfile64: sends files from Node.js at kernel speed. */
export { SendfileError, type SendfileErrorCode } from './lib/errors.ts'
export type { Destination } from './lib/hold.ts'
export type { Method, Progress, SendfileOptions } from './lib/options.ts'
export { type DestinationArgument, sendfile } from './lib/sendfile.ts'
export { sendfileSync } from './lib/sendfile-sync.ts'
export type { Fallback, SendfileResult } from './lib/settlement.ts'
export type { SourceArgument } from './lib/source.ts'
export { type Feature, type MethodSupport, support, type Support } from './lib/support.ts'
