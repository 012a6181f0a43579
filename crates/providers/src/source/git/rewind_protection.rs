//! With `verify`, which commits may follow the accepted one. A signature names the author of a commit, not its time:
//! whoever controls the server could otherwise go back to any signed state there ever was.
//!
//! | the new commit | is accepted |
//! |---|---|
//! | descends from the accepted one | yes |
//! | does not, or too far back to tell | when a person consents to exactly this commit |
//! | has commits below it that are not signed, with `verify.all` | likewise |

use git2::{Oid, Repository};

use super::clone;
use super::clone::Depth;
use super::session::Asker;
use super::{GitSettings, Snapshot, SourceError, commit_text, signature, tree};
use amarre_core::model::{Code, Hint};

/// Commits whose signatures are checked in one fetch: each takes some milliseconds of `ssh-keygen` or `gpgv`.
const CHECKED_MAX: usize = 1_000;

impl GitSettings {
    /// The accepted commit, also if it cannot be read any more.
    pub(super) fn accepted(&self, repository: &Repository, known: Option<&Snapshot>) -> Option<Oid> {
        let known = known.and_then(|known| Oid::from_str(&known.revision).ok());
        known.or_else(|| clone::remembered(repository, &self.key("")))
    }

    /// Whether a commit with a valid signature may follow the accepted one.
    ///
    /// # Errors
    /// Why it is held, with a hint.
    pub(super) fn follows_accepted(
        &self,
        repository: &Repository,
        accepted: Oid,
        commit: Oid,
        asker: &Asker,
    ) -> Result<(), SourceError> {
        let Some(verify) = &self.verify else { return Ok(()) };
        let is_rewritten = match clone::is_rewritten(repository, accepted, commit) {
            None => self.further_back(accepted, commit, asker),
            told => told,
        };
        let held = |code, why: &str, hint: &str| self.held(repository, commit, (code, why, hint));
        let short = |id: Oid| id.to_string().chars().take(7).collect::<String>();
        match is_rewritten {
            Some(false) => (),
            Some(true) => {
                let why = format!("does not descend from {}, which is followed", short(accepted));
                return Err(held(Code::A0314, &why, "was the branch rewritten on purpose? then take it"));
            }
            None => {
                let why = format!(
                    "is not known to descend from {}, which is followed: that is more than {} revisions back",
                    short(accepted),
                    clone::DEPTH_FAR
                );
                return Err(held(Code::A0314, &why, "does `git log` show it there? then take it"));
            }
        }
        if !self.verify_all {
            return Ok(());
        }
        let since = clone::commits_since(repository, accepted, commit, CHECKED_MAX).map_err(|error| {
            held(Code::A0315, &format!("cannot be checked: {}", error.message()), "if you trust it, take it")
        })?;
        if since.len() > CHECKED_MAX {
            let why = format!("brings more than {CHECKED_MAX} commits at once, which are too many to check");
            return Err(held(Code::A0315, &why, "if you trust them, take it"));
        }
        // The newest was checked before.
        for id in since.into_iter().filter(|id| *id != commit) {
            if let Err(why) = signature::check(repository, id, verify) {
                let found = repository.find_commit(id).map(|commit| tree::describe(&commit));
                let who = found.map_or_else(|_| id.to_string(), |commit| commit_text(&commit));
                let why = format!("brings {who}, and {why}");
                return Err(held(
                    Code::A0315,
                    &why,
                    "sign it, and push the branch again; or, if you trust it, take it as it is",
                ));
            }
        }
        Ok(())
    }

    /// The same with a longer history; the clone is opened again, for another process adds to it.
    fn further_back(&self, accepted: Oid, commit: Oid, asker: &Asker) -> Option<bool> {
        let brought = self.bring_into(&self.clone, &[self.reference.full()], Depth::Far, asker);
        match brought {
            Ok((repository, _)) => clone::is_rewritten(&repository, accepted, commit),
            Err((failed, trouble)) => {
                tracing::warn!("more of the history could not be fetched: {failed:?} {trouble:?}");
                None
            }
        }
    }

    /// The id is part of the command: the consent is for this commit and no later one.
    fn held(&self, repository: &Repository, commit: Oid, (code, why, hint): (Code, &str, &str)) -> SourceError {
        let found = repository.find_commit(commit).map(|commit| tree::describe(&commit));
        let who = found.map_or_else(|_| commit.to_string(), |commit| commit_text(&commit));
        let message = format!("{who} on {} is held: it {why}", self.followed());
        SourceError::new(code, message, Hint::command(hint, format!("amarre apply --accept-rewrite {commit}")))
    }
}
