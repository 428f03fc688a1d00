//! The templates, and the layout of the Rust that they print.

use super::EmitError;
use super::view::View;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior};

const TEMPLATES: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("templates/Cargo.toml.j2")),
    ("lib.rs", include_str!("templates/lib.rs.j2")),
    ("main.rs", include_str!("templates/main.rs.j2")),
    ("names.rs", include_str!("templates/names.rs.j2")),
    ("plan.rs", include_str!("templates/plan.rs.j2")),
    ("schema.rs", include_str!("templates/schema.rs.j2")),
];

/// Renders templates.
pub(super) struct Renderer {
    templates: Environment<'static>,
}

impl Renderer {
    /// Loads the templates.
    pub(super) fn new() -> Result<Self, EmitError> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        templates.set_syntax(syntax.map_err(|error| failure("syntax", &error))?);
        // Rust's own literal of a string.
        templates.add_filter("string", |text: String| format!("{text:?}"));
        for (name, source) in TEMPLATES {
            templates
                .add_template(name, source)
                .map_err(|error| failure(name, &error))?;
        }
        Ok(Self { templates })
    }

    /// What a template prints.
    pub(super) fn text(&self, name: &'static str, view: &View) -> Result<String, EmitError> {
        let template = self
            .templates
            .get_template(name)
            .map_err(|error| failure(name, &error))?;
        let mut text = template
            .render(Serde(view))
            .map_err(|error| failure(name, &error))?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    /// What a template prints, as formatted Rust.
    pub(super) fn rust(&self, name: &'static str, view: &View) -> Result<String, EmitError> {
        Ok(layout(parse(name, &self.text(name, view)?)?))
    }
}

fn parse(template: &'static str, text: &str) -> Result<syn::File, EmitError> {
    syn::parse_file(text).map_err(|error| EmitError {
        template,
        cause: error.to_string(),
    })
}

fn failure(template: &'static str, error: &Error) -> EmitError {
    EmitError {
        template,
        cause: format!("{error:#}"),
    }
}

/// The file with a blank line between items and between members, which the printer leaves out.
fn layout(file: syn::File) -> String {
    let head = syn::File {
        shebang: None,
        frontmatter: None,
        attrs: file.attrs,
        items: vec![],
    };
    let mut text = prettyplease::unparse(&head);
    let mut after_module = false;
    for item in file.items {
        let is_module = matches!(&item, syn::Item::Mod(module) if module.content.is_none());
        if !(text.is_empty() || is_module && after_module) {
            text.push('\n');
        }
        after_module = is_module;
        let item = syn::File {
            shebang: None,
            frontmatter: None,
            attrs: vec![],
            items: vec![item],
        };
        text += &space_members(&prettyplease::unparse(&item));
    }
    text
}

/// An item with a blank line between its methods and constants. Statements stand deeper and the
/// fields of structs and statics end with a comma, so that lines of such an end are members.
fn space_members(item: &str) -> String {
    let mut text = String::new();
    let mut lines = item.lines().peekable();
    while let Some(line) = lines.next() {
        text += line;
        text.push('\n');
        let is_end = line == "    }"
            || line
                .strip_prefix("    ")
                .is_some_and(|rest| !rest.starts_with([' ', '/']) && rest.ends_with(';'));
        if is_end && lines.peek().is_some_and(|next| *next != "}") {
            text.push('\n');
        }
    }
    text
}
