/** Descriptors as destinations: their types, and the queue of transfers to each file. */
import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:os'
import tty from 'node:tty'

import { descriptorStatus, statLater } from '../node/fs.ts'
import { mayAskServer, nameOf } from '../file/mounts.ts'
import { type Writer, writerTo } from './descriptor-writer.ts'
import { badDestination, foreignError, systemError, unsupported } from '../errors/sendfile-error.ts'
import {
  type Adopted,
  closeNatively,
  duplicateToSendTo,
  identify,
  opensSources,
  positionOf,
} from '../file/native-file.ts'
import type { Obstacle } from '../errors/obstacle.ts'
import { KIND } from '../native/codes.ts'
import type { Bytes } from '../options/validate.ts'
import { isFileHandle, parseFd } from '../source/parse.ts'
import { statOrUndefined } from '../source/by-number.ts'
import type { Identity, OpenFile } from '../executor/range.ts'

/** A descriptor argument whose type has been checked. */
export interface ParsedDescriptor {
  readonly fd: number
  /** The FileHandle that owns the descriptor and has to close it; `undefined` for a number. */
  readonly handle: FileHandle | undefined
}

/** Returns `undefined` for an argument that is neither a number nor a FileHandle. */
export function parseDescriptor(destination: unknown): ParsedDescriptor | undefined {
  if (typeof destination === 'number') return { fd: parseFd('destination', destination), handle: undefined }
  if (!isFileHandle(destination)) return undefined
  if (destination.fd < 0) throw systemError(-constants.errno.EBADF, 'fstat')
  return { fd: destination.fd, handle: destination }
}

const { EBADF, EPIPE } = constants.errno

const { directory, characterDevice, blockDevice, regular, fifo, streamSocket, datagramSocket, terminal, other } = KIND

/** A descriptor that can be sent to. With the addon it is a duplicate, so that the caller's number may be reused. */
export class DescriptorDestination {
  readonly fd: number
  #kind: number
  /** Identifies the open file, because a number is reused as soon as it is closed. */
  #identity: Partial<Identity>
  readonly #adopted: Adopted | undefined
  /** Identifies a number that was not duplicated. */
  readonly #name: string | undefined
  #isIdentified = true
  /** Whether the duplicate is open and does not belong to the engine. */
  #isHeld: boolean
  #writer: Writer | undefined

  /** @throws {SendfileError} ERR_SENDFILE_DESTINATION, EBADF, EPIPE for a FIFO without a reader */
  constructor(number: number) {
    const adopted = opensSources ? duplicateToSendTo(number) : undefined
    if (typeof adopted === 'number') throw systemError(adopted, adopted === -EPIPE ? 'write' : 'fcntl')
    this.#adopted = adopted
    this.#isHeld = adopted !== undefined
    this.fd = adopted?.fd ?? number
    this.#identity = adopted ?? {}
    this.#kind = adopted?.kind ?? regular
    if (adopted === undefined) {
      this.#name = nameOf(number)
      if (mayAskServer(number)) this.#isIdentified = false
      else this.#take(statusOf(number))
    }
    if (this.#isIdentified) this.#rejectUnsuitable()
  }

  /** Whether its type is known. */
  get isIdentified(): boolean {
    return this.#isIdentified
  }

  /** Determines the type, which may wait for a server. Must be called first. @throws the errors of the constructor */
  async identify(): Promise<void> {
    const stats = await statLater(this.fd)
    if (!this.isOf(this.fd)) throw systemError(-EBADF, 'fstat')
    this.#isIdentified = true
    this.#take(stats)
    this.#rejectUnsuitable()
  }

  #take(stats: fs.Stats): void {
    this.#identity = { device: stats.dev, inode: stats.ino }
    this.#kind = kindOf(this.fd, stats)
  }

  #rejectUnsuitable(): void {
    const problem = problemOf(this.#kind, (this.#adopted ?? descriptorStatus(this.fd))?.writable ?? true)
    if (problem === undefined) return
    this.release()
    throw badDestination(problem)
  }

  /** A value of `KIND`. */
  get kind(): number {
    return this.#kind
  }

  /** Equal for all descriptors of a file. */
  get key(): string {
    const { device, inode } = this.#identity
    return this.#isIdentified ? `${device}:${inode}` : `served ${this.#name}`
  }

  /** Whether a number still refers to the file of the destination. Does not ask a server. */
  isOf(number: number): boolean {
    if (this.#adopted === undefined && this.#name !== undefined) return nameOf(number) === this.#name
    const current = this.#adopted === undefined ? identityByNode(number) : identify(number)
    return current?.device === this.#identity.device && current?.inode === this.#identity.inode
  }

  /** Whether the engine can send to it. */
  get isNative(): boolean {
    return this.#adopted !== undefined
  }

  /** @throws {SendfileError} ERR_SENDFILE_UNSUPPORTED: JavaScript cannot write to a socket that is not a stream */
  rejectIfKernelOnly({ reason }: Obstacle): void {
    if (this.kind !== streamSocket) return
    throw unsupported(`Only the kernel can send to a socket descriptor: ${reason}. Pass the net.Socket instead`)
  }

  /** The position in the source at which the next byte is written; `undefined` if the source is another file. */
  positionIn({ identity, fd }: OpenFile): Promise<FilePosition | undefined> | undefined {
    if (this.kind !== regular || identity === undefined) return undefined
    const { device, inode } = this.#identity
    return device === identity.device && inode === identity.inode ? this.#filePosition(fd) : undefined
  }

  async #filePosition(source: number): Promise<FilePosition | undefined> {
    const position = await this.#position()
    // On Windows, the figures have 64 bits, and those of two files may be equal as numbers.
    return position === undefined && !(await isSameFile(this.fd, source)) ? undefined : { position }
  }

  async #position(): Promise<Bytes | undefined> {
    const { fd } = this
    const status = descriptorStatus(fd)
    if ((this.#adopted ?? status)?.appends === true) return (await statLater(fd)).size
    return status?.position ?? (this.#adopted === undefined ? undefined : positionOf(fd))
  }

  /**
   * The writer of the portable executor. Must be called before a pipe is read, whose bytes would be lost without a writer.
   * @throws {SendfileError} ERR_SENDFILE_UNSUPPORTED
   */
  writer(): Writer {
    this.#writer ??= writerTo(this.fd, this.kind)
    return this.#writer
  }

  /** The number for `start`, which takes ownership even if it fails. */
  take(): number {
    this.#isHeld = false
    return this.fd
  }

  /** Closes the writer, and the duplicate unless the engine has it. */
  release(): void {
    this.#writer?.close()
    if (this.#isHeld) closeNatively(this.fd)
    this.#isHeld = false
  }
}

/** The position of the next byte; `undefined` if it is unknown. */
export interface FilePosition {
  readonly position: Bytes | undefined
}

async function isSameFile(one: number, other: number): Promise<boolean> {
  const [first, second] = await Promise.all([one, other].map(statExactly))
  return first?.dev === second?.dev && first?.ino === second?.ino
}

function statExactly(fd: number): Promise<fs.BigIntStats> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, { bigint: true }, (error, stats) => (error === null ? resolve(stats) : reject(error)))
  })
}

/** The identity without proc(5). */
function identityByNode(fd: number): Identity | undefined {
  const stats = statOrUndefined(fd)
  return stats && { device: stats.dev, inode: stats.ino }
}

function statusOf(fd: number): fs.Stats {
  try {
    return fs.fstatSync(fd)
  } catch (error) {
    throw foreignError(error, { bytesSent: 0, offset: 0 })
  }
}

function kindOf(fd: number, stats: fs.Stats): number {
  if (stats.isFile()) return regular
  if (tty.isatty(fd)) return terminal
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

/* ---------------------------------------------------------------- the queue of a file */

/** Transfers to the same file are queued, whatever their numbers. */
const queues = new Map<string, Promise<void>>()

/** Runs `operation` after the earlier ones with the same {@link DescriptorDestination.key}; at once if there are none. */
export function enqueue(key: string, operation: () => Promise<void>): void {
  const before = queues.get(key)
  const last = before === undefined ? operation() : before.then(operation)
  queues.set(key, last)
  void last.then(() => {
    if (queues.get(key) === last) queues.delete(key)
  })
}
