//! The loop: messages of the editor in, answers out.

use super::analysis::View;
use super::documents::Documents;
use super::{
    actions, completion, diagnostics, formatting, hints, hover, names, rename, symbols, tokens,
};
use crate::driver::load::Read;
use gen_lsp_types as lsp;
use lsp_server::{Connection, ErrorCode, Message, Notification, ProtocolError, Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Why serving ended before the editor ended it.
#[derive(Debug)]
pub enum ServeError {
    /// The editor broke the protocol.
    Protocol(String),
    /// Standard input or output failed.
    Stream(std::io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(reason) => write!(formatter, "the editor broke the protocol: {reason}"),
            Self::Stream(error) => write!(formatter, "cannot talk to the editor: {error}"),
        }
    }
}

impl std::error::Error for ServeError {}

impl From<ProtocolError> for ServeError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error.to_string())
    }
}

/// Serves an editor over standard input and output until it says `exit`. `read` reads the files
/// that are not open.
///
/// # Errors
///
/// If the editor breaks the protocol or a stream fails.
pub fn serve(read: &Read<'_>) -> Result<(), ServeError> {
    let (connection, threads) = Connection::stdio();
    let served = serve_over(&connection, read);
    // The threads end once nothing can be sent any more.
    drop(connection);
    served.and_then(|()| threads.join().map_err(ServeError::Stream))
}

fn serve_over(connection: &Connection, read: &Read<'_>) -> Result<(), ServeError> {
    let (id, client) = connection.initialize_start()?;
    let info = lsp::ServerInfo {
        name: "mtmdc".to_owned(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    };
    let result = lsp::InitializeResult {
        capabilities: capabilities(),
        server_info: Some(info),
    };
    let result =
        serde_json::to_value(result).map_err(|error| ServeError::Protocol(error.to_string()))?;
    connection.initialize_finish(id, result)?;
    let mut server = Server {
        connection,
        read,
        documents: Documents::new(takes_versions(&client)),
        published: BTreeMap::new(),
    };
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request)? {
                    break;
                }
                let response = server.answer(request);
                server.send(Message::Response(response))?;
            }
            Message::Notification(notification) => server.hear(notification),
            Message::Response(_) => {}
        }
        // While more keystrokes wait, the answer to this one would be stale.
        if connection.receiver.is_empty() {
            server.publish()?;
        }
    }
    Ok(())
}

/// Whether the editor takes edits that say which version of a text they are of.
fn takes_versions(client: &Value) -> bool {
    let said = client.pointer("/capabilities/workspace/workspaceEdit/documentChanges");
    said.and_then(Value::as_bool).unwrap_or(false)
}

fn capabilities() -> lsp::ServerCapabilities {
    let sync = lsp::TextDocumentSyncOptions {
        open_close: Some(true),
        change: Some(lsp::TextDocumentSyncKind::Incremental),
        save: Some(lsp::Save::Bool(true)),
        ..Default::default()
    };
    let renaming = lsp::RenameOptions {
        prepare_provider: Some(true),
        ..Default::default()
    };
    let completing = lsp::CompletionOptions {
        trigger_characters: Some(vec![" ".to_owned(), "[".to_owned(), "{".to_owned()]),
        ..Default::default()
    };
    lsp::ServerCapabilities {
        position_encoding: Some(lsp::PositionEncodingKind::UTF16),
        text_document_sync: Some(lsp::TextDocumentSync::Options(sync)),
        hover_provider: Some(lsp::HoverProvider::Bool(true)),
        completion_provider: Some(completing),
        definition_provider: Some(lsp::DefinitionProvider::Bool(true)),
        references_provider: Some(lsp::ReferencesProvider::Bool(true)),
        document_highlight_provider: Some(lsp::DocumentHighlightProvider::Bool(true)),
        rename_provider: Some(lsp::RenameProvider::RenameOptions(renaming)),
        document_formatting_provider: Some(lsp::DocumentFormattingProvider::Bool(true)),
        code_action_provider: Some(actions::provider()),
        document_symbol_provider: Some(lsp::DocumentSymbolProvider::Bool(true)),
        semantic_tokens_provider: Some(tokens::provider()),
        inlay_hint_provider: Some(lsp::InlayHintProvider::Bool(true)),
        ..Default::default()
    }
}

/// What a request is answered with: a value, or why there is none.
type Answer = Result<Value, Refusal>;

/// Why a request is not answered.
struct Refusal {
    code: ErrorCode,
    message: String,
}

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

struct Server<'a> {
    connection: &'a Connection,
    read: &'a Read<'a>,
    documents: Documents,
    /// What each file's diagnostics were when they were last sent; none that were empty.
    published: BTreeMap<String, Vec<lsp::Diagnostic>>,
}

impl Server<'_> {
    fn send(&self, message: Message) -> Result<(), ServeError> {
        let sent = self.connection.sender.send(message);
        sent.map_err(|_| ServeError::Protocol("it went away".to_owned()))
    }

    /// A request that cannot be answered gets an error: the loop goes on.
    fn answer(&mut self, request: Request) -> Response {
        match self.dispatch(&request.method, request.params) {
            Ok(result) => Response::new_ok(request.id, result),
            Err(Refusal { code, message }) => Response::new_err(request.id, code as i32, message),
        }
    }

    fn dispatch(&mut self, method: &str, value: Value) -> Answer {
        match method {
            "textDocument/hover"
            | "textDocument/completion"
            | "textDocument/definition"
            | "textDocument/documentHighlight"
            | "textDocument/prepareRename" => self.answer_at(method, value),
            "textDocument/references" => {
                let asked: lsp::ReferenceParams = params(value)?;
                let (view, offset) = self.at(&asked.text_document_position_params)?;
                let declared = asked.context.include_declaration;
                answer(names::references(
                    &view,
                    offset,
                    declared,
                    &mut self.documents,
                    self.read,
                ))
            }
            "textDocument/rename" => {
                let asked: lsp::RenameParams = params(value)?;
                let (view, offset) = self.at(&asked.text_document_position_params)?;
                let renamed = rename::rename(
                    &view,
                    offset,
                    &asked.new_name,
                    &mut self.documents,
                    self.read,
                );
                answer(renamed.map_err(|why| Refusal::new(ErrorCode::RequestFailed, why))?)
            }
            "textDocument/codeAction" => {
                let asked: lsp::CodeActionParams = params(value)?;
                let view = self.view(&asked.text_document)?;
                answer(actions::actions(&view, asked.range, &self.documents))
            }
            "textDocument/inlayHint" => {
                let asked: lsp::InlayHintParams = params(value)?;
                let view = self.view(&asked.text_document)?;
                answer(hints::hints(&view, asked.range))
            }
            "textDocument/formatting" => {
                let asked: lsp::DocumentFormattingParams = params(value)?;
                answer(formatting::format(&self.view(&asked.text_document)?))
            }
            "textDocument/documentSymbol" => {
                let asked: lsp::DocumentSymbolParams = params(value)?;
                answer(symbols::symbols(&self.view(&asked.text_document)?))
            }
            "textDocument/semanticTokens/full" => {
                let asked: lsp::SemanticTokensParams = params(value)?;
                answer(tokens::tokens(&self.view(&asked.text_document)?))
            }
            _ => {
                let message = format!("`{method}` is not served");
                Err(Refusal::new(ErrorCode::MethodNotFound, message))
            }
        }
    }

    /// Requests that only say where the cursor is.
    fn answer_at(&mut self, method: &str, value: Value) -> Answer {
        let asked: lsp::TextDocumentPositionParams = params(value)?;
        let (view, offset) = self.at(&asked)?;
        match method {
            "textDocument/hover" => answer(hover::hover(&view, offset)),
            "textDocument/completion" => answer(completion::complete(&view, offset)),
            "textDocument/definition" => answer(names::definition(&view, offset, &self.documents)),
            "textDocument/documentHighlight" => answer(names::highlights(&view, offset)),
            _ => answer(rename::prepare(&view, offset)),
        }
    }

    fn view(&mut self, document: &lsp::TextDocumentIdentifier) -> Result<View, Refusal> {
        let uri = &document.uri.0;
        self.documents
            .view(uri, self.read)
            .ok_or_else(|| Refusal::new(ErrorCode::InvalidParams, format!("`{uri}` is not open")))
    }

    fn at(&mut self, place: &lsp::TextDocumentPositionParams) -> Result<(View, usize), Refusal> {
        let view = self.view(&place.text_document)?;
        let offset = view.offset(place.position);
        Ok((view, offset))
    }

    /// A notification that is not understood is left unheard: there is nobody to tell.
    fn hear(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        match method.as_str() {
            "textDocument/didOpen" => {
                if let Ok(lsp::DidOpenTextDocumentParams {
                    text_document: text,
                }) = serde_json::from_value(params)
                {
                    self.documents.open(&text.uri.0, text.version, text.text);
                }
            }
            "textDocument/didChange" => {
                if let Ok(lsp::DidChangeTextDocumentParams {
                    text_document: text,
                    content_changes: changes,
                }) = serde_json::from_value(params)
                {
                    let uri = &text.text_document_identifier.uri.0;
                    self.documents.change(uri, text.version, changes);
                }
            }
            "textDocument/didClose" => {
                if let Ok(lsp::DidCloseTextDocumentParams {
                    text_document: text,
                }) = serde_json::from_value(params)
                {
                    self.documents.close(&text.uri.0);
                }
            }
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => self.documents.forget(),
            _ => {}
        }
    }

    /// Sends the diagnostics of every file whose diagnostics have changed.
    fn publish(&mut self) -> Result<(), ServeError> {
        let analyses = self.documents.analyses(self.read);
        let mut found = diagnostics::by_file(&analyses, &self.documents);
        found.retain(|_, diagnostics| !diagnostics.is_empty());
        let gone = self
            .published
            .keys()
            .filter(|uri| !found.contains_key(*uri));
        let gone = gone.map(|uri| (uri.clone(), Vec::new()));
        let changed = found
            .iter()
            .filter(|(uri, now)| self.published.get(*uri) != Some(now));
        let changed = changed.map(|(uri, now)| (uri.clone(), now.clone()));
        let news: BTreeMap<String, Vec<lsp::Diagnostic>> = gone.chain(changed).collect();
        for (uri, diagnostics) in news {
            let params = lsp::PublishDiagnosticsParams {
                version: self.documents.version(&uri),
                uri: lsp::Uri(uri),
                diagnostics,
            };
            let method = "textDocument/publishDiagnostics".to_owned();
            self.send(Message::Notification(Notification::new(method, params)))?;
        }
        self.published = found;
        Ok(())
    }
}

fn params<P: DeserializeOwned>(value: Value) -> Result<P, Refusal> {
    serde_json::from_value(value)
        .map_err(|error| Refusal::new(ErrorCode::InvalidParams, error.to_string()))
}

fn answer(result: impl Serialize) -> Answer {
    serde_json::to_value(result)
        .map_err(|error| Refusal::new(ErrorCode::InternalError, error.to_string()))
}
