//! Which of the machines that manifests name are one and the same, by what each says of itself: the host keys that it has, and the
//! registration that Amarre left on it. A machine that lies about these takes out of service itself, and no other.
//!
//! | what is found | what comes of it |
//! |---|---|
//! | it is registered for another pool, which still names it | that pool has it |
//! | another one of its pool has the same keys, and is the same system that runs | the first by name is given out |
//! | the same, and it is another system: a copy | both are given out, and it is told |
//! | a copy in another pool | the first by name is given out |
//! | its registration is of nobody who names it | it is registered anew |

use std::collections::{BTreeMap, BTreeSet};

/// One machine as a manifest names it.
#[derive(Debug, Clone, Default)]
pub(super) struct NamedMachine<'a> {
    pub(super) pool: &'a str,
    pub(super) name: &'a str,
    /// The host key by which it is reached.
    pub(super) pinned: &'a str,
    /// The last connection went well.
    pub(super) answers: bool,
    /// What it said, once it did.
    pub(super) says: Option<SaidOfItself<'a>>,
}

/// What a machine said of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct SaidOfItself<'a> {
    pub(super) keys: BTreeSet<&'a str>,
    /// Another one since each start.
    pub(super) system: &'a str,
    /// The pool for which Amarre registered it, and the host key that it had; only with a good proof.
    pub(super) registered: Option<(&'a str, &'a str)>,
}

/// What a machine is beside what its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sameness {
    /// It is this machine of another pool.
    OfPool(String),
    /// It is this machine of its own pool.
    Twice(String),
    /// This machine of another pool has its host keys.
    CopyOfPool(String),
    /// This machine of its own pool has its host keys.
    Copy(String),
    /// Nobody else names it, and its registration does not say so.
    Unregistered,
}

impl NamedMachine<'_> {
    fn path(&self) -> String {
        format!("{}/{}", self.pool, self.name)
    }

    fn presents(&self, key: &str) -> bool {
        self.pinned == key || self.says.as_ref().is_some_and(|says| says.keys.contains(key))
    }
}

/// What each of them is, where that is not plain; in the order of the machines.
pub(super) fn sameness(all: &[NamedMachine<'_>]) -> Vec<Option<Sameness>> {
    let mut pinned: BTreeMap<&str, Vec<&NamedMachine<'_>>> = BTreeMap::new();
    for machine in all.iter().filter(|machine| !machine.pinned.is_empty()) {
        pinned.entry(machine.pinned).or_default().push(machine);
    }
    all.iter().map(|machine| of_machine(machine, &pinned)).collect()
}

fn of_machine(machine: &NamedMachine<'_>, pinned: &BTreeMap<&str, Vec<&NamedMachine<'_>>>) -> Option<Sameness> {
    let says = machine.says.as_ref()?;
    let keys: BTreeSet<&str> = says.keys.iter().copied().chain([machine.pinned]).collect();
    let with_its_keys = keys.iter().filter_map(|key| pinned.get(key)).flatten();
    let others: Vec<&NamedMachine<'_>> =
        with_its_keys.copied().filter(|other| (other.pool, other.name) != (machine.pool, machine.name)).collect();
    if let Some((pool, key)) = says.registered.filter(|(pool, _)| *pool != machine.pool) {
        // One whose keys were made anew, and who cannot be reached by the old one, is not taken from its pool by that.
        let away = pinned.get(key).into_iter().flatten().copied().filter(|other| !other.answers);
        if let Some(owner) = others.iter().copied().chain(away).find(|other| other.pool == pool) {
            return Some(Sameness::OfPool(owner.path()));
        }
    }
    // What only one of the two says is a lie of that one.
    let mutual = |other: &&&NamedMachine<'_>| other.says.is_some() && other.presents(machine.pinned);
    let mut twins: Vec<&NamedMachine<'_>> = others.iter().filter(mutual).copied().collect();
    twins.sort_by_key(|twin| (twin.pool, twin.name));
    let is_before = |twin: &NamedMachine<'_>| (twin.pool, twin.name) < (machine.pool, machine.name);
    let is_its = |of: &NamedMachine<'_>| {
        of.says.as_ref().is_some_and(|says| says.registered.is_none_or(|(pool, _)| pool == of.pool))
    };
    for twin in &twins {
        let is_one = !says.system.is_empty() && twin.says.as_ref().is_some_and(|other| other.system == says.system);
        if twin.pool != machine.pool && is_before(twin) && is_its(twin) {
            return Some(Sameness::CopyOfPool(twin.path()));
        }
        if twin.pool == machine.pool && is_one && is_before(twin) {
            return Some(Sameness::Twice(twin.name.to_owned()));
        }
    }
    let is_registered = says.registered.is_some_and(|(pool, key)| pool == machine.pool && keys.contains(key));
    if !is_registered {
        return Some(Sameness::Unregistered);
    }
    let copy = twins.iter().find(|twin| twin.pool == machine.pool);
    copy.map(|twin| Sameness::Copy(twin.name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine<'a>(path: &'a str, pinned: &'a str, says: Option<(&[&'a str], &'a str, &'a str)>) -> NamedMachine<'a> {
        let (pool, name) = path.split_once('/').unwrap();
        let says = says.map(|(keys, system, registered)| SaidOfItself {
            keys: keys.iter().copied().collect(),
            system,
            registered: registered.split_once(' '),
        });
        NamedMachine { pool, name, pinned, answers: says.is_some(), says }
    }

    #[test]
    fn a_machine_is_known_by_all_that_it_presents() {
        let all = ["ed", "rsa", "ec"];
        let other = |what: &str| Some(Sameness::OfPool(what.to_owned()));
        let cases: Vec<(Vec<NamedMachine<'_>>, Vec<Option<Sameness>>)> = vec![
            (vec![machine("lab/m1", "ed", Some((&all, "s", "lab ed")))], vec![None]),
            // Another key of the same machine, whatever the pools are called.
            (
                vec![
                    machine("aaa/x", "rsa", Some((&all, "s", "lab ed"))),
                    machine("lab/m1", "ed", Some((&all, "s", "lab ed"))),
                    machine("zzz/x", "ec", Some((&all, "s", "lab ed"))),
                ],
                vec![other("lab/m1"), None, other("lab/m1")],
            ),
            // Its pool does not reach it just now.
            (
                vec![machine("aaa/x", "rsa", Some((&all, "s", "lab ed"))), machine("lab/m1", "ed", None)],
                vec![other("lab/m1"), None],
            ),
            // It has new keys, and its pool has the old one.
            (
                vec![machine("aaa/x", "new", Some((&["new"], "s", "lab ed"))), machine("lab/m1", "ed", None)],
                vec![other("lab/m1"), None],
            ),
            // It was copied, and made keys of its own.
            (
                vec![
                    machine("aaa/x", "new", Some((&["new"], "t", "lab ed"))),
                    machine("lab/m1", "ed", Some((&all, "s", "lab ed"))),
                ],
                vec![Some(Sameness::Unregistered), None],
            ),
            // The pool that had it names it no more.
            (vec![machine("aaa/x", "ed", Some((&all, "s", "lab ed")))], vec![Some(Sameness::Unregistered)]),
            (vec![machine("aaa/x", "ed", Some((&all, "s", "")))], vec![Some(Sameness::Unregistered)]),
            // Twice in one pool, and a copy of it.
            (
                vec![
                    machine("lab/m1", "ed", Some((&all, "s", "lab ed"))),
                    machine("lab/m2", "rsa", Some((&all, "s", "lab ed"))),
                    machine("lab/m3", "ed", Some((&all, "t", "lab ed"))),
                ],
                vec![
                    Some(Sameness::Copy("m2".to_owned())),
                    Some(Sameness::Twice("m1".to_owned())),
                    Some(Sameness::Copy("m1".to_owned())),
                ],
            ),
            // A copy that was registered for another pool.
            (
                vec![
                    machine("lab/m1", "ed", Some((&all, "s", "lab ed"))),
                    machine("zzz/x", "ed", Some((&all, "t", "zzz ed"))),
                ],
                vec![None, Some(Sameness::CopyOfPool("lab/m1".to_owned()))],
            ),
            // One that says that it has the keys of others harms these in nothing.
            (
                vec![
                    machine("aaa/x", "evil", Some((&["evil", "ed", "rsa"], "s", "aaa evil"))),
                    machine("lab/m1", "ed", Some((&all, "s", "lab ed"))),
                    machine("lab/m0", "liar", Some((&["liar", "ed"], "s", "lab liar"))),
                ],
                vec![None, None, None],
            ),
        ];
        for (machines, expected) in cases {
            assert_eq!(sameness(&machines), expected, "{machines:#?}");
        }
    }
}
