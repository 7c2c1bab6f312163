// Destinations that are not streams: descriptors by number, and FileHandles.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import net from 'node:net'

import { collect, type Collected } from '../fixtures/collect.ts'
import { OwnDescriptor } from '../fixtures/own-descriptor.ts'
import { pseudoTerminal, terminalProblem } from '../fixtures/pseudo-terminal.ts'
import { sampleDirectory } from '../fixtures/sample-file.ts'
import { type SocketPair, tcpPair, unixPair } from '../fixtures/socket-pair.ts'
import { until } from '../fixtures/within.ts'
import type { Connection, Kind, Wish } from './destinations.ts'

const { O_RDONLY, O_WRONLY, O_NONBLOCK, O_NOCTTY } = fs.constants

export const fileKinds: Kind[] = [
  { name: 'FileHandle', family: 'file', isDescriptor: true, connect: async () => intoHandle() },
  { name: 'file by number', family: 'file', isDescriptor: true, connect: async () => intoFile('w') },
  {
    name: 'file open for appending',
    family: 'file',
    isDescriptor: true,
    appends: true,
    connect: async () => intoFile('a'),
  },
  { name: '/dev/null by number', family: 'device', isDescriptor: true, connect: async () => intoNothing() },
]

export const pipeKinds: Kind[] = [
  { name: 'FIFO by number', family: 'pipe', isDescriptor: true, connect: async (wish) => intoFifo(wish, O_NONBLOCK) },
  {
    name: 'FIFO in blocking mode',
    family: 'pipe',
    isDescriptor: true,
    blocking: true,
    connect: async (wish) => intoFifo(wish, 0),
  },
]

export const terminalKinds: Kind[] = [
  {
    name: 'terminal in blocking mode',
    family: 'device',
    isDescriptor: true,
    blocking: true,
    missing: terminalProblem,
    connect: async () => intoTerminal(),
  },
]

export const numberedSocketKinds: Kind[] = [
  {
    name: 'TCP socket by number',
    family: 'socket',
    isDescriptor: true,
    needsAddon: true,
    isBorrowed: true,
    connect: async (wish) => overNumber(await tcpPair(), wish),
  },
  {
    name: 'unix socket by number',
    family: 'socket',
    isDescriptor: true,
    needsAddon: true,
    isBorrowed: true,
    connect: async (wish) => overNumber(await unixPair(sampleDirectory()), wish),
  },
]

let files = 0

async function intoHandle(): Promise<Connection> {
  const path = `${sampleDirectory()}/handle-${files++}.out`
  const handle: FileHandle = await open(path, 'w')
  const isEnded = (): boolean => handle.fd === -1
  const target = {
    write: async (chunk: Uint8Array): Promise<void> => void (await handle.write(chunk)),
    end: () => handle.close(),
  }
  const close = (): Promise<void> => (isEnded() ? Promise.resolve() : handle.close())
  return { destination: handle, target, received: () => contentsOf(path, isEnded), isEnded, close }
}

function intoFile(flags: 'w' | 'a'): Connection {
  const path = `${sampleDirectory()}/file-${files++}.out`
  const own = new OwnDescriptor(fs.openSync(path, flags))
  return { ...over(own), received: () => contentsOf(path, () => !own.isOpen) }
}

async function contentsOf(path: string, isEnded: () => boolean): Promise<Collected> {
  await until(isEnded, 'the file is closed')
  return { bytes: fs.readFileSync(path), ended: true }
}

function intoNothing(): Connection {
  const own = new OwnDescriptor(fs.openSync('/dev/null', 'w'))
  const received = async (): Promise<Collected> => ({ bytes: Buffer.alloc(0), ended: true, swallowed: true })
  return { ...over(own), received }
}

let fifo: string | undefined

function fifoPath(): string {
  if (fifo !== undefined) return fifo
  fifo = `${sampleDirectory()}/contract.fifo`
  execFileSync('mkfifo', [fifo])
  return fifo
}

function intoFifo({ slow }: Wish, mode: number): Connection {
  const reading = fs.openSync(fifoPath(), O_RDONLY | O_NONBLOCK)
  const own = new OwnDescriptor(fs.openSync(fifoPath(), O_WRONLY | mode))
  const reader = new net.Socket({ fd: reading, writable: false })
  const arriving = collect(reader, slow)
  const connection = over(own)
  const close = async (): Promise<void> => {
    await connection.close()
    if (reader.destroyed) return
    const closed = once(reader, 'close')
    reader.destroy()
    await closed
  }
  return { ...connection, received: () => arriving, close }
}

async function intoTerminal(): Promise<Connection> {
  const { path, received, opened, close: closeTerminal } = await pseudoTerminal()
  const own = new OwnDescriptor(fs.openSync(path, O_WRONLY | O_NOCTTY))
  await opened()
  const connection = over(own)
  const close = async (): Promise<void> => {
    await connection.close()
    await closeTerminal()
  }
  return { ...connection, received: () => received, close }
}

/** Bytes written to a descriptor of the test. */
function over(own: OwnDescriptor): Omit<Connection, 'received'> {
  const target = { write: (chunk: Uint8Array) => own.write(chunk), end: () => own.close() }
  return { destination: own.fd, target, isEnded: () => !own.isOpen, close: async () => own.close() }
}

/** The number belongs to a stream, which does not write during the transfer. */
function overNumber({ near, far, close }: SocketPair, { slow }: Wish): Connection {
  const arriving = far.then((peer) => collect(peer, slow))
  const destination: unknown = Reflect.get(Object(Reflect.get(near, '_handle')), 'fd')
  const write = (chunk: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      near.write(chunk, (error) => (error ? reject(error) : resolve()))
    })
  const target = { write, end: () => near.end() }
  return { destination, target, received: () => arriving, isEnded: () => near.writableEnded, close }
}
