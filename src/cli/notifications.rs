//! `amarre notifications …`: lists the channels, and tests one.

use reqwest::Method;
use serde_json::Value as Json;

use super::CommandFailure;
use super::args::{Args, NameChannelArgs, NotificationsCommand as Command, OutputFormat, UsersArgs};
use super::link::Link;
use super::output::Output;
use crate::notifications::{self, Notifications};
use amarre_core::model::Code;

/// `amarre notifications …`
pub async fn notifications(args: &Args, command: &Command, output: &Output) -> Result<u8, CommandFailure> {
    let config = super::configuration(args)?;
    let link = Link::open(args).await?;
    let done = match &link {
        Link::Remote(remote) => match command {
            Command::List(_) => remote.send(Method::GET, "/api/v1/notifications", None).await,
            Command::Test(NameChannelArgs { name }) => {
                let path = format!("/api/v1/notifications/{}/test", crate::web::view_model::encoded(name));
                remote.send(Method::POST, &path, None).await
            }
        },
        Link::Local(local) => {
            let all = Notifications::new(local.handle().clone(), config.notifications, None);
            match command {
                Command::List(_) => Ok(notifications::document(&all.channels())),
                Command::Test(NameChannelArgs { name }) => test_channel(&all, name).await,
            }
        }
    };
    link.close().await;
    let done = done?;
    match command {
        Command::List(UsersArgs { output: OutputFormat::Json }) => output.data(&format!("{done:#}\n")),
        Command::List(UsersArgs { output: OutputFormat::Text }) => output.data(&table(&done)),
        Command::Test(NameChannelArgs { name }) => output.note(&format!("{name} has taken it; has it arrived?")),
    }
    Ok(0)
}

async fn test_channel(all: &Notifications, name: &str) -> Result<Json, CommandFailure> {
    let by = super::commands::whoami();
    match all.test(name, &by).await {
        None => {
            let hint = "amarre notifications list shows them";
            Err(CommandFailure::new(Code::A1002, format!("there is no channel {name}"), hint))
        }
        Some(Ok(())) => Ok(Json::Null),
        Some(Err(why)) => {
            let hint = format!("see `notifications.{name}` in amarre.yaml");
            Err(CommandFailure::new(Code::A1016, format!("{name} did not take it: {why}"), hint))
        }
    }
}

fn table(document: &Json) -> String {
    let rows = document["channels"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "No notification channels are configured: see `notifications` in docs/configuration.md\n".to_owned();
    }
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let words =
        |value: &Json| value.as_array().into_iter().flatten().filter_map(Json::as_str).collect::<Vec<_>>().join(", ");
    let width = rows.iter().map(|row| text(&row["name"]).chars().count()).max().unwrap_or_default().max(4) + 2;
    let mut out = format!("{:width$}{:<9}{:<22}TOLD OF\n", "NAME", "BY", "LAST TAKEN");
    for row in rows {
        let sent = row["sent_at"].as_str().unwrap_or("not by this daemon");
        let (name, by) = (text(&row["name"]), text(&row["by"]));
        out.push_str(&format!("{name:width$}{by:<9}{sent:<22}{}\n", words(&row["on"])));
        if let Some(why) = row["error"]["message"].as_str() {
            out.push_str(&format!("  ! not taken {}: {why}, A1016\n", text(&row["error"]["at"])));
        }
    }
    out
}
