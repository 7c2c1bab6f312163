/** Descriptors as destinations: what they are, whose turn it is on them, and how JavaScript writes to them. */
import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import net from 'node:net'
import { constants } from 'node:os'
import tty from 'node:tty'

import { descriptorStatus } from './descriptor-status.ts'
import { badDestination, foreignError, systemError, unsupported } from './errors.ts'
import { type Adopted, closeNatively, duplicateToSendTo, positionOf } from './native-file.ts'
import type { Obstacle } from './errors/obstacle.ts'
import { KIND } from './native/codes.ts'
import { doNotBlock, handleFd, outstanding } from './node-handles.ts'
import type { Bytes } from './option-values.ts'
import { isFileHandle, parseFd } from './source/parse.ts'
import { type OpenFile, opensSources, statOrUndefined } from './source.ts'
import { closeUnused, reopen } from './stream-source.ts'

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

const { EAGAIN, EIO, EPIPE } = constants.errno
/** What a pipe takes whole or not at all: pipe(7). */
const PIPE_BUF = 4096

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
    throw unsupported(`A socket descriptor takes system calls of ours: ${reason}. Send to its net.Socket instead`)
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

/* ---------------------------------------------------------------- writing in JavaScript */

interface Writer {
  /** The promise is pending until the kernel has all of it. */
  write(chunk: Buffer): Promise<void>
  /** What has been given to `write` and is still on its way. */
  outstanding(): number
  /** The bytes of the last chunk that the kernel will not get if the writer is closed then. Never rejects. */
  unsent(): Promise<number>
  /** How often the kernel had no room. */
  readonly wouldBlock: number
  close(): void
}

function writerTo(fd: number, kind: number): Writer {
  if (kind === fifo || kind === terminal) return new StreamWriter(fd, kind === terminal)
  return new FileWriter(fd)
}

/** A write that takes nothing and says nothing would be made again for ever. @throws {SendfileError} EIO */
function something(bytes: number): number {
  if (bytes === 0) throw systemError(-EIO, 'write')
  return bytes
}

/** `fs.write` at the descriptor's own position: a thread of libuv's waits for the disk, not for a reader. */
class FileWriter implements Writer {
  /** What a thread waits for is a disk. */
  readonly wouldBlock = 0
  readonly #fd: number
  #left = 0
  #last: Promise<void> = Promise.resolve()

  constructor(fd: number) {
    this.#fd = fd
  }

  write(chunk: Buffer): Promise<void> {
    this.#last = this.#all(chunk)
    return this.#last
  }

  outstanding(): number {
    return this.#left
  }

  /** A write that a thread has begun, or will begin, must not meet a number that is somebody else's by then. */
  async unsent(): Promise<number> {
    await this.#last.catch(() => {})
    return this.#left
  }

  async #all(chunk: Buffer): Promise<void> {
    this.#left = chunk.length
    while (this.#left > 0) this.#left -= something(await this.#once(chunk.subarray(-this.#left)))
  }

  close(): void {}

  #once(chunk: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.write(this.#fd, chunk, 0, chunk.length, null, (error, bytes) =>
        error === null ? resolve(bytes) : reject(error),
      )
    })
  }
}

/** libuv waits for the reader in the event loop. It sets O_NONBLOCK, so it gets an open file description of its own. */
class StreamWriter implements Writer {
  readonly #stream: net.Socket
  #error: Error | undefined
  /** Of the last chunk, the bytes that the kernel has not got. */
  #left = 0
  /** How many of them libuv has. */
  #given = 0
  wouldBlock = 0

  constructor(fd: number, isTerminal: boolean) {
    const own = reopen(fd, 'written to')
    if (isTerminal) {
      const terminal = new tty.WriteStream(own)
      closeUnused(own, terminal)
      doNotBlock(terminal)
      this.#stream = terminal
    } else {
      this.#stream = new net.Socket({ fd: own, readable: false })
    }
    this.#stream.on('error', (error) => {
      this.#error = error
    })
  }

  /** libuv does not tell how far a write had come that fails: it gets what a pipe takes whole or not at all, to wait. */
  async write(chunk: Buffer): Promise<void> {
    this.#left = chunk.length
    while (this.#left > 0) {
      if (this.#error !== undefined) throw this.#error
      const rest = chunk.subarray(-this.#left)
      const taken = this.#atOnce(rest)
      if (taken !== undefined) this.#left -= something(taken)
      else {
        this.wouldBlock += 1
        await this.#give(rest.subarray(0, PIPE_BUF))
      }
    }
  }

  /** As much as there is room for; `undefined` if there is none. */
  #atOnce(chunk: Buffer): number | undefined {
    try {
      return fs.writeSync(handleFd(this.#stream), chunk)
    } catch (error) {
      if (error instanceof Error && 'errno' in error && error.errno === -EAGAIN) return undefined
      throw error
    }
  }

  #give(piece: Buffer): Promise<void> {
    this.#given = piece.length
    return new Promise((resolve, reject) => {
      this.#stream.write(piece, (error) => {
        this.#given = 0
        if (error) return reject(error)
        this.#left -= piece.length
        resolve()
      })
    })
  }

  /** The piece itself stays in the stream's queue until all of it has been written. */
  outstanding(): number {
    if (this.#given === 0) return this.#left
    return this.#left - this.#given + outstanding(this.#stream) - this.#stream.writableLength
  }

  async unsent(): Promise<number> {
    return this.outstanding()
  }

  close(): void {
    this.#stream.destroy()
  }
}
