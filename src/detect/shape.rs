//! Whether a table has the shape of a store: its columns, their types, and its name.

use crate::db::catalog_sql::Outline;
use crate::preset::{Holds, Preset, Store};

/// A store whose shape a table has, and whether it is where the library creates it.
type Fit = (&'static Preset, &'static Store, bool);

/// The stores whose shape a table has, as far as one fits no better than another: the name and the type count most, then
/// how much of the table a store explains.
pub(super) fn best(outline: &Outline, known: &[(&'static Preset, &'static Store)], own: &str) -> Vec<Fit> {
    let fits: Vec<_> = known.iter().filter_map(|(preset, store)| fit(outline, preset, store, own)).collect();
    let Some(most) = fits.iter().map(|(rank, _)| *rank).max() else { return Vec::new() };
    let fits: Vec<Fit> = fits.into_iter().filter(|(rank, _)| *rank == most).map(|(_, fit)| fit).collect();
    let explains_more = |one: &Store, other: &Store| {
        let (one, other): (Vec<_>, Vec<_>) = (columns(one).collect(), columns(other).collect());
        other.len() < one.len() && other.iter().all(|column| one.contains(column))
    };
    let beaten = |store: &Store| fits.iter().any(|(_, other, _)| explains_more(other, store));
    fits.iter().filter(|(_, store, _)| !beaten(store)).copied().collect()
}

/// The rank of a fit: 2 for name and type, 1 for the name alone or the type under a similar name, of which the values tell
/// more.
fn fit(outline: &Outline, preset: &'static Preset, store: &'static Store, own: &str) -> Option<(u8, Fit)> {
    if !columns(store).all(|column| outline.kind(column).is_some()) {
        return None;
    }
    let schema = store.schema.unwrap_or(own);
    let named = outline.table.schema.as_deref() == Some(schema) && outline.table.name == store.table;
    let typed = is_of_type(outline.kind(store.expires_at)?, store.kind);
    let rank = match (named, typed) {
        (true, true) => 2,
        (true, false) => 1,
        (false, true) if outline.table.schema.as_deref() == Some(own) && is_similar(outline, preset, store) => 1,
        (false, _) => return None,
    };
    Some((rank, (preset, store, named)))
}

/// Whether the token's type is the one that the library gives it, where that tells it from others with the same table.
pub(super) fn has_its_token(outline: &Outline, store: &Store) -> bool {
    let (Some(token), Some(kind)) = (store.token, store.token_kind) else { return true };
    outline.kind(token).is_some_and(|declared| declared.eq_ignore_ascii_case(kind))
}

fn columns(store: &Store) -> impl Iterator<Item = &'static str> {
    let named = [Some(store.expires_at), store.token, store.user];
    named.into_iter().flatten().chain(store.others.iter().copied())
}

/// People give tables names of their own. A bare store could be any table of coupons, so its name has to be that of the
/// library.
fn is_similar(outline: &Outline, preset: &Preset, store: &Store) -> bool {
    let name = outline.table.name.to_lowercase();
    let said = match preset.holds {
        Holds::Sessions => name.contains("session"),
        Holds::Tokens => name.contains("verif") || name.contains("token"),
    };
    said && !store.is_bare()
}

/// Whether a declared type is the one that a library gives: word for word, or but for lengths and signs.
pub(super) fn is_of_type(declared: &str, kind: &str) -> bool {
    let declared = declared.to_lowercase();
    let plain: String =
        match declared.split_once('(').and_then(|(before, rest)| Some((before, rest.split_once(')')?.1))) {
            Some((before, after)) => format!("{before}{after}"),
            None => declared.clone(),
        };
    declared == kind || plain.trim_end_matches(" unsigned") == kind
}

#[cfg(test)]
mod tests {
    use super::is_of_type;

    #[test]
    fn types_are_compared_without_lengths_unless_the_length_says_something() {
        assert!(is_of_type("int(10) unsigned", "int"));
        assert!(is_of_type("TIMESTAMP(6) without time zone", "timestamp without time zone"));
        assert!(is_of_type("timestamp(3) without time zone", "timestamp(3) without time zone"));
        assert!(!is_of_type("timestamp(6) without time zone", "timestamp(3) without time zone"));
        assert!(!is_of_type("datetime(3)", "timestamp(3)"));
    }
}
