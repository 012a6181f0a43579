//! `amarre notifications …`: lists the channels, and tests one.

use reqwest::Method;
use serde_json::Value as Json;

use super::CommandFailure;
use super::args::{Args, NameChannelArgs, NotificationsCommand as Command, OutputFormat, UsersArgs};
use super::link;
use super::output::Output;

/// `amarre notifications …`
pub async fn notifications(args: &Args, command: &Command, output: &Output) -> Result<u8, CommandFailure> {
    let done = match command {
        Command::List(_) => link::send(args, Method::GET, "/api/v1/notifications", None).await?,
        Command::Test(NameChannelArgs { name }) => {
            let path = format!("/api/v1/notifications/{}/test", crate::web::view_model::encoded(name));
            link::send(args, Method::POST, &path, None).await?
        }
    };
    match command {
        Command::List(UsersArgs { output: OutputFormat::Json }) => output.data(&format!("{done:#}\n")),
        Command::List(UsersArgs { output: OutputFormat::Text }) => output.data(&table(&done)),
        Command::Test(NameChannelArgs { name }) => output.note(&format!("{name} has taken it; has it arrived?")),
    }
    Ok(0)
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
