//! Keys of weights in checkpoints: the holder of a weight, then its name there, joined by dots. A
//! table's key is `tables.NAME.weight`, a head's `heads.TASK.bias`, a dense parameter's
//! `TOWER.shared.NAME` or `TOWER.DOMAIN.NAME`.

use crate::Tower;

/// Holder of the tables' weights.
pub const TABLES: &str = "tables";

/// Holder of the heads' biases.
pub const HEADS: &str = "heads";

/// Holder of what the domains of a tower share; it is next to the domains.
pub const SHARED: &str = "shared";

/// Name of a head's bias under [`head`].
pub const BIAS: &str = "bias";

/// Name of a table's weight under its table.
pub const WEIGHT: &str = "weight";

/// The key of a name in its holder.
pub fn join(holder: &str, name: &str) -> String {
    format!("{holder}.{name}")
}

/// Name of a table's weight under [`TABLES`].
pub fn table_weight(table: &str) -> String {
    join(table, WEIGHT)
}

/// Key of a table's weight.
pub fn table(table: &str) -> String {
    join(TABLES, &table_weight(table))
}

/// Name of a head's bias under [`HEADS`].
pub fn head_bias(task: &str) -> String {
    join(task, BIAS)
}

/// Holder of a task's head.
pub fn head(task: &str) -> String {
    join(HEADS, task)
}

/// Holder of what the domains of a tower share.
pub fn shared(tower: Tower) -> String {
    join(tower.name(), SHARED)
}

/// Holder of a domain's own weights.
pub fn domain(tower: Tower, domain: &str) -> String {
    join(tower.name(), domain)
}
