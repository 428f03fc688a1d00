//! Specs in another order, which does not change their meaning.

use mtmdc::source::Source;
use mtmdc::syntax::ast::Statement;
use mtmdc::syntax::parse;

use crate::rng::Rng;

/// The text of a spec with the statements of every block shuffled, and comments added.
pub fn shuffled(source: &Source, rng: &mut Rng) -> String {
    let file = parse(source).file;
    Shuffler { source, rng }.statements(&file.statements)
}

struct Shuffler<'a> {
    source: &'a Source,
    rng: &'a mut Rng,
}

impl Shuffler<'_> {
    fn statements(&mut self, statements: &[Statement]) -> String {
        let mut order: Vec<&Statement> = statements.iter().collect();
        self.rng.shuffle(&mut order);
        order
            .into_iter()
            .map(|statement| self.statement(statement))
            .collect()
    }

    fn statement(&mut self, statement: &Statement) -> String {
        let doc = statement.doc.iter().flat_map(|doc| doc.text.lines());
        let doc: String = doc.map(|line| format!("/// {line}\n")).collect();
        let block = statement.block.as_ref().map(|block| {
            let open = self.rng.pick(&["{", "{ // of a block {"]);
            format!(" {open}\n{}}}", self.statements(&block.statements))
        });
        let comment = self.rng.pick(&["", "// } \"", "//// no doc comment"]);
        let end = self.rng.pick(&["\n", " // the end\n", ",\n", ",\n\n"]);
        let head = self.source.slice(statement.head);
        format!("{doc}{comment}\n{head}{}{end}", block.unwrap_or_default())
    }
}
