//! A unix socket in the file system.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::super::auth::Source;
use super::super::connection::{Connections, Peer};
use super::{ListenError, Listener};

/// Who may connect: the user that sweepd runs as, and its group.
const MODE: u32 = 0o660;

/// A socket that is listened on; its file is removed in the end.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Takes the place of a socket that nobody listens on any more.
    pub(super) fn bind(path: &Path) -> Result<Self, ListenError> {
        let failed = |remedy| move |reason| ListenError { place: path.display().to_string(), reason, remedy };
        replaceable(path).map_err(failed("; `http.socket` has to be a path that nobody else uses"))?;
        bind(path).map_err(failed("; `http.socket` needs a directory in which this user may create files"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Listener for Socket {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Source)> {
        Ok((self.listener.accept().await?.0, Source::Socket))
    }

    async fn serve(connections: &Connections, stream: UnixStream, peer: Peer) {
        connections.serve(stream, peer).await;
    }
}

/// Bound under another name first, so that nobody ever sees it with another mode, and no caller finds nothing there.
fn bind(path: &Path) -> io::Result<Socket> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(new)?;
    fs::set_permissions(new, fs::Permissions::from_mode(MODE))?;
    fs::rename(new, path)?;
    Ok(Socket { listener, path: path.to_owned(), inode: fs::metadata(path)?.ino() })
}

fn replaceable(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Unless another process has taken the path.
        if fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
