/** Descriptors as destinations: their types, and the queue of transfers to each file. */
import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:os'
import tty from 'node:tty'

import { descriptorStatus } from '../node/fs.ts'
import { type Writer, writerTo } from './descriptor-writer.ts'
import { badDestination, foreignError, systemError, unsupported } from '../errors/sendfile-error.ts'
import { type Adopted, closeNatively, duplicateToSendTo, positionOf } from '../native/file.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import { KIND } from '../native/codes.ts'
import type { Bytes } from '../options/validate.ts'
import { isFileHandle, parseFd } from '../source/parse.ts'
import { type OpenFile, opensSources, statOrUndefined } from '../source/open.ts'

/** A descriptor whose type has been checked; nothing has been done with it. */
export interface ParsedDescriptor {
  readonly fd: number
  /** Whose it is, if it has an owner: closing goes through it. */
  readonly handle: FileHandle | undefined
}

/** `undefined` for what is neither a number nor a FileHandle. */
export function parseDescriptor(destination: unknown): ParsedDescriptor | undefined {
  if (typeof destination === 'number') return { fd: parseFd('destination', destination), handle: undefined }
  if (!isFileHandle(destination)) return undefined
  if (destination.fd < 0) throw systemError(-constants.errno.EBADF, 'fstat')
  return { fd: destination.fd, handle: destination }
}

const { EPIPE } = constants.errno

const { directory, characterDevice, blockDevice, regular, fifo, streamSocket, datagramSocket, terminal, other } = KIND

/** A descriptor that can be sent to. With the addon it is a duplicate of our own: the number may be used again. */
export class DescriptorDestination {
  readonly fd: number
  readonly kind: number
  /** What names the open file: a number is reused as soon as it is closed. */
  readonly #identity: { readonly device: number | undefined; readonly inode: number | undefined }
  #adopted: Adopted | undefined
  readonly #stats: fs.Stats | undefined
  #writer: Writer | undefined

  /** @throws {SendfileError} ERR_SENDFILE_DESTINATION, EBADF, EPIPE for a FIFO that nobody reads */
  constructor(number: number) {
    const adopted = opensSources ? duplicateToSendTo(number) : undefined
    if (typeof adopted === 'number') throw systemError(adopted, adopted === -EPIPE ? 'write' : 'fcntl')
    this.#adopted = adopted
    this.#stats = adopted === undefined ? statusOf(number) : undefined
    this.#identity = adopted ?? { device: this.#stats?.dev, inode: this.#stats?.ino }
    this.fd = adopted?.fd ?? number
    this.kind = adopted?.kind ?? kindOf(number, this.#stats)
    const problem = problemOf(this.kind, (adopted ?? descriptorStatus(number))?.writable ?? true)
    if (problem === undefined) return
    this.release()
    throw badDestination(problem)
  }

  /** The same for descriptors of one file. */
  get key(): string {
    const { device, inode } = this.#identity
    return `${device}:${inode}`
  }

  /** Whether a number still stands for the file that is sent to. */
  isOf(number: number): boolean {
    const stats = statOrUndefined(number)
    return stats?.dev === this.#identity.device && stats?.ino === this.#identity.inode
  }

  /** Whether the engine can take it. */
  get isNative(): boolean {
    return this.#adopted !== undefined
  }

  /** @throws {SendfileError} ERR_SENDFILE_UNSUPPORTED: JavaScript cannot write to a socket that is not a stream */
  mustBeWritten({ reason }: Obstacle): void {
    if (this.kind !== streamSocket) return
    throw unsupported(
      `Sending to a socket descriptor requires the native addon: ${reason}. Pass the net.Socket instead`,
    )
  }

  /** Where in the source the next byte goes, `undefined` where nobody can tell; nothing if it is another file. */
  placeIn({ identity, fd: source }: OpenFile): { readonly position: Bytes | undefined } | undefined {
    const { fd, kind } = this
    if (kind !== regular || identity === undefined) return undefined
    const { device, inode } = this.#identity
    if (device !== identity.device || inode !== identity.inode) return undefined
    const position = this.#position()
    // The figures of two files may be the same as numbers: on Windows they have 64 bits.
    return position === undefined && !isSameFile(fd, source) ? undefined : { position }
  }

  #position(): Bytes | undefined {
    const { fd } = this
    const told = this.#adopted === undefined ? descriptorStatus(fd) : undefined
    if ((this.#adopted ?? told)?.appends === true) return fs.fstatSync(fd).size
    return this.#adopted === undefined ? told?.position : positionOf(fd)
  }

  /**
   * What writes in JavaScript. To be called before a pipe is read, whose bytes would be lost if nobody could write them.
   * @throws {SendfileError} ERR_SENDFILE_UNSUPPORTED
   */
  writer(): Writer {
    this.#writer ??= writerTo(this.fd, this.kind)
    return this.#writer
  }

  /** The number for `start`, which takes it, whatever it answers: once the transfer is over, it may be anybody's. */
  take(): number {
    this.#adopted = undefined
    return this.fd
  }

  /** Lets go of what is ours still. */
  release(): void {
    this.#writer?.close()
    if (this.#adopted !== undefined) closeNatively(this.#adopted.fd)
  }
}

function isSameFile(one: number, other: number): boolean {
  const [first, second] = [one, other].map((fd) => fs.fstatSync(fd, { bigint: true }))
  return first?.dev === second?.dev && first?.ino === second?.ino
}

function statusOf(fd: number): fs.Stats {
  try {
    return fs.fstatSync(fd)
  } catch (error) {
    throw foreignError(error, { bytesSent: 0, offset: 0 })
  }
}

function kindOf(fd: number, stats: fs.Stats | undefined): number {
  if (stats === undefined) return other
  if (tty.isatty(fd)) return terminal
  if (stats.isFile()) return regular
  if (stats.isDirectory()) return directory
  if (stats.isFIFO()) return fifo
  if (stats.isSocket()) return streamSocket
  if (stats.isCharacterDevice()) return characterDevice
  return stats.isBlockDevice() ? blockDevice : other
}

function problemOf(kind: number, writable: boolean): string | undefined {
  if (kind === directory) return 'A directory cannot be sent to: expected a file, a pipe, a device or a stream socket'
  if (kind === datagramSocket) return 'A datagram socket cannot be sent to: one file would become packets of any size'
  if (kind === other) return 'This descriptor cannot be sent to: expected a file, a pipe, a device or a stream socket'
  return writable ? undefined : 'The descriptor is open for reading only: open it for writing'
}

/* ---------------------------------------------------------------- whose turn it is */

/** Two transfers to one file queue, whatever their numbers; the order of everything else is the caller's. */
const turns = new Map<string, Promise<void>>()

/** Runs `operation` when those before it on the same {@link DescriptorDestination.key} are over; at once if there is none. */
export function inTurnOf(key: string, operation: () => Promise<void>): void {
  const before = turns.get(key)
  const mine = before === undefined ? operation() : before.then(operation)
  turns.set(key, mine)
  void mine.then(() => {
    if (turns.get(key) === mine) turns.delete(key)
  })
}
