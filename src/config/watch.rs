//! Tells when the configuration file may have changed.
//!
//! The directory is watched, because editors and Kubernetes put a new file in the place of the old one, and the file
//! itself, which may be mounted into a container alone. Where that shows nothing, a look every half minute finds it. A
//! file that somebody is still writing is waited for.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tracing::warn;

/// How often to look without having been told.
const LOOK: Duration = Duration::from_secs(30);
/// Whoever writes a file has finished when it stays the same for so long: longer when it is the beginning of what was
/// there, as a file is that somebody writes anew, or shortens.
const SETTLED: Duration = Duration::from_millis(250);
const SETTLED_SHORTER: Duration = Duration::from_millis(1500);

/// Watches one file.
#[derive(Debug)]
pub struct Watch {
    file: Option<PathBuf>,
    seen: Option<String>,
    sender: mpsc::Sender<()>,
    events: mpsc::Receiver<()>,
    watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Begins to watch `file`, whose text was `seen` last.
    pub(super) fn on(file: Option<&Path>, seen: Option<String>) -> Self {
        let (sender, events) = mpsc::channel(1);
        let mut watch = Self { file: file.map(Path::to_owned), seen, sender, events, watcher: None };
        watch.follow();
        watch
    }

    /// Returns when the file has changed, and whoever changed it has finished. Without a file, every half minute: there
    /// may be one now.
    pub async fn changed(&mut self) {
        let Some(file) = self.file.clone() else { return tokio::time::sleep(LOOK).await };
        loop {
            if read(&file) != self.seen {
                self.seen = settled(&file, self.seen.as_deref()).await;
                // It may be another one, behind another link.
                self.follow();
                return;
            }
            let _ = tokio::time::timeout(LOOK, self.events.recv()).await;
        }
    }

    fn follow(&mut self) {
        let Some(file) = &self.file else { return };
        let failed = |error: &notify::Error| {
            warn!("the directory of {} cannot be watched ({error}); it is looked at every 30 s", file.display());
        };
        self.watcher = watcher(file, self.sender.clone()).inspect_err(failed).ok();
    }
}

async fn settled(file: &Path, before: Option<&str>) -> Option<String> {
    let mut text = read(file);
    loop {
        let is_shorter = before.zip(text.as_deref()).is_some_and(|(before, text)| before.starts_with(text));
        tokio::time::sleep(if is_shorter { SETTLED_SHORTER } else { SETTLED }).await;
        let now = read(file);
        if now == text {
            return now;
        }
        text = now;
    }
}

fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

fn watcher(file: &Path, events: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let file = std::path::absolute(file)?;
    let files: Vec<PathBuf> = [Some(file.clone()), file.canonicalize().ok()].into_iter().flatten().collect();
    let names: BTreeSet<_> = files.iter().filter_map(|file| file.file_name()).map(OsStr::to_owned).collect();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.map_or(true, |event| concerns(&event, &names)) {
            // When one is waiting already, that one will do.
            let _ = events.try_send(());
        }
    })?;
    let directories: BTreeSet<_> = files.iter().filter_map(|file| file.parent()).collect();
    for directory in directories {
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
    }
    // A file that is mounted by itself is written where no directory of ours shows it.
    let _ = watcher.watch(&file, RecursiveMode::NonRecursive);
    Ok(watcher)
}

/// Whether an event is about the file: by its name, or that of a link that Kubernetes sets anew (`..data`). Reading is no
/// change.
fn concerns(event: &Event, names: &BTreeSet<std::ffi::OsString>) -> bool {
    let change = !matches!(event.kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write));
    let is_ours = |name: &OsStr| names.contains(name) || name.as_encoded_bytes().starts_with(b"..");
    event.need_rescan() || change && event.paths.iter().filter_map(|path| path.file_name()).any(is_ours)
}
