//! Shapes and text, and how wide text is.

use std::fmt::Write;

/// An SVG in the making. Lengths are pixels, y grows downward.
pub(super) struct Canvas {
    body: String,
    /// The items of one tower are drawn in a mirror: `x` becomes `mirror - x`.
    mirror: Option<f64>,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    pub(super) fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    pub(super) fn right(self) -> f64 {
        self.x + self.width
    }

    pub(super) fn bottom(self) -> f64 {
        self.y + self.height
    }

    pub(super) fn middle(self) -> f64 {
        self.x + self.width / 2.0
    }

    pub(super) fn centre(self) -> f64 {
        self.y + self.height / 2.0
    }
}

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    pub(super) fn new() -> Self {
        Self {
            body: String::new(),
            mirror: None,
        }
    }

    /// Draws what follows at `x`, or in a mirror at `mirror - x`.
    pub(super) fn mirror(&mut self, mirror: Option<f64>) {
        self.mirror = mirror;
    }

    fn at(&self, x: f64) -> f64 {
        self.mirror.map_or(x, |mirror| mirror - x)
    }

    pub(super) fn rectangle(&mut self, area: Area, radius: f64, class: &str) {
        let x = self.at(area.x).min(self.at(area.right()));
        self.push(&format!(
            r#"<rect class="{class}" x="{x:.1}" y="{:.1}" width="{:.1}" height="{:.1}" rx="{radius}"/>"#,
            area.y, area.width, area.height
        ));
    }

    /// A text that is cut to `room`.
    pub(super) fn text(
        &mut self,
        x: f64,
        y: f64,
        room: f64,
        anchor: Anchor,
        style: Style,
        text: &str,
    ) {
        let anchor = match (anchor, self.mirror) {
            (Anchor::Middle, _) => "middle",
            (Anchor::Start, None) | (Anchor::End, Some(_)) => "start",
            (Anchor::End, None) | (Anchor::Start, Some(_)) => "end",
        };
        let text = escape(&style.fit(text, room));
        let (x, class) = (self.at(x), style.class());
        self.push(&format!(
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    /// A line through points; an arrow if it says where it goes.
    pub(super) fn line(&mut self, points: &[(f64, f64)], class: &str) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let command = if index == 0 { "M" } else { "L" };
            // Writing to a String cannot fail.
            let _ = write!(path, "{command}{:.1} {y:.1}", self.at(*x));
        }
        self.push(&format!(r#"<path class="{class}" d="{path}"/>"#));
    }

    fn push(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The whole drawing.
    pub(super) fn finish(self, width: f64, height: f64, title: &str) -> String {
        let title = escape(title);
        let style = include_str!("style.css");
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" role="img">
<title>{title}</title>
<style>
{style}</style>
<defs>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0.8L7.5 4L0 7.2Z" fill="#8a94a3"/></marker>
</defs>
<rect width="100%" height="100%" fill="#fafbfc"/>
{}</svg>
"##,
            self.body
        )
    }
}

/// Styles of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Title,
    Heading,
    Name,
    Body,
    Small,
    Sum,
}

impl Style {
    fn class(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Heading => "heading",
            Self::Name => "name",
            Self::Body => "body",
            Self::Small => "small",
            Self::Sum => "sum",
        }
    }

    /// Size in pixels, as in `style.css`, times what its weight adds.
    fn size(self) -> f64 {
        match self {
            Self::Title => 24.0,
            Self::Heading => 16.5,
            Self::Name => 12.8,
            Self::Body => 11.5,
            Self::Small | Self::Sum => 10.5,
        }
    }

    /// Estimated width of a text, rather too wide than too narrow.
    pub(super) fn width(self, text: &str) -> f64 {
        self.size() * text.chars().map(em).sum::<f64>()
    }

    /// The text, cut with an ellipsis to at most `room`.
    fn fit(self, text: &str, room: f64) -> String {
        if self.width(text) <= room {
            return text.to_owned();
        }
        let mut kept = text.to_owned();
        while kept.pop().is_some() && self.width(&kept) + self.width("…") > room {}
        kept + "…"
    }
}

/// Estimated width of a character, in ems of a common sans serif.
fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '·' => 0.30,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' => 0.39,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '→' | '…' => 0.92,
        'A'..='Z' | '+' | '=' | '×' | '√' | '&' => 0.70,
        'a'..='z' | '0'..='9' | '_' => 0.58,
        c if c.is_ascii() => 0.62,
        // Beyond Latin and Greek, most letters are wide.
        c if u32::from(c) < 0x400 => 0.65,
        _ => 1.05,
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut() {
        let text = "a_rather_long_name_of_a_feature";
        let cut = Style::Body.fit(text, 60.0);
        assert!(cut.ends_with('…') && Style::Body.width(&cut) <= 60.0);
        assert_eq!(Style::Body.fit(text, 600.0), text);
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot; ");
    }
}
