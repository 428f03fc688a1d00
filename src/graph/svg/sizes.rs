//! Sizes that the parts of a drawing share.

pub(super) const PANEL_WIDTH: f64 = 560.0;
pub(super) const PADDING: f64 = 16.0;
/// Width inside the card of the whole expert.
pub(super) const INNER: f64 = PANEL_WIDTH - 4.0 * PADDING;
/// From one task's output to the next.
pub(super) const ROW: f64 = 44.0;
/// Between a tower and the middle.
pub(super) const GAP: f64 = 46.0;
