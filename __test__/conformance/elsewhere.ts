/** Cases of the origins whose tests are elsewhere: they need C, or were tested already. */

export interface Elsewhere {
  /** From the root of the repository. */
  readonly file: string
  /** The name of the test, or a part of its title as written in the file. */
  readonly test: string
}

const LTP = 'crates/sys/tests/kernel/ltp.rs'
const EFAULT: Elsewhere = { file: LTP, test: 'sendfile04_offsets_that_cannot_be_read_or_written' }

/** By origin and case, as titles begin: `LTP 64`. */
export const elsewhere: Readonly<Record<string, Elsewhere>> = {
  // EFAULT of an address: PROT_NONE, PROT_READ, PROT_EXEC, PROT_EXEC | PROT_READ, and one that is not mapped.
  'LTP 64': EFAULT,
  'LTP 65': EFAULT,
  'LTP 66': EFAULT,
  'LTP 67': EFAULT,
  'LTP 68': EFAULT,
  'strace: sendfile(…, EFAULT)': EFAULT,
  'LTP copy_file_range01': { file: 'crates/sys/tests/kernel/copy_file_range.rs', test: 'both_positions' },
  'LTP copy_file_range02': {
    file: 'crates/sys/tests/kernel/copy_file_range.rs',
    test: 'only_a_file_of_the_same_filesystem_takes_bytes',
  },
  'LTP splice03': { file: 'crates/sys/tests/kernel/splice_ends.rs', test: 'from_a_file_only_a_pipe_takes_bytes' },
  'LTP splice07': {
    file: 'crates/sys/tests/kernel/splice_ends.rs',
    test: 'into_a_pipe_bytes_come_from_files_pipes_and_sockets',
  },
  // TestSendfileWithLargeFile, 1 << 31 bytes.
  'Go 80': { file: '__test__/lifecycle/volume.spec.ts', test: 'one call sends more than 2 GiB' },
  // Of a socket; of a pipe and of a source it is in hazards.spec.ts.
  '2.13 D': {
    file: '__test__/lifecycle/descriptors.spec.ts',
    test: 'a new connection reuses the number of a destroyed socket without receiving its transfer',
  },
  // 10,000 rounds on loopback; from one network namespace to another it is in hazards-confined.spec.ts.
  '2.13 J': { file: '__test__/http/order.spec.ts', test: 'rounds of write, sendfile and end on' },
}
