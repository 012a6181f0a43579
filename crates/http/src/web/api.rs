//! `/api`: the OpenAPI document, for people.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value as Json;

use super::{PageFrame, RequestContext, Web, page};
use crate::server;

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    frame: PageFrame,
    routes: Vec<RouteRow>,
}

struct RouteRow {
    id: String,
    method: String,
    path: String,
    summary: String,
    who: String,
    parameters: Vec<[String; 4]>,
    body: Option<String>,
    answers: Vec<[String; 3]>,
    example: String,
}

/// `GET /api`
pub async fn show(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let frame = PageFrame::new(&web, &visitor, "", visitor.words.get("api-title"), "/api".to_owned()).await;
    let document = server::document(&web.access);
    let link = web.access.listening.link();
    let paths = document["paths"].as_object().into_iter().flatten();
    let routes = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(|(method, of)| route(&document, &link, method, path, of)).collect::<Vec<_>>()
    });
    page(&ApiPage { frame, routes: routes.collect() })
}

fn route(document: &Json, link: &str, method: &str, path: &str, of: &Json) -> RouteRow {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let parameters: Vec<Json> =
        of["parameters"].as_array().into_iter().flatten().map(|one| resolved(document, one)).collect();
    let parameter = |of: &Json| {
        let must = if of["required"] == true { "*" } else { "" };
        [format!("{}{must}", text(&of["name"])), text(&of["in"]), kind(&of["schema"]), text(&of["description"])]
    };
    let body = &of["requestBody"]["content"]["application/json"]["schema"];
    let answers = of["responses"].as_object().into_iter().flatten().map(|(status, answer)| {
        let answer = resolved(document, answer);
        let contents = answer["content"].as_object().into_iter().flatten();
        let contents: Vec<String> =
            contents.map(|(kind, _)| kind.split(';').next().unwrap_or(kind).to_owned()).collect();
        [status.clone(), text(&answer["description"]), contents.join(", ")]
    });
    RouteRow {
        id: text(&of["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&of["summary"]),
        who: text(&of["x-who-may"]),
        parameters: parameters.iter().map(parameter).collect(),
        body: (!body.is_null()).then(|| format!("{:#}", resolved(document, body))),
        answers: answers.collect(),
        example: example(link, method, path, of),
    }
}

/// The schema behind a reference.
fn resolved(document: &Json, of: &Json) -> Json {
    let found = of["$ref"].as_str().and_then(|path| document.pointer(path.trim_start_matches('#')));
    found.unwrap_or(of).clone()
}

/// `integer`, `one of a, b`.
fn kind(schema: &Json) -> String {
    match schema["enum"].as_array() {
        Some(words) => words.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(", "),
        None => schema["type"].as_str().unwrap_or_default().to_owned(),
    }
}

fn example(link: &str, method: &str, path: &str, of: &Json) -> String {
    let path = path.replace("{name}", "NAME").replace("{code}", "A0401").replace("{email}", "EMAIL");
    let token = match of["x-who-may"].as_str() {
        Some(who) if !who.starts_with("anybody") => " -H \"Authorization: Bearer $TOKEN\"",
        Some(_) | None => "",
    };
    let (verb, body) = match (method, &of["requestBody"]) {
        ("get", _) => (String::new(), ""),
        (method, Json::Null) => (format!(" -X {}", method.to_uppercase()), ""),
        (method, _) => (format!(" -X {}", method.to_uppercase()), " -H 'Content-Type: application/json' -d '{}'"),
    };
    format!("curl -s{verb}{token}{body} {link}{}", path.replace("{token}", "NAME"))
}
