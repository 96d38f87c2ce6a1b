//! The way to the database, which all calls share: opened by the first, looked over every minute, and opened anew when
//! the connections are dead.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::store::Store;
use super::{Error, Settings};

/// Holds what is known of the database at the moment.
#[derive(Debug, Default)]
pub(super) struct Door {
    store: Mutex<Option<Arc<Store>>>,
    opening: tokio::sync::Mutex<Option<Error>>,
    failures: AtomicU64,
}

impl Door {
    /// What is known of the database. One call at a time finds out; the others wait for what it finds, or have what was
    /// known before while that is not too old.
    pub(super) async fn enter(&self, settings: &Settings) -> Result<Arc<Store>, Error> {
        let failures = self.failures.load(Ordering::Acquire);
        let known = self.known();
        let mut last = match &known {
            Some(store) if store.is_fresh() => return Ok(Arc::clone(store)),
            Some(store) if store.is_usable() => match self.opening.try_lock() {
                Ok(last) => last,
                Err(_) => return Ok(Arc::clone(store)),
            },
            _ => self.opening.lock().await,
        };
        if let Some(store) = self.known().filter(|store| store.is_fresh()) {
            return Ok(store);
        }
        // Somebody has tried in the meantime: a thousand calls must not wait for a dead database one after the other.
        if let Some(error) = last.as_ref().filter(|_| self.failures.load(Ordering::Acquire) != failures) {
            return Err(error.clone());
        }
        let found = match Store::find(settings, known.as_deref()).await {
            // Those that were kept.
            Err(error) if known.is_some() && error.is_about_the_connection() => Store::find(settings, None).await,
            done => done,
        };
        match found {
            Ok(store) => {
                let store = Arc::new(store);
                *last = None;
                self.hold(Some(Arc::clone(&store)));
                Ok(store)
            }
            Err(error) => {
                *last = Some(error.clone());
                self.failures.fetch_add(1, Ordering::AcqRel);
                self.hold(None);
                Err(error)
            }
        }
    }

    /// Forgets a store whose connections are dead, unless somebody else has done so.
    pub(super) fn leave(&self, dead: &Arc<Store>) {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if store.as_ref().is_some_and(|known| known.shares_connections(dead)) {
            *store = None;
        }
    }

    /// Forgets the store, and gives it away.
    pub(super) fn shut(&self) -> Option<Arc<Store>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn known(&self) -> Option<Arc<Store>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, store: Option<Arc<Store>>) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = store;
    }
}
