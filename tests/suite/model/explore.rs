//! Breadth first through all states that can be reached.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;

/// A step from one state to the next.
pub struct Step<S> {
    /// Which process, if it is one, by its number in the state before.
    pub who: Option<usize>,
    pub what: &'static str,
    /// Whether it need not come: a crash, and the like.
    pub fault: bool,
    pub to: S,
}

/// A state in which something is wrong, and the shortest way to it.
pub struct Found {
    pub what: String,
    way: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after:\n  {}", self.what, self.way.join("\n  "))
    }
}

struct Seen {
    /// The state before it and the step from there; none for the first.
    from: Option<(usize, Option<usize>, &'static str)>,
    /// The states from which a step that is no fault leads here.
    before: Vec<usize>,
}

/// Checks each state, and those in which nothing goes on but faults; and that one of the latter can be reached from
/// everywhere without another fault. Returns the number of states.
pub fn explore<S: Clone + Eq + Hash>(
    start: S,
    steps: impl Fn(&S) -> Vec<Step<S>>,
    check: impl Fn(&S) -> Result<(), String>,
    check_end: impl Fn(&S) -> Result<(), String>,
) -> Result<usize, Found> {
    let mut numbers = HashMap::from([(start.clone(), 0)]);
    let mut seen = vec![Seen { from: None, before: Vec::new() }];
    let mut states = vec![start];
    let mut ends = Vec::new();
    let mut number = 0;
    while number < states.len() {
        let state = states[number].clone();
        let steps = steps(&state);
        let ended = steps.iter().all(|step| step.fault);
        let checked = check(&state).and_then(|()| if ended { check_end(&state) } else { Ok(()) });
        checked.map_err(|what| Found { what, way: way(&seen, number) })?;
        if ended {
            ends.push(number);
        }
        for step in steps {
            let to = match numbers.entry(step.to) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    states.push(new.key().clone());
                    seen.push(Seen { from: Some((number, step.who, step.what)), before: Vec::new() });
                    *new.insert(seen.len() - 1)
                }
            };
            if !step.fault {
                seen[to].before.push(number);
            }
        }
        number += 1;
    }
    match never_ending(&seen, ends) {
        Some(number) => Err(Found { what: "it goes on for ever".to_owned(), way: way(&seen, number) }),
        None => Ok(seen.len()),
    }
}

fn way(seen: &[Seen], mut number: usize) -> Vec<String> {
    let mut way = Vec::new();
    while let Some((from, who, what)) = seen[number].from {
        way.push(who.map_or_else(|| what.to_owned(), |who| format!("process {who} {what}")));
        number = from;
    }
    way.reverse();
    way
}

/// A state from which no end can be reached.
fn never_ending(seen: &[Seen], ends: Vec<usize>) -> Option<usize> {
    let mut reaches = vec![false; seen.len()];
    let mut left = ends;
    while let Some(number) = left.pop() {
        if !std::mem::replace(&mut reaches[number], true) {
            left.extend(&seen[number].before);
        }
    }
    reaches.iter().position(|reaches| !reaches)
}
