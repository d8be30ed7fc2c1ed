//! Errors that are our own lack of something, each with the limit that has been reached.

use std::fs::File;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// The limit that an error of the system stands for; `None` if it is no lack of our own resources.
pub fn limit_of(error: &io::Error) -> Option<String> {
    match Errno::from_io_error(error)? {
        Errno::MFILE => Some(match getrlimit(Resource::Nofile).current {
            Some(limit) => format!("RLIMIT_NOFILE, {limit} file descriptors for this process"),
            None => "RLIMIT_NOFILE".to_owned(),
        }),
        Errno::NFILE => Some("fs.file-max, the node's file descriptors".to_owned()),
        Errno::ADDRNOTAVAIL => {
            Some("net.ipv4.ip_local_port_range, the ports for outgoing connections".to_owned())
        }
        Errno::NOMEM | Errno::NOBUFS => Some("memory".to_owned()),
        _ => None,
    }
}

/// Whether there is no file descriptor left. The resolver, which needs some, hides it: a lookup
/// without any ends like that of a name that does not exist. Opens a file, so it may block.
pub fn descriptors_exhausted() -> Option<io::Error> {
    File::open("/dev/null").err().filter(|error| limit_of(error).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_has_its_limits_name_and_nothing_else_has() {
        for (errno, name) in [
            (Errno::MFILE, "RLIMIT_NOFILE"),
            (Errno::NFILE, "fs.file-max"),
            (Errno::ADDRNOTAVAIL, "ip_local_port_range"),
            (Errno::NOBUFS, "memory"),
        ] {
            let limit = limit_of(&io::Error::from(errno)).unwrap();
            assert!(limit.contains(name), "{limit}");
        }
        for errno in [Errno::CONNREFUSED, Errno::NETUNREACH, Errno::PERM] {
            assert_eq!(limit_of(&io::Error::from(errno)), None);
        }
        assert_eq!(limit_of(&io::Error::other("x")), None);
    }
}
