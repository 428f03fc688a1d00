//! The fields of one domain.

use std::ops::Range;

use crate::schema::{DomainId, Feature, FeatureKind, Schema, Tower};

/// Fields of x_d for one domain of one tower, in canonical order: embedded features, vectors,
/// numbers, each group in the schema's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    tower: Tower,
    domain: usize,
    fields: Vec<Field>,
    embedded_width: usize,
    vector_width: usize,
    numbers: usize,
}

/// One field: the columns of x_d that one feature fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Index of the feature among the tower's.
    pub feature: usize,
    /// Columns of x_d.
    pub columns: Range<usize>,
    /// What fills them.
    pub kind: FieldKind,
}

/// What fills a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A row of a table, or pooled rows.
    Embedded {
        /// Whether the shallow experts read it.
        shallow: bool,
    },
    /// A vector of the data.
    Vector,
    /// A number after BatchNorm.
    Number,
}

impl Layout {
    /// Fields of a domain of a tower.
    pub fn new(schema: &Schema, tower: Tower, domain: usize) -> Self {
        let mut layout = Self {
            tower,
            domain,
            fields: Vec::new(),
            embedded_width: 0,
            vector_width: 0,
            numbers: 0,
        };
        let mut start = 0;
        for (feature, declared) in schema.features(tower).iter().enumerate() {
            if !declared.domains.has(DomainId(domain)) {
                continue;
            }
            let width = field_width(schema, declared);
            let kind = match declared.kind {
                FeatureKind::Embedded { shallow, .. } => {
                    layout.embedded_width += width;
                    FieldKind::Embedded { shallow }
                }
                FeatureKind::Vector { .. } => {
                    layout.vector_width += width;
                    FieldKind::Vector
                }
                FeatureKind::Number(_) => {
                    layout.numbers += width;
                    FieldKind::Number
                }
            };
            layout.fields.push(Field {
                feature,
                columns: start..start + width,
                kind,
            });
            start += width;
        }
        layout
    }

    /// Tower of the domain.
    pub fn tower(&self) -> Tower {
        self.tower
    }

    /// Index of the domain.
    pub fn domain(&self) -> DomainId {
        DomainId(self.domain)
    }

    /// Fields, in canonical order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Width of x_d.
    pub fn width(&self) -> usize {
        self.embedded_width + self.vector_width + self.numbers
    }

    /// Columns of x_d that embeddings fill; they come first.
    pub fn embedded_width(&self) -> usize {
        self.embedded_width
    }

    /// Columns that vectors fill; they follow the embeddings.
    pub fn vector_width(&self) -> usize {
        self.vector_width
    }

    /// Columns that numbers fill; they come last.
    pub fn numbers(&self) -> usize {
        self.numbers
    }

    /// Columns that the shallow experts read, neighbours joined.
    pub fn shallow(&self) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for field in &self.fields {
            if field.kind != (FieldKind::Embedded { shallow: true }) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end == field.columns.start => last.end = field.columns.end,
                _ => ranges.push(field.columns.clone()),
            }
        }
        ranges
    }
}

/// Columns that a feature fills in x_d.
pub(crate) fn field_width(schema: &Schema, feature: &Feature) -> usize {
    match feature.kind {
        FeatureKind::Embedded { table, .. } => {
            schema.tables.get(table.0).map_or(0, |table| table.dim)
        }
        FeatureKind::Vector { width } => width,
        FeatureKind::Number(_) => 1,
    }
}
