//! Whether the instances of which a manifest says `ready` answer: a port, or a page. Asked of those that run; the vendor's word
//! stands for the others.
//!
//! | the instance | it is |
//! |---|---|
//! | answers | ready |
//! | has not answered since it runs | not ready yet |
//! | answered before, and does not | ready until it did not answer three times in a row |

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};

use super::port80::Port80Client;
use amarre_core::model::instance::ServerCheck;
use amarre_core::model::power::Power;
use amarre_core::model::{Address, Readiness, Site, Timestamp, Value, Wants, World};
use amarre_core::text;

/// Concurrent questions.
const AT_ONCE: usize = 32;
/// One that answered before may miss fewer.
const MISSES: u32 = 3;

/// What instances answered.
#[derive(Debug, Clone, Default)]
pub struct InstanceAnswers {
    known: BTreeMap<Address, KnownAnswer>,
}

#[derive(Debug, Clone)]
struct KnownAnswer {
    has_answered: bool,
    misses: u32,
    /// When it was first asked.
    since: Timestamp,
}

impl InstanceAnswers {
    /// Asks the instances, and writes into the world which of them are not ready.
    pub async fn ask(
        &mut self,
        visitor: &Arc<dyn Port80Client>,
        site: &Site,
        wants: &Wants,
        world: &mut World,
        now: Timestamp,
    ) {
        let runs = |address: &Address| {
            let seen = world.seen.get(address).filter(|seen| seen.ready.is_ready())?;
            (Power::parse(seen.fields.text("power")?)? == Power::On).then_some(seen)
        };
        let mut known = std::mem::take(&mut self.known);
        let mut questions = Vec::new();
        for (address, check) in &wants.checks {
            let Some(seen) = runs(address) else { continue };
            let before = known.remove(address);
            self.known
                .insert(address.clone(), before.unwrap_or(KnownAnswer { has_answered: false, misses: 0, since: now }));
            // Behind the addresses of a simulated cloud nothing runs.
            let at = (!site.simulated.contains(&address.provider)).then(|| place(seen.fields.text("address"), check));
            let (address, check, visitor) = (address.clone(), check.clone(), visitor.clone());
            let question = async move {
                let answer = match at {
                    None => Ok(()),
                    Some(None) => Err(text!("it has no address yet")),
                    Some(Some(at)) => visitor.answers(at, check.path()).await,
                };
                (address, check.port(), answer)
            };
            questions.push(question.boxed());
        }
        let answers: Vec<_> = futures_util::stream::iter(questions).buffer_unordered(AT_ONCE).collect().await;
        for (address, port, answer) in answers {
            let (Some(known), Some(seen)) = (self.known.get_mut(&address), world.seen.get_mut(&address)) else {
                continue;
            };
            let Err(why) = answer else {
                (known.has_answered, known.misses) = (true, 0);
                continue;
            };
            if known.misses == 0 && known.has_answered {
                known.since = now;
            }
            known.misses += 1;
            if known.has_answered && known.misses < MISSES {
                continue;
            }
            known.has_answered = false;
            let why = text!("port {port} does not answer: {why}", port = i64::from(port), why);
            seen.ready = Readiness::NotYet { since: known.since, why };
            seen.fields.set("answers", Value::Bool(false));
        }
    }
}

fn place(address: Option<&str>, check: &ServerCheck) -> Option<SocketAddr> {
    Some(SocketAddr::new(address?.parse().ok()?, check.port()))
}
