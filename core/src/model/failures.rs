//! How a container failed. The ledger keeps it as an English sentence; from it come the parts that another language needs.
//!
//! | the container | told by |
//! |---|---|
//! | may be gone since | [`in_parts`]: what happened, which stays true |
//! | is there | [`while_there`]: also what Docker does with it |

use super::text::Text;
use crate::text;

/// The parts of a sentence that the ledger kept. What Docker was doing then is left out: it ends with the container.
pub fn in_parts(said: &str) -> Text {
    let exit = restart_of(said).map(exited);
    exit.or_else(|| parse(said)).unwrap_or_else(|| Text::foreign(said))
}

/// The same of a container that is still there.
pub fn while_there(said: &str) -> Text {
    restart_of(said).map_or_else(|| in_parts(said), restarted)
}

/// The exit code in the words of [`restarted`].
fn restart_of(said: &str) -> Option<i64> {
    let code = said.strip_prefix("exited with code ")?.strip_suffix(" and is being restarted by Docker")?;
    code.parse().ok()
}

fn parse(said: &str) -> Option<Text> {
    if let Some(code) = said.strip_prefix("exited with code ") {
        return Some(exited(code.parse().ok()?));
    }
    if let Some(rest) = said.strip_prefix("not healthy after ") {
        let (limit, why) = rest.split_once(": ")?;
        return Some(text!("not healthy after {limit}: {why}", limit, why = in_parts(why)));
    }
    if let Some(limit) = said.strip_prefix("still ran after ") {
        return Some(text!("still ran after {limit}", limit));
    }
    if let Some(rest) = said.strip_prefix("took ") {
        let (took, limit) = rest.split_once(", at most ")?;
        return Some(text!("took {took}, at most {limit}", took, limit));
    }
    if let Some(said) = said.strip_prefix("unhealthy: ") {
        return Some(unhealthy(said));
    }
    let plain =
        [text!("not probed yet"), text!("its healthcheck has not passed yet"), text!("was made but not started")];
    plain.into_iter().find(|text| text.template() == said)
}

/// The engine refused to start it.
pub fn not_started(ran_before: bool, error: Text) -> Text {
    if ran_before { text!("could not start again: {error}", error) } else { text!("could not start: {error}", error) }
}

/// Whether that is why one failed, and it has never run: it cannot have changed its data.
pub fn never_ran(why: &str) -> bool {
    why.starts_with("could not start: ")
}

/// It has ended, and not well.
pub fn exited(code: i64) -> Text {
    text!("exited with code {code}", code)
}

/// The same, and Docker starts it again.
pub fn restarted(code: i64) -> Text {
    text!("exited with code {code} and is being restarted by Docker", code)
}

/// Its healthcheck fails, with what that printed last.
pub fn unhealthy(said: &str) -> Text {
    match said {
        FAILS => text!("unhealthy: its healthcheck fails"),
        said => text!("unhealthy: {said}", said = Text::foreign(said)),
    }
}

/// What stands for the output of a healthcheck that prints nothing.
pub const FAILS: &str = "its healthcheck fails";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_of_the_ledger_gets_its_parts_back() {
        for (said, template) in [
            ("exited with code 137", "exited with code {code}"),
            ("not healthy after 3 min: unhealthy: curl: (7) refused", "not healthy after {limit}: {why}"),
            ("unhealthy: its healthcheck fails", "unhealthy: its healthcheck fails"),
            ("still ran after 5 min", "still ran after {limit}"),
            ("took 6 min, at most 5 min", "took {took}, at most {limit}"),
            ("not probed yet", "not probed yet"),
            ("exited with code x", "{said}"),
            ("OOMKilled: {code}", "{said}"),
        ] {
            let parts = in_parts(said);
            assert_eq!((parts.template(), parts.to_string().as_str()), (template, said));
        }
    }

    #[test]
    fn a_restart_by_docker_is_told_only_while_the_container_is_there() {
        let said = restarted(3).to_string();
        assert_eq!(while_there(&said), restarted(3));
        assert_eq!(in_parts(&said), exited(3));
        assert_eq!(while_there("exited with code 3"), exited(3));
    }
}
