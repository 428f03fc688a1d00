//! A page of headings, sentences and tables, for a terminal, as Markdown or as HTML. Code stands
//! between backticks, as in Markdown.

/// A page.
#[derive(Debug, Clone, Default)]
pub(super) struct Page {
    title: String,
    blocks: Vec<Block>,
}

#[derive(Debug, Clone)]
enum Block {
    Heading(String),
    Text(String),
    Points(Vec<String>),
    Table {
        head: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    /// SVG; only HTML shows it.
    Drawing(String),
}

impl Page {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            blocks: vec![],
        }
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.blocks.push(Block::Heading(text.to_owned()));
    }

    pub(super) fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    pub(super) fn points(&mut self, points: Vec<String>) {
        self.blocks.push(Block::Points(points));
    }

    pub(super) fn drawing(&mut self, svg: String) {
        self.blocks.push(Block::Drawing(svg));
    }

    /// A table without the columns that have no entry; one without rows is left out. Every row has
    /// as many cells as the head.
    pub(super) fn table(&mut self, head: &[&str], rows: Vec<Vec<String>>) {
        let used = |column: usize| {
            let mut cells = rows.iter().filter_map(|row| row.get(column));
            cells.any(|cell| !cell.is_empty())
        };
        let used: Vec<bool> = (0..head.len()).map(used).collect();
        let keep = |row: Vec<String>| -> Vec<String> {
            let cells = row.into_iter().zip(&used).filter(|(_, used)| **used);
            cells.map(|(cell, _)| cell).collect()
        };
        if !rows.is_empty() {
            let head = keep(head.iter().map(|cell| (*cell).to_owned()).collect());
            let rows = rows.into_iter().map(keep).collect();
            self.blocks.push(Block::Table { head, rows });
        }
    }

    /// For a terminal.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for block in &self.blocks {
            match block {
                Block::Heading(heading) => text += &format!("\n{heading}\n"),
                Block::Text(sentence) => text += &format!("{}\n", bare(sentence)),
                Block::Points(points) => {
                    for point in points {
                        text += &format!("  {}\n", bare(point));
                    }
                }
                Block::Table { head, rows } => text += &plain_table(head, rows),
                Block::Drawing(_) => {}
            }
        }
        text
    }

    /// For a pull request or a wiki.
    pub(super) fn to_markdown(&self) -> String {
        let mut text = format!("# {}\n", self.title);
        for block in &self.blocks {
            match block {
                Block::Heading(heading) => text += &format!("\n## {heading}\n"),
                Block::Text(sentence) => text += &format!("\n{sentence}\n"),
                Block::Points(points) => {
                    text.push('\n');
                    for point in points {
                        text += &format!("- {point}\n");
                    }
                }
                Block::Table { head, rows } => text += &markdown_table(head, rows),
                Block::Drawing(_) => {}
            }
        }
        text
    }

    /// A file that needs no other.
    pub(super) fn to_html(&self) -> String {
        let title = escape(&self.title);
        let style = include_str!("page.css");
        let mut body = format!("<h1>{title}</h1>\n");
        for block in &self.blocks {
            match block {
                Block::Heading(heading) => body += &format!("<h2>{}</h2>\n", marked(heading)),
                Block::Text(sentence) => body += &format!("<p>{}</p>\n", marked(sentence)),
                Block::Points(points) => {
                    let points = points
                        .iter()
                        .map(|point| format!("<li>{}</li>\n", marked(point)));
                    body += &format!("<ul>\n{}</ul>\n", points.collect::<String>());
                }
                Block::Table { head, rows } => body += &html_table(head, rows),
                Block::Drawing(svg) => body += &format!("<figure>\n{svg}</figure>\n"),
            }
        }
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
        )
    }
}

/// Which columns hold numbers: they are aligned to the right.
fn numeric(head: &[String], rows: &[Vec<String>]) -> Vec<bool> {
    let is_number =
        |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit() || "–+−".contains(c));
    let column = |index: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(index));
        cells.clone().any(|cell| is_number(cell))
            && cells.all(|cell| cell.is_empty() || is_number(cell))
    };
    (0..head.len()).map(column).collect()
}

fn plain_table(head: &[String], rows: &[Vec<String>]) -> String {
    let right = numeric(head, rows);
    let lines: Vec<Vec<String>> = std::iter::once(head)
        .chain(rows.iter().map(Vec::as_slice))
        .map(|row| row.iter().map(|cell| bare(cell)).collect())
        .collect();
    let width = |index: usize| {
        let cells = lines.iter().filter_map(|row| row.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in &lines {
        let cells = row.iter().zip(&widths).zip(&right);
        let cells = cells.map(|((cell, width), right)| match right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        if !line.trim().is_empty() {
            text += &format!("  {}\n", line.trim_end());
        }
    }
    text
}

fn markdown_table(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = numeric(head, rows);
    let rule = rule.iter().map(|right| if *right { "---:" } else { "---" });
    let rule: Vec<String> = rule.map(str::to_owned).collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("\n{}{}{rows}", line(head), line(&rule))
}

fn html_table(head: &[String], rows: &[Vec<String>]) -> String {
    let right = numeric(head, rows);
    let line = |cells: &[String], tag: &str| {
        let cells = cells.iter().zip(&right).map(|(cell, right)| {
            let class = if *right { " class=\"number\"" } else { "" };
            format!("<{tag}{class}>{}</{tag}>", marked(cell))
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = rows.iter().map(|row| line(row, "td")).collect();
    format!("<table>\n{}{rows}</table>\n", line(head, "th"))
}

/// Without the backticks.
fn bare(text: &str) -> String {
    text.replace('`', "")
}

/// As HTML, code marked as such.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| {
        let part = escape(part);
        if index % 2 == 1 {
            format!("<code>{part}</code>")
        } else {
            part
        }
    });
    parts.collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A number with commas between thousands.
pub(super) fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let group = |(place, digit): (usize, char)| {
        let starts = place > 0 && (digits.len() - place).is_multiple_of(3);
        starts.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

/// A part of a whole.
pub(super) fn share(part: u128, whole: u128) -> String {
    if whole == 0 {
        return String::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a share to show")]
    let share = 100.0 * part as f64 / whole as f64;
    format!("{share:.1} %")
}
