//! What Linux says of splice(2) between each kind of descriptor (the page: "one of the file descriptors must refer to a
//! pipe").

use std::io::Write;
use std::os::fd::AsFd;

use nix::errno::Errno;
use sendfile64_core::{Ended, Outcome};
use sendfile64_sys::call::splice::splice;
use sendfile64_sys::signal::block_fatal;

use crate::ends::{TEN, assert_answers, destinations, sources};
use crate::fixture::{bounded, failed, file, nothing, progress, refused};

#[test]
fn from_a_file_only_a_pipe_takes_bytes() {
    bounded(|| {
        let source = file("splice-direct", TEN);
        assert_answers(
            &destinations(),
            |fd| splice(source.as_fd(), Some(0), fd, 10, false),
            |name| match name {
                "pipe" => progress(10),
                "directory" | "O_RDONLY" | "O_PATH" => failed(Errno::EBADF),
                _ => refused(Errno::EINVAL),
            },
        );
    });
}

#[test]
fn from_a_pipe_bytes_go_wherever_sendfile_sends_them() {
    bounded(|| {
        block_fatal();
        assert_answers(
            &destinations(),
            |fd| {
                let (reader, mut writer) = std::io::pipe().expect("pipe");
                writer.write_all(TEN).expect("write");
                splice(reader.as_fd(), None, fd, 10, false)
            },
            |name| match name {
                "TCP, never connected" | "TCP, shut down" => failed(Errno::EPIPE),
                "file, O_APPEND" | "/dev/full" | "eventfd" | "epoll" => refused(Errno::EINVAL),
                "directory" | "O_RDONLY" | "O_PATH" => failed(Errno::EBADF),
                _ => progress(10),
            },
        );
    });
}

#[test]
fn into_a_pipe_bytes_come_from_files_pipes_and_sockets() {
    bounded(|| {
        for offset in [Some(0), None] {
            assert_answers(
                &sources(),
                |fd| {
                    let (_reader, writer) = std::io::pipe().expect("pipe");
                    splice(fd, offset, writer.as_fd(), 10, false)
                },
                |name| into_pipe(name, offset.is_some()),
            );
        }
    });
}

fn into_pipe(source: &str, with_offset: bool) -> Outcome {
    match source {
        "empty file" => nothing(Ended::EndOfFile),
        "/sys" => progress(
            std::fs::read("/sys/devices/system/cpu/possible")
                .expect("read")
                .len(),
        ),
        "pipe" if with_offset => refused(Errno::ESPIPE),
        // Sockets say otherwise than sendfile(2), which has ESPIPE for them.
        "TCP" | "unix stream" if with_offset => refused(Errno::EINVAL),
        "/proc/self/status" | "directory" | "eventfd" => refused(Errno::EINVAL),
        "O_WRONLY" | "O_PATH" => failed(Errno::EBADF),
        _ => progress(10),
    }
}
