//! One run of the script on a simulated machine: the same words as the real one reads and prints.

use super::{Machine, MachineEffect, MachineSort, Mark, User};

/// KiB that are free where homes are.
const FREE_KIB: i64 = 8_000_000;
/// An account's number on a real one lies above what a system takes for itself.
const UID_MIN: u64 = 1000;

/// The connection broke.
pub(super) struct Cut;

/// One run of the script.
pub(super) struct Script<'a> {
    machine: &'a mut Machine,
    address: &'a str,
    effects: &'a mut Vec<MachineEffect>,
    /// Those that are done before the connection breaks.
    steps: usize,
    instance: String,
    failed: bool,
    said: String,
}

impl<'a> Script<'a> {
    /// `steps`: those that are done before the connection breaks.
    pub(super) fn new(
        machine: &'a mut Machine,
        (address, effects): (&'a str, &'a mut Vec<MachineEffect>),
        steps: usize,
    ) -> Self {
        let (instance, said) = (String::new(), "AMARRE1\n".to_owned());
        Self { machine, address, effects, steps, instance, failed: false, said }
    }

    /// Reads the lines, and says what is there then.
    pub(super) fn answer(mut self, lines: &str, now: i64) -> Result<String, Cut> {
        for line in lines.lines() {
            self.line(line)?;
        }
        self.look(now)?;
        Ok(self.said)
    }

    /// Before each change.
    fn step(&mut self) -> Result<(), Cut> {
        self.steps = self.steps.checked_sub(1).ok_or(Cut)?;
        Ok(())
    }

    fn fail(&mut self, what: &str, why: &str) {
        self.failed = true;
        self.said.push_str(&format!("failed\t{what}\t{why}\n"));
    }

    fn line(&mut self, line: &str) -> Result<(), Cut> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        match (word, words.as_slice()) {
            ("as", [instance]) => self.instance = (*instance).to_owned(),
            ("make", [name, uid, until, day, reservation, pool, proof, _shell]) => {
                return self.make(name, uid, until, day, reservation, pool, proof);
            }
            ("register" | "reregister", [pool, proof, key @ ..]) => {
                if word == "reregister" || self.machine.registered.is_empty() {
                    self.machine.registered = format!("{pool}\t{proof}\t{}", key.join(" "));
                }
            }
            ("key", [name, until, key @ ..]) => return self.key(name, until, &key.join(" ")),
            ("hash", [name, hash]) => return self.hash(name, hash),
            ("sign", [name, mark]) => return self.sign(name, mark),
            ("end", [name, uid, reservation]) => return self.end(name, uid, reservation),
            ("sudo" | "between", [_]) | ("", _) => (),
            (word, _) => self.fail(word, "no such word"),
        }
        Ok(())
    }

    fn is_ours(&self, name: &str) -> bool {
        let mark = self.machine.marks.get(name).filter(|mark| mark.instance == self.instance);
        mark.is_some_and(|mark| self.machine.users.get(name).is_some_and(|user| user.uid == mark.uid))
    }

    fn make(
        &mut self,
        name: &str,
        uid: &str,
        until: &str,
        day: &str,
        reservation: &str,
        pool: &str,
        proof: &str,
    ) -> Result<(), Cut> {
        let what = format!("make {name}");
        let numbers = (uid.parse::<u64>(), until.parse::<i64>(), day.parse::<i64>());
        let (Ok(uid), Ok(until_ms), Ok(day)) = numbers else {
            self.fail(&what, "not a name, a number or a day");
            return Ok(());
        };
        if !is_name(name) || uid < UID_MIN || until_ms < 0 || ![reservation, pool, proof].into_iter().all(is_word) {
            self.fail(&what, "not a name, a number or a day");
            return Ok(());
        }
        let is_there = self.machine.users.contains_key(name);
        if is_there {
            let is_its = self.is_ours(name) && self.machine.marks[name].reservation == reservation;
            if !is_its {
                self.fail(&what, "this machine has an account of that name");
                return Ok(());
            }
        } else if self.machine.users.values().any(|user| user.uid == uid) {
            self.fail(&what, &format!("number {uid} is taken"));
            return Ok(());
        } else if self.machine.homes.contains(name) {
            self.fail(&what, &format!("/home/{name} is there already"));
            return Ok(());
        }
        self.step()?;
        let (instance, pool, reservation) = (self.instance.clone(), pool.to_owned(), reservation.to_owned());
        let mark = Mark { instance, pool, uid, reservation, until_ms, proof: proof.to_owned(), sign_in: String::new() };
        self.machine.marks.insert(name.to_owned(), mark);
        if !is_there {
            self.step()?;
            self.note(name, true);
            self.machine.homes.insert(name.to_owned());
            self.machine.users.insert(name.to_owned(), User { uid, hash: "!".to_owned(), ..User::default() });
        }
        self.step()?;
        if self.machine.sort == MachineSort::Debian
            && let Some(user) = self.machine.users.get_mut(name)
        {
            user.day = Some(day);
        }
        Ok(())
    }

    fn note(&mut self, name: &str, is_made: bool) {
        let users = &self.machine.users;
        let beside = self.machine.marks.keys().filter(|other| *other != name && users.contains_key(*other));
        let reservation = self.machine.marks.get(name).map(|mark| mark.reservation.clone()).unwrap_or_default();
        let effect = MachineEffect {
            machine: self.address.to_owned(),
            user: name.to_owned(),
            reservation,
            is_made,
            beside: beside.cloned().collect(),
        };
        self.effects.push(effect);
    }

    fn key(&mut self, name: &str, until: &str, key: &str) -> Result<(), Cut> {
        let (Ok(until), true) = (until.parse::<i64>(), self.is_ours(name)) else {
            self.fail(&format!("key {name}"), "it is not ours");
            return Ok(());
        };
        self.step()?;
        let until = (self.machine.sort == MachineSort::Debian).then_some(until);
        if let Some(user) = self.machine.users.get_mut(name) {
            user.key = Some((key.to_owned(), until));
        }
        Ok(())
    }

    fn hash(&mut self, name: &str, hash: &str) -> Result<(), Cut> {
        if !self.is_ours(name) {
            self.fail(&format!("hash {name}"), "it is not ours");
            return Ok(());
        }
        self.step()?;
        if let Some(user) = self.machine.users.get_mut(name) {
            hash.clone_into(&mut user.hash);
        }
        Ok(())
    }

    fn sign(&mut self, name: &str, mark: &str) -> Result<(), Cut> {
        if self.failed {
            return Ok(());
        }
        if !self.is_ours(name) || !is_word(mark) {
            self.fail(&format!("sign {name}"), "it is not ours");
            return Ok(());
        }
        self.step()?;
        if let Some(known) = self.machine.marks.get_mut(name) {
            mark.clone_into(&mut known.sign_in);
        }
        Ok(())
    }

    fn end(&mut self, name: &str, uid: &str, reservation: &str) -> Result<(), Cut> {
        let what = format!("end {name}");
        let Some(uid) = uid.parse::<u64>().ok().filter(|uid| is_name(name) && *uid >= UID_MIN) else {
            self.fail(&what, "not a name and a number of ours");
            return Ok(());
        };
        let is_there = self.machine.users.contains_key(name);
        let Some(mark) = self.machine.marks.get(name) else {
            if is_there {
                self.fail(&what, "it is not ours");
            }
            return Ok(());
        };
        if mark.instance != self.instance || mark.uid != uid || mark.reservation != reservation {
            self.fail(&what, "it is of another reservation");
            return Ok(());
        }
        if is_there && !self.is_ours(name) {
            self.fail(&what, "it is not ours");
            return Ok(());
        }
        self.step()?;
        if let Some(user) = self.machine.users.get_mut(name) {
            (user.day, user.hash, user.key) = (Some(1), "*".to_owned(), None);
        }
        self.step()?;
        self.machine.processes.retain(|own| *own != uid);
        self.step()?;
        self.machine.homes.remove(name);
        // Nothing is deleted with more rights than the account has.
        if let Some(path) = self.machine.beyond.get(&uid) {
            let why = format!("something of it is left: {path}");
            self.fail(&what, &why);
            return Ok(());
        }
        if is_there {
            self.step()?;
            self.note(name, false);
            self.machine.users.remove(name);
        }
        self.step()?;
        self.machine.marks.remove(name);
        self.said.push_str(&format!("ended\t{name}\t{uid}\n"));
        Ok(())
    }

    fn look(&mut self, now: i64) -> Result<(), Cut> {
        let (system, expires) = match self.machine.sort {
            MachineSort::Debian => ("Debian GNU/Linux 12 (bookworm), simulated", "day"),
            MachineSort::Alpine => ("Alpine Linux v3.20, simulated", "no"),
        };
        let seconds = now.div_euclid(1000);
        let head = format!("system\t{system}\nnow\t{seconds}\nfree\t{FREE_KIB}\nexpires\t{expires}\n");
        let keys: String = self.machine.host_keys.iter().map(|key| format!("hostkey\t{key}\n")).collect();
        let registered = match self.machine.registered.as_str() {
            "" => String::new(),
            registered => format!("registered\t{registered}\n"),
        };
        let head = format!("{head}running\t{}\n{keys}{registered}", self.machine.running);
        let foreign = self.machine.users.keys().filter(|name| !(is_name(name) && self.is_ours(name)));
        let foreign: String = foreign.map(|name| format!("foreign\t{name}\n")).collect();
        let ours =
            self.machine.marks.iter().filter(|(_, mark)| mark.instance == self.instance).filter_map(|(name, mark)| {
                let word = match (self.machine.users.get(name), self.is_ours(name)) {
                    (Some(_), true) => "account",
                    (Some(_), false) => return None,
                    (None, _) => "rest",
                };
                let Mark { uid, reservation, until_ms, pool, sign_in, proof, .. } = mark;
                Some(format!("{word}\t{name}\t{uid}\t{reservation}\t{until_ms}\t{pool}\t{sign_in}\t{proof}\n"))
            });
        let ours: String = ours.collect();
        // An answer breaks off here, too.
        self.step()?;
        self.said.push_str(&format!("{head}{foreign}{ours}done\n"));
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 31 && name.starts_with(|first: char| first.is_ascii_lowercase()) && is_word(name)
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
