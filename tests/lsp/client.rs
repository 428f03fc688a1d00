//! An editor as far as the tests need one: it talks to the real server over its standard streams.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Client {
    server: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    /// Messages that were read while another one was awaited.
    kept: Vec<Value>,
    next_id: i64,
}

impl Client {
    /// A server that has been initialised.
    pub fn start() -> Self {
        Self::start_with(json!({}))
    }

    /// The same, by an editor with these capabilities.
    pub fn start_with(capabilities: Value) -> Self {
        let mut server = Command::new(env!("CARGO_BIN_EXE_mtmdc"))
            .args(["lsp", "--stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = server.stdout.take().unwrap();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(message) = read(&mut output) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let input = server.stdin.take();
        let mut client = Self {
            server,
            input,
            messages,
            kept: vec![],
            next_id: 0,
        };
        let asked = json!({ "processId": null, "rootUri": null, "capabilities": capabilities });
        let answer = client.request("initialize", asked).unwrap();
        assert_eq!(answer["serverInfo"]["name"], "mtmdc");
        client.notify("initialized", json!({}));
        client
    }

    pub fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let input = self.input.as_mut().unwrap();
        write!(input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        input.flush().unwrap();
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// The result of a request, or its error.
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let mut answer =
            self.wait(|message| message["id"] == id && message.get("method").is_none());
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].take()),
        }
    }

    /// The first message that was not taken yet and is wanted.
    fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.kept.iter().position(&wanted) {
            return self.kept.remove(place);
        }
        loop {
            let message = self.messages.recv_timeout(PATIENCE).unwrap();
            if wanted(&message) {
                return message;
            }
            self.kept.push(message);
        }
    }

    pub fn open(&mut self, uri: &str, text: &str) {
        let document = json!({ "uri": uri, "languageId": "mtmd", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
    }

    pub fn change(&mut self, uri: &str, version: i64, changes: Value) {
        let document = json!({ "uri": uri, "version": version });
        let params = json!({ "textDocument": document, "contentChanges": changes });
        self.notify("textDocument/didChange", params);
    }

    /// The next diagnostics of a file.
    pub fn diagnostics(&mut self, uri: &str) -> Vec<Value> {
        let published = self.wait(|message| {
            message["method"] == "textDocument/publishDiagnostics"
                && message["params"]["uri"] == uri
        });
        published["params"]["diagnostics"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// The latest diagnostics of a file that have come; none if none have.
    pub fn last_diagnostics(&mut self, uri: &str) -> Vec<Value> {
        // Whatever the server says of a change, it says before the answer to what is asked twice.
        let asked = json!({ "textDocument": { "uri": uri } });
        for _ in 0..2 {
            self.request("textDocument/documentSymbol", asked.clone())
                .unwrap();
        }
        let about = |message: &&Value| message["params"]["uri"] == uri;
        let last = self.kept.iter().rfind(about);
        let found = last.and_then(|message| message["params"]["diagnostics"].as_array());
        found.cloned().unwrap_or_default()
    }

    /// Whether a file got diagnostics that nobody has taken, among the messages read so far.
    pub fn has_diagnostics(&self, uri: &str) -> bool {
        let about = |message: &Value| message["params"]["uri"] == uri;
        self.kept.iter().any(about)
    }

    /// Asks about a place, as `textDocument/METHOD`.
    pub fn ask(
        &mut self,
        method: &str,
        uri: &str,
        position: Value,
        more: Value,
    ) -> Result<Value, Value> {
        let mut params = json!({ "textDocument": { "uri": uri }, "position": position });
        for (key, value) in more.as_object().unwrap() {
            params[key] = value.clone();
        }
        self.request(&format!("textDocument/{method}"), params)
    }

    /// Ends the server as an editor does; it must end well.
    pub fn stop(mut self) {
        self.request("shutdown", Value::Null).unwrap();
        self.notify("exit", Value::Null);
        drop(self.input.take());
        assert!(self.server.wait().unwrap().success());
    }
}

fn read(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim() {
            "" => break,
            header => {
                if let Some(value) = header.strip_prefix("Content-Length: ") {
                    length = value.parse().unwrap();
                }
            }
        }
    }
    let mut text = vec![0; length];
    output.read_exact(&mut text).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

/// The text without its mark `‸`, and the position of the mark in UTF-16 code units.
pub fn marked(text: &str) -> (String, Value) {
    let at = text.find('‸').unwrap();
    let before = &text[..at];
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap().encode_utf16().count();
    (
        text.replace('‸', ""),
        json!({ "line": line, "character": column }),
    )
}

/// The text that a range of the protocol covers.
pub fn covered(text: &str, range: &Value) -> String {
    let offset = |place: &Value| {
        let line = place["line"].as_u64().unwrap() as usize;
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let mut units = place["character"].as_u64().unwrap() as usize;
        let mut at = start;
        for character in text[start..].chars() {
            if units == 0 {
                break;
            }
            units -= character.len_utf16();
            at += character.len_utf8();
        }
        at
    };
    text[offset(&range["start"])..offset(&range["end"])].to_owned()
}

/// The text after the edits that a `WorkspaceEdit` has for a file.
pub fn edited(text: &str, edit: &Value, uri: &str) -> String {
    let mut edits = edit["changes"][uri].as_array().unwrap().clone();
    let start = |edit: &Value| {
        let start = &edit["range"]["start"];
        (start["line"].as_u64(), start["character"].as_u64())
    };
    edits.sort_by_key(|edit| std::cmp::Reverse(start(edit)));
    let mut text = text.to_owned();
    for edit in edits {
        let before =
            json!({ "start": { "line": 0, "character": 0 }, "end": edit["range"]["start"] });
        let through =
            json!({ "start": { "line": 0, "character": 0 }, "end": edit["range"]["end"] });
        let (start, end) = (
            covered(&text, &before).len(),
            covered(&text, &through).len(),
        );
        text.replace_range(start..end, edit["newText"].as_str().unwrap());
    }
    text
}
