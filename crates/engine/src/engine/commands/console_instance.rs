//! Shows the screen of a server: asks its vendor for an address, and hands it to who asked. The address opens the screen without a
//! password for a while, so that it is kept nowhere: not in the event, not in the audit log, not with an idempotency key.

use serde_json::json;

use super::act::VerbCall;
use super::instances::{InstanceDeed, prepared};
use super::{CommandAnswer, refused_as};
use crate::engine::reconcile::actions::action_word;
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::instances::InstanceRow;
use crate::ledger::runs::Event;
use crate::providers::ProviderError;
use amarre_core::text;

/// Asks the vendor for the address.
pub async fn console(handle: &Handle, asked: VerbCall<'_>) -> Option<CommandAnswer> {
    let args = asked.args;
    let name = args.texts("instances").concat();
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let row = match prepared(&pass, &name, InstanceDeed::Console, args) {
        Ok(row) => row,
        Err(why) => return Some(why.answer()),
    };
    let provider = pass.context.as_ref().and_then(|context| context.providers.get(&row.address.provider));
    let consoles = provider.and_then(|provider| provider.capabilities().consoles)?;
    let opened = consoles.console(&row.id).await;
    note(handle, &row, args.text("by"), opened.as_ref().err()).await?;
    Some(match opened {
        Ok(url) => {
            let document = json!({"schema": "amarre.instance_console/v1", "instance": name, "url": url.expose()});
            CommandAnswer { document, text: format!("{}\n", url.expose()), exit: 0 }
        }
        Err(ProviderError { code, message, hint, .. }) => refused_as(code, &message, &hint),
    })
}

/// Records who asked, and whether there was an answer; never the answer.
async fn note(handle: &Handle, row: &InstanceRow, by: &str, error: Option<&ProviderError>) -> Option<()> {
    let word = action_word("console");
    let (kind, text) = match error {
        None => ("performed", text!("{word} by {by}", word, by)),
        Some(error) => {
            let why = error.message.clone();
            ("not performed", text!("{word} by {by}: {why}", word, by, why))
        }
    };
    let event = Event {
        at: handle.now(),
        run: 0,
        service: row.manifest.as_ref().map(|managed| managed.service.clone()).unwrap_or_default(),
        address: Some(row.address.clone()),
        kind: kind.to_owned(),
        text,
        reason: Some("console".to_owned()),
    };
    // Events are for people: one that cannot be written stops nothing.
    handle.request(LoopCommand::Record(Box::new(event))).await.map(|_| ())
}
