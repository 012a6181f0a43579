//! What ends reservations beside a release: their people leave the queue, or a machine is cleaned at once.

use serde_json::{Value as Json, json};

use super::act::VerbCall;
use super::pool_machines::holder_text;
use super::pools::{change, cleaned, looked_up, machines, named, reach};
use super::{CommandAnswer, CommandEnd, refused};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::reconcile::reservations::PoolChange;
use crate::engine::report::pools::{MachineRow, MachineState};
use crate::words::say;
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::{Code, Language, Millis};

/// Leaves the queue; what has its machines is released, not left.
pub async fn leave(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let (args, pool) = (asked.args, asked.args.text("pool"));
    let (_, row) = looked_up(handle, pool).await?;
    let found = named(&row, args)?;
    if let Some(held) = found.iter().find(|one| matches!(one.state, ReservationState::Held { .. })) {
        let (label, machines) = (held.label(), held.machines().map(String::as_str).collect::<Vec<_>>().join(", "));
        let message = format!("{label} does not wait: it has {machines}");
        let hint = format!("amarre pool release {pool} {label} gives them back");
        return Err(refused(Code::A0765, &message, &hint).into());
    }
    let ids = found.iter().map(|one| one.id).collect();
    change(handle, PoolChange::Leave { pool: pool.to_owned(), ids }).await?;
    let labels: Vec<String> = found.iter().map(Reservation::label).collect();
    let text = format!("Left the queue: {}.\n", labels.join(", "));
    let document = json!({"schema": "amarre.left/v1", "name": pool, "reservations": labels});
    Ok(CommandAnswer { document, text, exit: 0 })
}

/// Ends what is on machines, has them cleaned, and looks at them again at once.
pub async fn reprovision(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let (args, pool) = (asked.args, asked.args.text("pool"));
    let (pass, row) = looked_up(handle, pool).await?;
    let names: Vec<String> = machines(&row, args)?.into_iter().map(|(name, _)| name).collect();
    let rows: Vec<&MachineRow> = row.machines.iter().filter(|one| names.contains(&one.name)).collect();
    if args.flag("dry_run") {
        return Ok(forecast(pool, &rows, asked.style.language));
    }
    let mut ended: Vec<Reservation> = rows.iter().filter_map(|one| one.holder.clone()).collect();
    ended.sort_by_key(|one| one.id);
    ended.dedup_by_key(|one| one.id);
    let ids = ended.iter().map(|one| one.id).collect();
    change(handle, PoolChange::End { pool: pool.to_owned(), ids }).await?;
    // What failed there before is tried now, not after its pause.
    handle
        .request(LoopCommand::Retry { service: pool.to_owned(), creates_again: false })
        .await
        .ok_or(CommandEnd::Stopping)?;
    if let Some(reach) = reach(&pass) {
        names.iter().for_each(|name| reach.look_again(pool, name));
    }
    handle.pass().await.ok_or(CommandEnd::Stopping)?;
    cleaned(handle, pool, &ended, Millis(args.timeout_ms())).await;
    let (_, row) = looked_up(handle, pool).await?;
    let rows: Vec<&MachineRow> = row.machines.iter().filter(|one| names.contains(&one.name)).collect();
    Ok(outcome(pool, &rows, &ended, asked.style.language))
}

fn forecast(pool: &str, rows: &[&MachineRow], language: Language) -> CommandAnswer {
    let line = |row: &&MachineRow| match &row.holder {
        Some(holder) => {
            let machines = holder.machines().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("{}: {} ends now, on {machines}\n", row.name, holder_text(holder, language))
        }
        None => format!("{}: nobody has it\n", row.name),
    };
    let mut text: String = rows.iter().map(line).collect();
    text.push_str(
        "Accounts of Amarre's are removed with their processes and files, and the machines are looked at again.\n",
    );
    let machine = |row: &&MachineRow| {
        let holder = row.holder.as_ref();
        json!({"name": row.name, "reservation": holder.map(Reservation::label), "user": holder.map(|one| &one.user), "by": holder.map(|one| &one.by)})
    };
    let machines: Vec<Json> = rows.iter().map(machine).collect();
    CommandAnswer {
        document: json!({"schema": "amarre.reprovision/v1", "name": pool, "machines": machines}),
        text,
        exit: 0,
    }
}

fn outcome(pool: &str, rows: &[&MachineRow], ended: &[Reservation], language: Language) -> CommandAnswer {
    let labels: Vec<String> = ended.iter().map(Reservation::label).collect();
    let mut text = if labels.is_empty() { String::new() } else { format!("Ended {}.\n", labels.join(", ")) };
    for row in rows {
        let why = if row.why.is_empty() { String::new() } else { format!(": {}", say(&row.why, language)) };
        text.push_str(&format!("{} is {}{why}\n", row.name, say(&row.state.text(), language)));
    }
    let is_well = |state: MachineState| match state {
        // Who waits may have it by now.
        MachineState::Available | MachineState::Reserved | MachineState::Disabled => true,
        MachineState::Draining | MachineState::Cleaning | MachineState::Broken | MachineState::Offline => false,
    };
    let exit = if rows.iter().all(|row| is_well(row.state)) { 0 } else { 3 };
    let machines: Vec<Json> = rows.iter().map(|row| json!({"name": row.name, "state": row.state.word()})).collect();
    let document = json!({"schema": "amarre.reprovisioned/v1", "name": pool, "ended": labels, "machines": machines});
    CommandAnswer { document, text, exit }
}
