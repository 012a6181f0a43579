//! Gives a server another size, which takes it down for some minutes.
//!
//! | the server | what is done |
//! |---|---|
//! | a manifest made it | `type` is written into that manifest, with `update: {resize: allowed}`: a person's word is consent; the loop resizes it |
//! | any other | actions at its vendor, one for each step that the vendor takes; within the limits and the budget of its cloud |

use serde_json::json;

use super::CommandAnswer;
use super::act::VerbCall;
use super::delete_instance::place;
use super::edit_manifest::{self, FileChange, ManifestDraft, ManifestRemark};
use super::instances::{DeedOutcome, InstanceDeed, NotAsked, answer, perform, prepared, refusal};
use super::manifest_text::with_keys;
use crate::engine::pass_result::ActionState;
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::instances::InstanceRow;
use crate::engine::report::pass_view::PassView;
use crate::providers::ProviderError;
use crate::providers::resize::ResizePlan;
use crate::words::say;
use amarre_core::model::savings::ServerPrices;
use amarre_core::model::site::CloudSite;
use amarre_core::model::{Code, Language, Text};
use amarre_core::plan::safety::cloud_limits::{money, month};
use amarre_core::text;

/// Carries it out, or shows what it would do.
pub async fn resize(handle: &Handle, asked: VerbCall<'_>) -> Option<CommandAnswer> {
    let args = asked.args;
    let name = args.texts("instances").concat();
    // What a manifest is written into is the published one.
    let pass = handle.pass().await?.pass;
    let outcome = match prepared(&pass, &name, InstanceDeed::Resize, args) {
        Ok(row) if row.is_made() => in_manifest(handle, &pass, &row, asked).await?,
        Ok(row) => at_vendor(handle, &pass, &row, asked).await?,
        Err(why) => Err(why),
    };
    Some(outcome.unwrap_or_else(|why| why.answer()))
}

/// What comes of it, or why nothing does; without it Amarre is stopping.
type Resized = Option<Result<CommandAnswer, NotAsked>>;

/// What its vendor says of the size that is asked for.
async fn planned(handle: &Handle, pass: &PassView, row: &InstanceRow, typed: &str) -> Result<ResizePlan, NotAsked> {
    let provider = pass.context.as_ref().and_then(|context| context.providers.get(&row.address.provider));
    let Some(resizes) = provider.and_then(|provider| provider.capabilities().resizes) else {
        let message = text!("its provider is not configured any more");
        return Err(refusal(Code::A0461, message, "amarre instance list shows what there is"));
    };
    let plan = resizes.plan_resize(&row.id, typed.trim(), handle.now()).await;
    plan.map_err(|ProviderError { code, message, hint, .. }| refusal(code, message, hint))
}

/// Of one that a manifest did not make.
async fn at_vendor(handle: &Handle, pass: &PassView, row: &InstanceRow, asked: VerbCall<'_>) -> Resized {
    let args = asked.args;
    let plan = match planned(handle, pass, row, args.text("type")).await {
        Ok(plan) => plan,
        Err(why) => return Some(Err(why)),
    };
    if plan.steps.is_empty() {
        return Some(Ok(has_it(row, &plan)));
    }
    let site = pass.context.as_ref().and_then(|context| context.site.clouds.get(&row.cloud));
    if let Some(Err(why)) = site.map(|site| has_room(pass, site, row, (&plan.size, plan.prices.as_ref()))) {
        return Some(Err(why));
    }
    if args.flag("dry_run") {
        return Some(Ok(forecast(row, &plan, &[downtime(row)], asked.style.language)));
    }
    let mut outcome: DeedOutcome = Ok((text!("nothing was begun"), None));
    for step in &plan.steps {
        outcome = perform(handle, row, InstanceDeed::Resize, args, Some(step.clone())).await?;
        // A step begins when the one before it shows.
        if !matches!(outcome, Ok((_, Some(ActionState::Done)))) {
            break;
        }
    }
    Some(Ok(answer(vec![(row.name.clone(), outcome)])))
}

/// What the server goes through.
fn downtime(row: &InstanceRow) -> Text {
    if row.address.provider.cloud_traits().resizes_when_off {
        text!("It is off, and stays off until it is started.")
    } else {
        text!("It reboots for it, and is away for some minutes.")
    }
}

/// Whether the limits and the budget of its cloud leave room for a server of this size: beside the servers that Amarre made there.
pub(super) fn has_room(
    pass: &PassView,
    site: &CloudSite,
    row: &InstanceRow,
    (size, prices): (&str, Option<&ServerPrices>),
) -> Result<(), NotAsked> {
    let key = |key: &str| format!("clouds.{}.{key}", row.cloud);
    let types = &site.limits.types;
    if !types.is_empty() && !types.contains(size) {
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        let message = text!("{key} allows no {size}", key = key("limits.types"), size);
        let hint = text!("it allows {types}; an admin adds to it in amarre.yaml", types);
        return Err(refusal(Code::A0751, message, hint));
    }
    let Some(budget) = &site.budget else { return Ok(()) };
    let rows = pass.instances();
    let made = rows.iter().filter(|one| one.cloud == row.cloud && one.is_made()).map(|one| one.prices.as_ref());
    let in_currency = |prices: Option<&ServerPrices>| prices.filter(|of| of.currency == budget.currency).map(month);
    let sum: Option<i64> = made.chain([prices]).map(in_currency).sum();
    match sum {
        Some(sum) if sum <= budget.month => Ok(()),
        Some(sum) => {
            let message = text!(
                "with it, the servers of Amarre at {cloud} and this one would cost {sum} {currency} a month, and the budget is {budget}",
                cloud = row.cloud.as_str(),
                sum = money(sum),
                currency = budget.currency.as_str(),
                budget = money(budget.month)
            );
            let hint = text!("take a smaller one, or have an admin raise {key}", key = key("budget.month"));
            Err(refusal(Code::A0752, message, hint))
        }
        None => {
            let message = text!(
                "what it would cost is not known in {currency}, so {key} cannot be kept",
                currency = budget.currency.as_str(),
                key = key("budget.month")
            );
            Err(refusal(
                Code::A0752,
                message,
                text!("prices stay unknown where the vendor does not tell them, or takes another currency"),
            ))
        }
    }
}

/// Of one that a manifest made: what stands in the manifest is what the loop brings about.
async fn in_manifest(handle: &Handle, pass: &PassView, row: &InstanceRow, asked: VerbCall<'_>) -> Resized {
    let args = asked.args;
    let plan = match planned(handle, pass, row, args.text("type")).await {
        Ok(plan) => plan,
        Err(why) => return Some(Err(why)),
    };
    let service = row.name.as_str();
    let shape = row.manifest.as_ref().and_then(|managed| managed.instance.shape.as_ref());
    if plan.steps.is_empty() && shape.is_some_and(|shape| shape.size == plan.size) {
        return Some(Ok(has_it(row, &plan)));
    }
    let Some((file, before)) = edit_manifest::file_of(pass, service) else {
        let message = text!("the manifest of {service} cannot be read now", service);
        return Some(Err(refusal(Code::A0461, message, text!("amarre validate says why"))));
    };
    let written = [("type", format!("type: {}\n", plan.spelled)), ("update", "update: {resize: allowed}\n".to_owned())];
    let after = written.iter().try_fold(before.clone(), |text, (key, line)| with_keys(&text, service, &[key], line));
    let Some(after) = after else {
        let message = text!("{file} is not written line by line, so Amarre does not change it", file = file.as_str());
        let hint = text!("write {what} there by hand", what = format!("`type: {}`", plan.spelled));
        return Some(Err(refusal(Code::A0461, message, hint)));
    };
    let ManifestDraft { settle, .. } = edit_manifest::draft(handle, (&file, &after), service, Vec::new(), true).await?;
    // That it has to be off first is no mistake in what is written: the loop waits for it.
    if let Some(why) = settle.into_iter().find(|remark| remark.code != Code::A0738) {
        return Some(Err(remarked(why)));
    }
    let waits = if row.address.provider.cloud_traits().resizes_when_off {
        text!("It is resized once it is off: amarre instance stop {service}, which cuts the power.", service)
    } else {
        downtime(row)
    };
    if args.flag("dry_run") {
        let (spelled, allowed) = (format!("`type: {}`", plan.spelled), "`update: {resize: allowed}`");
        let about = text!("{file} gets {spelled} and {allowed}.", file = file.as_str(), spelled, allowed);
        return Some(Ok(forecast(row, &plan, &[about, waits], asked.style.language)));
    }
    let message = format!("resize {service} to {}", plan.size);
    let change = FileChange {
        file: file.clone(),
        before: Some(before),
        after: Some(after),
        author: author(args.text("by")),
        message,
    };
    if change.before != change.after
        && let Err(why) = edit_manifest::write(handle, change).await
    {
        return Some(Err(remarked(why)));
    }
    let (spelled, said) = (
        plan.spelled.as_str(),
        text!(
            "{file} says `type: {spelled}` now; {service} is resized by it",
            file = file.as_str(),
            spelled = plan.spelled.as_str(),
            service
        ),
    );
    let mut document = json!({"instance": service, "result": "done", "file": file, "type": spelled});
    if let Some(document) = document.as_object_mut() {
        said.insert_into(document, "message");
    }
    let document = json!({"schema": "amarre.instance_actions/v1", "results": [document]});
    let said = [said, waits].map(|line| say(&line, asked.style.language)).join("\n");
    Some(Ok(CommandAnswer { document, text: format!("{said}\n"), exit: 0 }))
}

pub(super) fn remarked(why: ManifestRemark) -> NotAsked {
    let hint = why.hints.first().map(|hint| hint.text.clone()).unwrap_or_default();
    refusal(why.code, why.said, hint)
}

/// Name and e-mail of the author of a commit: `Anna <anna@example.org>`, or a name alone.
pub(super) fn author(by: &str) -> (String, String) {
    match by.split_once(" <") {
        Some((name, email)) => (name.to_owned(), email.trim_end_matches('>').to_owned()),
        None => (by.to_owned(), by.to_owned()),
    }
}

fn has_it(row: &InstanceRow, plan: &ResizePlan) -> CommandAnswer {
    let (name, size) = (row.shown_name(), plan.size.as_str());
    let said = text!("{name} has the size {size} already", name, size);
    answer(vec![(row.name.clone(), Ok((said, None)))])
}

/// What a server costs a month: `37.08 EUR`.
pub(super) fn monthly(prices: Option<&ServerPrices>) -> Text {
    match prices {
        Some(of) => text!("{sum} {currency}", sum = money(month(of)), currency = of.currency.as_str()),
        None => text!("not known"),
    }
}

fn forecast(row: &InstanceRow, plan: &ResizePlan, about: &[Text], language: Language) -> CommandAnswer {
    let InstanceRow { name, vendor_name, id, .. } = row;
    let ResizePlan { now, size, spelled, prices, .. } = plan;
    let (before, after) = (monthly(row.prices.as_ref()), monthly(prices.as_ref()));
    let said = |text: &Text| say(text, language);
    let sizes = text!("type {before} → {after}", before = now.as_str(), after = size.as_str());
    let cost = text!("cost a month {before} → {after}, without tax", before = before.clone(), after = after.clone());
    let mut text = format!("~ {vendor_name}   {}\n  id {id}\n  {}\n  {}\n", place(row), said(&sizes), said(&cost));
    for line in about {
        text.push_str(&format!("{}\n", said(line)));
    }
    let about: Vec<String> = about.iter().map(ToString::to_string).collect();
    let document = json!({
        "schema": "amarre.instance_resize/v1", "instance": name, "vendor_name": vendor_name, "id": id, "from": now, "to": size,
        "type": spelled, "cost_before": before.to_string(), "cost_after": after.to_string(), "about": about.join("\n"),
    });
    CommandAnswer { document, text, exit: 0 }
}
