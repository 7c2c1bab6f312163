//! The cases of the Linux Test Project, testcases/kernel/syscalls/sendfile, each test named after its program: what the
//! call itself answers.
#![expect(
    unsafe_code,
    reason = "only the call itself takes a pointer, and only a raw mapping can be protected"
)]

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;

use nix::errno::Errno as NixErrno;
use nix::libc::off64_t;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::sys::sendfile::sendfile64;
use sendfile64_core::Errno;
use sendfile64_sys::call::sendfile::sendfile_once;

use crate::ends::opened;
use crate::fixture::{bounded, file, tcp};

const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

fn once(
    out_fd: &impl AsFd,
    in_fd: &impl AsFd,
    offset: Option<i64>,
    count: u64,
) -> Result<u64, Errno> {
    sendfile_once(raw(out_fd), raw(in_fd), offset, count)
}

fn raw(fd: &impl AsFd) -> RawFd {
    fd.as_fd().as_raw_fd()
}

fn error(errno: NixErrno) -> Result<u64, Errno> {
    Err(Errno(errno as i32))
}

#[test]
fn sendfile02_counts_and_the_offset_that_comes_back() {
    bounded(|| {
        let mut source = file("ltp02", ALPHABET);
        let (ours, mut theirs) = tcp();
        for (from, count) in [(0, 26), (2, 24)] {
            assert_eq!(once(&ours, &source, Some(from), count), Ok(count));
            let mut offset: off64_t = from;
            let sent = sendfile64(&ours, &source, Some(&mut offset), count as usize);
            assert_eq!((sent, offset), (Ok(count as usize), 26));
            assert_eq!(source.stream_position().expect("seek"), 0);
            for _ in 0..2 {
                let mut bytes = vec![0; count as usize];
                theirs.read_exact(&mut bytes).expect("read");
                assert_eq!(bytes, &ALPHABET[from as usize..]);
            }
        }
    });
}

#[test]
fn sendfile03_descriptors_that_are_not_open_or_for_the_other_direction() {
    bounded(|| {
        let source = file("ltp03", ALPHABET);
        let target = opened("ltp03-out", OpenOptions::new().write(true));
        let (in_fd, out_fd) = (source.as_raw_fd(), target.as_raw_fd());
        for (out_fd, in_fd) in [(-1, in_fd), (in_fd, in_fd), (out_fd, -1), (out_fd, out_fd)] {
            let answer = sendfile_once(out_fd, in_fd, Some(0), 1);
            assert_eq!(answer, error(NixErrno::EBADF), "{out_fd} {in_fd}");
        }
    });
}

/// The bytes go before the kernel writes the offset back, so where it can only be read they have gone all the same.
/// That is why this crate passes the address of a variable of its own, and why EFAULT is no errno of `sendfile`.
#[test]
fn sendfile04_offsets_that_cannot_be_read_or_written() {
    bounded(|| {
        let source = file("ltp04", ALPHABET);
        let cases = [
            ("PROT_NONE", Some(ProtFlags::PROT_NONE)),
            ("PROT_READ", Some(ProtFlags::PROT_READ)),
            ("PROT_EXEC", Some(ProtFlags::PROT_EXEC)),
            (
                "PROT_EXEC and PROT_READ",
                Some(ProtFlags::PROT_EXEC | ProtFlags::PROT_READ),
            ),
            ("unmapped", None),
        ];
        for (name, protection) in cases {
            let target = opened("ltp04-out", OpenOptions::new().write(true));
            let page = NonZeroUsize::new(1 << 16).expect("not zero");
            let initial = protection.unwrap_or(ProtFlags::PROT_READ);
            // SAFETY: an anonymous mapping where the kernel finds room touches no memory that is in use.
            let mapping = unsafe { mmap_anonymous(None, page, initial, MapFlags::MAP_PRIVATE) };
            let mapping = mapping.expect("mmap");
            if protection.is_none() {
                // SAFETY: nothing refers to the mapping, which is ours and of this length.
                unsafe { munmap(mapping, page.get()) }.expect("munmap");
            }
            let pointer = mapping.as_ptr().cast();
            // SAFETY: the kernel checks the pointer, and what it points to is no object of this program.
            let sent = unsafe { nix::libc::sendfile64(raw(&target), raw(&source), pointer, 26) };
            assert_eq!(NixErrno::result(sent), Err(NixErrno::EFAULT), "{name}");
            let gone = target.metadata().expect("fstat").len();
            match name {
                "PROT_READ" | "PROT_EXEC and PROT_READ" => assert_eq!(gone, 26, "{name}"),
                // Whether what may be executed may be read is up to the processor.
                "PROT_EXEC" => assert!([0, 26].contains(&gone), "{gone}"),
                _ => assert_eq!(gone, 0, "{name}"),
            }
            if protection.is_some() {
                // SAFETY: nothing refers to the mapping, which is ours and of this length.
                unsafe { munmap(mapping, page.get()) }.expect("munmap");
            }
        }
    });
}

#[test]
fn sendfile05_a_negative_offset() {
    bounded(|| {
        let source = file("ltp05", ALPHABET);
        let target = opened("ltp05-out", OpenOptions::new().write(true));
        assert_eq!(once(&target, &source, Some(-1), 1), error(NixErrno::EINVAL));
    });
}

#[test]
fn sendfile06_without_an_offset_the_position_moves() {
    bounded(|| {
        let mut source = file("ltp06", ALPHABET);
        let target = opened("ltp06-out", OpenOptions::new().write(true));
        assert_eq!(once(&target, &source, None, 26), Ok(26));
        assert_eq!(source.stream_position().expect("seek"), 26);
    });
}

#[test]
fn sendfile07_a_full_datagram_socket_that_does_not_wait() {
    bounded(|| {
        let source = file("ltp07", ALPHABET);
        let (sender, _receiver) = UnixDatagram::pair().expect("socketpair");
        sender.set_nonblocking(true).expect("fcntl");
        while sender.send(ALPHABET).is_ok() {}
        assert_eq!(once(&sender, &source, Some(0), 26), error(NixErrno::EAGAIN));
    });
}

#[test]
fn sendfile08_a_file_that_is_written_keeps_its_position() {
    bounded(|| {
        let source = file("ltp08", b"world");
        let mut target = opened("ltp08-out", OpenOptions::new().read(true).write(true));
        target.write_all(b"hello").expect("write");
        assert_eq!(once(&target, &source, Some(0), 5), Ok(5));
        target.rewind().expect("seek");
        assert_eq!(std::io::read_to_string(target).expect("read"), "helloworld");
    });
}

/// 64 MiB instead of a gibibyte, whose pages would fill the memory of a small machine; and across the 4 GiB that the
/// original ends at.
#[test]
fn sendfile09_a_large_range_at_the_start_and_one_beyond_32_bits() {
    bounded(|| {
        const COUNT: u64 = 64 << 20;
        const FAR: u64 = (4 << 30) - COUNT / 2;
        let source = opened("ltp09", OpenOptions::new().read(true).write(true));
        source.write_all_at(ALPHABET, FAR + COUNT).expect("write"); // the rest is a hole
        let sink = File::options().write(true).open("/dev/null").expect("open");
        for from in [0, FAR as off64_t] {
            let mut offset = from;
            let sent = sendfile64(&sink, &source, Some(&mut offset), COUNT as usize);
            assert_eq!(sent, Ok(COUNT as usize));
            assert_eq!(offset, from + COUNT as off64_t);
        }
    });
}
