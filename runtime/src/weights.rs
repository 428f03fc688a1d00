//! Named parameters.

/// Key of a parameter: the fields that lead to it, joined by dots. A field called `layers` is left
/// out, so that a sequence of layers reads as in PyTorch's `Sequential`.
#[derive(Debug, Default)]
pub struct Path {
    segments: Vec<String>,
}

impl Path {
    /// Goes into a field.
    pub fn enter(&mut self, name: &str) {
        self.segments.push(name.to_owned());
    }

    /// Comes out of the field entered last.
    pub fn exit(&mut self) {
        self.segments.pop();
    }

    /// The key.
    pub fn key(&self) -> String {
        let kept: Vec<&str> = self
            .segments
            .iter()
            .map(String::as_str)
            .filter(|segment| *segment != "layers")
            .collect();
        kept.join(".")
    }
}
