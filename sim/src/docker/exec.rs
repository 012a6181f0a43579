//! `exec`: the few commands that a container of the simulator knows.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::show::words;
use super::state::{Answer, Engine, Exec, NginxTest, State, Status, refuse};

/// curl gives up after this when it is not told otherwise (the real one waits for minutes).
const CURL_SECONDS: u64 = 5;
/// More of an answer than this is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The runtime's code for a program that is not there; 20.10 says 126, newer engines 127.
const NOT_FOUND: i64 = 126;

/// What a command wrote, as (stream, text) with 1 for stdout and 2 for stderr, and its exit code.
#[derive(Debug, Clone, Default)]
pub(super) struct Output {
    pub(super) written: Vec<(u8, String)>,
    pub(super) code: i64,
}

impl State {
    fn nginx_of(&self, id: &str) -> Option<NginxTest> {
        let container = self.containers.iter().find(|container| container.id == id)?;
        self.nginxes.get(&container.name).cloned()
    }

    /// `POST /containers/{id}/exec`.
    pub(super) fn create_exec(&mut self, term: &str, body: &Map<String, Value>) -> Answer<String> {
        let index = self.find(term)?;
        let command = words(body, "Cmd");
        let container = &self.containers[index];
        let id = container.id.clone();
        if command.is_empty() {
            return refuse(400, "No exec command specified");
        }
        if container.status == Status::Restarting {
            return refuse(409, format!("Container {id} is restarting, wait until the container is running"));
        }
        if container.status != Status::Running {
            return refuse(409, format!("Container {id} is not running"));
        }
        let exec = self.new_id("exec");
        let said = command.join(" ");
        self.execs.insert(
            exec.clone(),
            Exec {
                container: id,
                command,
                asked: Value::Object(body.clone()),
                exit_code: None,
                started: false,
                pid: 0,
            },
        );
        self.emit_container(index, &format!("exec_create: {said} "), &[("execID", &exec)]);
        Ok(exec)
    }

    /// `GET /exec/{id}/json`.
    pub(super) fn show_exec(&self, id: &str) -> Answer<Value> {
        let Some(exec) = self.execs.get(id) else {
            return refuse(404, format!("No such exec instance: {id}"));
        };
        let flag = |key: &str| exec.asked.get(key) == Some(&json!(true));
        let (program, arguments) = exec.command.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
        let mut process = json!({
            "tty": flag("Tty"), "entrypoint": program, "arguments": arguments, "privileged": flag("Privileged"),
        });
        if let Some(user) = exec.asked["User"].as_str().filter(|user| !user.is_empty()) {
            process["user"] = json!(user);
        }
        Ok(json!({
            "ID": id, "Running": exec.started && exec.exit_code.is_none(), "ExitCode": exec.exit_code,
            "ProcessConfig": process, "OpenStdin": flag("AttachStdin"), "OpenStderr": flag("AttachStderr"),
            "OpenStdout": flag("AttachStdout"), "CanRemove": false, "ContainerID": exec.container,
            "DetachKeys": "", "Pid": exec.pid,
        }))
    }

    /// The beginning of `POST /exec/{id}/start`; [`run`] does the rest without holding the state.
    pub(super) fn begin_exec(&mut self, id: &str) -> Answer<Exec> {
        let Some(exec) = self.execs.get(id).cloned() else {
            return refuse(404, format!("No such exec instance: {id}"));
        };
        if exec.exit_code.is_some() {
            return refuse(409, format!("Error: Exec command {id} has already run"));
        }
        if exec.started {
            return refuse(409, format!("Error: Exec command {id} is already running"));
        }
        let container = &exec.container;
        let index = self.find(container)?;
        if self.containers[index].status != Status::Running {
            return refuse(409, format!("Container {container} is not running"));
        }
        let pid = self.new_pid();
        if let Some(exec) = self.execs.get_mut(id) {
            exec.started = true;
            exec.pid = pid;
        }
        let said = exec.command.join(" ");
        self.emit_container(index, &format!("exec_start: {said} "), &[("execID", id)]);
        Ok(exec)
    }

    fn end_exec(&mut self, id: &str, code: i64) {
        let Some(exec) = self.execs.get_mut(id) else {
            return;
        };
        exec.exit_code = Some(code);
        if code == NOT_FOUND {
            exec.pid = 0;
        }
        let container = exec.container.clone();
        if let Ok(index) = self.find(&container)
            && code != NOT_FOUND
        {
            let code = code.to_string();
            self.emit_container(index, "exec_die", &[("execID", id), ("exitCode", &code)]);
        }
    }
}

/// Runs an exec that has begun, to its end.
pub(super) async fn run(engine: &Engine, id: &str, exec: &Exec) -> Output {
    let output = match exec.command.first().map(|program| base_name(program)) {
        Some("curl") => curl(engine, &exec.container, &exec.command[1..]).await,
        Some("nginx") if engine.lock().nginx_of(&exec.container).is_some() => nginx(engine, exec),
        _ => simple(&exec.command).unwrap_or_else(|| {
            let program = exec.command.first().map(String::as_str).unwrap_or_default();
            Output {
                written: vec![(
                    1,
                    format!(
                        "OCI runtime exec failed: exec failed: unable to start container process: \
                     exec: \"{program}\": executable file not found in $PATH: unknown\r\n"
                    ),
                )],
                code: NOT_FOUND,
            }
        }),
    };
    engine.lock().end_exec(id, output.code);
    output
}

/// The code with which a container's own command ends at once, for jobs: `true`, `false`, `sh -c "…; exit N"`.
pub(super) fn job_exit(config: &Map<String, Value>) -> Option<i64> {
    let mut command = words(config, "Entrypoint");
    command.extend(words(config, "Cmd"));
    let program = command.first().map(|program| base_name(program))?;
    let ends = matches!(program, "true" | "false")
        || (matches!(program, "sh" | "ash" | "bash")
            && command.iter().any(|word| word.split([';', '&', '|']).any(|part| part.trim().starts_with("exit"))));
    if !ends {
        return None;
    }
    simple(&command).map(|output| output.code)
}

fn simple(command: &[String]) -> Option<Output> {
    let ended = |code: i64| Some(Output { code, ..Output::default() });
    let program = base_name(command.first()?);
    match program {
        "true" => ended(0),
        "false" => ended(1),
        "echo" => Some(Output { written: vec![(1, format!("{}\n", command[1..].join(" ")))], code: 0 }),
        "sh" | "ash" | "bash" => Some(script(command.iter().skip_while(|word| *word != "-c").nth(1)?)),
        _ => None,
    }
}

/// One statement after the other; enough of a shell for probes and jobs.
fn script(text: &str) -> Output {
    let mut output = Output::default();
    for statement in text.split(';') {
        let mut words = statement.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
        match words.next() {
            None | Some(":" | "sleep" | "set") => (),
            Some("exit") => {
                output.code = words.next().and_then(|word| word.parse().ok()).unwrap_or(output.code);
                return output;
            }
            Some("true") => output.code = 0,
            Some("false") => output.code = 1,
            Some("echo") => {
                let (to, words): (Vec<&str>, Vec<&str>) = words.partition(|word| *word == ">&2");
                let stream = if to.is_empty() { 1 } else { 2 };
                output.written.push((stream, format!("{}\n", words.join(" "))));
                output.code = 0;
            }
            Some(other) => {
                output.written.push((2, format!("sh: {other}: not found\n")));
                output.code = 127;
            }
        }
    }
    output
}

fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// What was asked of curl, in whatever order.
#[derive(Debug, Default)]
struct Asked {
    url: String,
    format: String,
    discards: bool,
    fails: bool,
    head: bool,
    seconds: Option<u64>,
    headers: Vec<String>,
}

impl Asked {
    fn parse(words: &[String]) -> Self {
        let mut asked = Self::default();
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let (flag, attached) = match word.split_once('=') {
                Some((flag, value)) if word.starts_with("--") => (flag, Some(value)),
                _ => (word, None),
            };
            // Short flags may stand together; the last of them may take the next word: `-sSo /dev/null`.
            let last = match flag.strip_prefix('-') {
                Some(rest) if !rest.starts_with('-') => {
                    asked.fails |= rest.contains('f');
                    asked.head |= rest.contains('I');
                    rest.chars().last().map(|letter| format!("-{letter}"))
                }
                _ => None,
            };
            match last.as_deref().unwrap_or(flag) {
                "-o" | "--output" => {
                    let _file = attached.or_else(|| words.next());
                    asked.discards = true;
                }
                "-w" | "--write-out" => asked.format = attached.or_else(|| words.next()).unwrap_or_default().to_owned(),
                "-m" | "--max-time" | "--connect-timeout" => {
                    let seconds: Option<f64> = attached.or_else(|| words.next()).and_then(|s| s.parse().ok());
                    // Bounded, so that no exec of a test waits for long.
                    asked.seconds = seconds.map(|s| s.clamp(1.0, 60.0).ceil() as u64);
                }
                "-H" | "--header" => asked.headers.extend(attached.or_else(|| words.next()).map(str::to_owned)),
                "-X" | "--request" | "-A" | "--user-agent" | "-u" | "--user" | "-d" | "--data" => {
                    let _value = attached.or_else(|| words.next());
                }
                "--fail" => asked.fails = true,
                "--head" => asked.head = true,
                _ if flag.starts_with('-') => (),
                url => asked.url = url.to_owned(),
            }
        }
        asked
    }
}

/// `nginx -t`, as it ends in NPM's container.
fn nginx(engine: &Engine, exec: &Exec) -> Output {
    let test = engine.lock().nginx_of(&exec.container);
    let (fault, code) = match test.and_then(|test| test.0()) {
        None => ("nginx: the configuration file /etc/nginx/nginx.conf syntax is ok".to_owned(), 0),
        Some(fault) => (format!("nginx: [emerg] {fault}"), 1),
    };
    let verdict = if code == 0 { "successful" } else { "failed" };
    let text = format!("{fault}\nnginx: configuration file /etc/nginx/nginx.conf test {verdict}\n");
    Output { written: vec![(2, text)], code }
}

async fn curl(engine: &Engine, container: &str, words: &[String]) -> Output {
    let asked = Asked::parse(words);
    let tell = |code: u16, body: &str, exit: i64| {
        let mut said = if asked.discards { String::new() } else { body.to_owned() };
        let code = format!("{code:03}");
        let format = asked.format.replace("%{http_code}", &code).replace("%{response_code}", &code);
        said.push_str(&format.replace("\\n", "\n"));
        let written = if said.is_empty() { Vec::new() } else { vec![(1, said)] };
        Output { written, code: exit }
    };
    if asked.url.starts_with("https://") {
        // Containers of the simulator speak no TLS.
        return tell(0, "", 35);
    }
    let bare = asked.url.strip_prefix("http://").unwrap_or(&asked.url);
    let (authority, path) = match bare.find('/') {
        Some(at) => bare.split_at(at),
        None => (bare, "/"),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(0)),
        None => (authority, 80),
    };
    let found = {
        let mut state = engine.lock();
        match state.find(container) {
            Ok(index) => state.locate_from(index, host, port),
            Err(_) => None,
        }
    };
    let Some(address) = found else {
        return tell(0, "", 7);
    };
    let patience = Duration::from_secs(asked.seconds.unwrap_or(CURL_SECONDS));
    let method = if asked.head { "HEAD" } else { "GET" };
    match tokio::time::timeout(patience, fetch(address, method, authority, path, &asked.headers)).await {
        Ok(Ok((code, _))) if asked.fails && code >= 400 => tell(code, "", 22),
        Ok(Ok((code, body))) => tell(code, &body, 0),
        Ok(Err(_)) => tell(0, "", 52),
        Err(_) => tell(0, "", 28),
    }
}

async fn fetch(
    address: SocketAddr,
    method: &str,
    host: &str,
    path: &str,
    headers: &[String],
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let own_host = headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:"));
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !own_host {
        request.push_str(&format!("Host: {host}\r\n"));
    }
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX as u64).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    match code {
        Some(code) => Ok((code, body.to_owned())),
        None => Err(std::io::Error::other("no HTTP answer")),
    }
}

/// Whether the asked streams include what was written.
pub(super) fn wanted(exec: &Exec, stream: u8) -> bool {
    let key = if stream == 2 { "AttachStderr" } else { "AttachStdout" };
    exec.asked.get(key) == Some(&json!(true))
}
