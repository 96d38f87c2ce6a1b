//! The files of an archive: which one is written to, and that it only ever holds whole frames.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{ArchiveError, Compress};

/// A file that has grown over this gets a successor, in bytes.
const LARGEST: u64 = 256 << 20;

/// The files of one job and day, of which one is open and locked.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// What their names begin with.
    stem: String,
    compress: Compress,
    largest: u64,
    /// Which of them it is.
    number: u32,
    path: PathBuf,
    /// None after a failure.
    file: Option<File>,
}

impl Files {
    pub(super) fn open(directory: PathBuf, stem: String, compress: Compress) -> Result<Self, ArchiveError> {
        Self::limited(directory, stem, compress, LARGEST)
    }

    fn limited(directory: PathBuf, stem: String, compress: Compress, largest: u64) -> Result<Self, ArchiveError> {
        let remedy = "create it and let this user write there, or name another in `archive.directory`";
        create(&directory).map_err(|reason| {
            let path = directory.clone();
            ArchiveError { doing: "create the archive directory", path, reason, remedy }
        })?;
        let mut files = Self { directory, stem, compress, largest, number: 0, path: PathBuf::new(), file: None };
        files.file = Some(files.find()?);
        Ok(files)
    }

    /// Appends a frame to the open file, or to the next one if that is full, and syncs it.
    pub(super) fn append(&mut self, frame: &[u8]) -> Result<(), ArchiveError> {
        let file = match self.file.take() {
            Some(file) if file.metadata().is_ok_and(|file| file.len() <= self.largest) => file,
            _ => self.find()?,
        };
        append(&file, |mut file| file.write_all(frame)).map_err(|reason| self.unwritten(reason))?;
        self.file = Some(file);
        Ok(())
    }

    pub(super) fn unwritten(&self, reason: io::Error) -> ArchiveError {
        let remedy =
            "nothing is deleted that is not archived: make room on its disk, or name another in `archive.directory`";
        ArchiveError { doing: "write to the archive file", path: self.path.clone(), reason, remedy }
    }

    /// The first file from `number` on that has room, is not in use, and does not end in half a frame, which a machine
    /// that died may leave: no reader gets past that.
    fn find(&mut self) -> Result<File, ArchiveError> {
        loop {
            self.path = self.directory.join(self.name());
            let (doing, remedy) = ("open the archive file", "let this user read and write it and its directory");
            let usable = self.usable();
            let usable = usable.map_err(|reason| ArchiveError { doing, path: self.path.clone(), reason, remedy })?;
            if let Some(file) = usable {
                self.begin(&file).map_err(|reason| self.unwritten(reason))?;
                return Ok(file);
            }
            self.number += 1;
        }
    }

    fn name(&self) -> String {
        let number = if self.number == 0 { String::new() } else { format!(".{}", self.number) };
        format!("{}{number}.{}", self.stem, self.compress.extension())
    }

    fn usable(&self) -> io::Result<Option<File>> {
        let file = open(&self.path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => return Err(error),
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let usable = file.metadata()?.len() <= self.largest && self.is_whole(&file)?;
        Ok(usable.then_some(file))
    }

    fn is_whole(&self, file: &File) -> io::Result<bool> {
        let mut rest = Vec::new();
        while file.take(1 << 20).read_to_end(&mut rest)? > 0 {
            rest.drain(..self.compress.whole(&rest));
        }
        Ok(rest.is_empty())
    }

    /// Makes a new file last. `zstdcat` fails on an empty one, so it gets an empty frame.
    fn begin(&self, file: &File) -> io::Result<()> {
        if file.metadata()?.len() > 0 {
            return Ok(());
        }
        let empty = self.compress.frame(|_| Ok(()))?;
        append(file, |mut file| file.write_all(&empty))?;
        sync_directory(&self.directory)
    }
}

/// Writes and syncs; on a failure the file gets its former length back, if it can.
fn append(file: &File, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let length = file.metadata()?.len();
    write(file).and_then(|()| file.sync_data()).inspect_err(|_| {
        let _ = file.set_len(length);
    })
}

fn create(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true).append(true).create(true).open(path)
}

/// A new file is only sure to be there after a power cut when its directory is synced; not every file system can.
fn sync_directory(directory: &Path) -> io::Result<()> {
    match if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) } {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    type Tested<T = ()> = Result<T, Box<dyn Error>>;

    fn files(directory: &Path) -> Result<Files, ArchiveError> {
        Files::limited(directory.to_owned(), "job".to_owned(), Compress::Zstd, 100)
    }

    fn frame(text: &str) -> io::Result<Vec<u8>> {
        Compress::Zstd.frame(|out| out.write_all(text.as_bytes()))
    }

    fn read(path: &Path) -> Tested<String> {
        Ok(String::from_utf8(zstd::decode_all(File::open(path)?)?)?)
    }

    #[test]
    #[cfg(unix)]
    fn only_the_owner_reads_it() -> Tested {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir()?;
        let directory = directory.path().join("a/b");
        let file = files(&directory)?.path;
        let mode = |path: &Path| std::fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
        assert_eq!((mode(&directory)?, mode(&file)?, read(&file)?), (0o700, 0o600, String::new()));
        Ok(())
    }

    #[test]
    fn a_large_file_gets_a_successor() -> Tested {
        let directory = tempfile::tempdir()?;
        let path = |name| directory.path().join(name);
        File::create(path("job.jsonl.zst"))?.set_len(101)?;
        let mut files = files(directory.path())?;
        let long: String = (0..100).map(|number| number.to_string()).collect();
        files.append(&frame(&long)?)?;
        files.append(&frame("short")?)?;
        let found = (read(&path("job.1.jsonl.zst"))?, read(&path("job.2.jsonl.zst"))?);
        assert_eq!(found, (long, "short".to_owned()));
        Ok(())
    }

    #[test]
    fn nothing_is_appended_to_a_file_in_use_or_after_half_a_frame() -> Tested {
        let directory = tempfile::tempdir()?;
        let mut first = files(directory.path())?;
        assert_eq!(files(directory.path())?.number, 1);
        first.append(&frame("abc")?)?;
        let path = first.path.clone();
        drop(first);
        assert_eq!(files(directory.path())?.number, 0);
        let file = open(&path)?;
        file.set_len(file.metadata()?.len() - 1)?;
        assert_eq!(files(directory.path())?.number, 1);
        Ok(())
    }

    #[test]
    fn half_a_frame_is_taken_back() -> Tested {
        let file = tempfile::tempfile()?;
        append(&file, |mut file| file.write_all(b"whole"))?;
        let failed = append(&file, |mut file| {
            file.write_all(b"half")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert_eq!((failed.map_err(|error| error.kind()), file.metadata()?.len()), (Err(ErrorKind::StorageFull), 5));
        Ok(())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_and_it_goes_on_after_that() -> Tested {
        let directory = tempfile::tempdir()?;
        let mut files = files(directory.path())?;
        files.file = Some(OpenOptions::new().append(true).open("/dev/full")?);
        let error = files.append(b"lost").err().ok_or("it was written")?.to_string();
        let start = format!("cannot write to the archive file {}: No space left", files.path.display());
        assert!(error.starts_with(&start) && error.contains("make room"), "{error}");
        files.append(&frame("kept")?)?;
        assert_eq!((read(&files.path)?.as_str(), files.number), ("kept", 0));
        Ok(())
    }

    #[test]
    fn a_directory_that_cannot_be_created_is_an_error() -> Tested {
        let file = tempfile::NamedTempFile::new()?;
        let error = files(&file.path().join("archive")).err().ok_or("it was created")?.to_string();
        assert!(error.starts_with("cannot create the archive directory ") && error.contains("create it"), "{error}");
        Ok(())
    }
}
