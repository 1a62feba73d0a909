//! The figures beside their budgets, as a Markdown table.

use std::fmt::{Display, Formatter, Result};

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is measured.
    pub what: String,
    /// What it came to.
    pub measured: String,
    /// What it may be.
    pub budget: String,
    /// Whether it is; nothing if there is no budget, or it could not be measured.
    pub met: Option<bool>,
}

impl Row {
    /// A figure with a budget.
    pub fn new(what: &str, measured: String, budget: &str, met: bool) -> Self {
        Self { met: Some(met), ..Self::open(what, measured, budget) }
    }

    /// A figure without a budget, or a budget without a figure and why.
    pub fn open(what: &str, measured: impl Into<String>, budget: &str) -> Self {
        let (what, budget) = (what.to_owned(), budget.to_owned());
        Self { what, measured: measured.into(), budget, met: None }
    }
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Table(pub Vec<Row>);

impl Table {
    /// The rows whose budget is missed.
    pub fn missed(&self) -> Vec<&Row> {
        self.0.iter().filter(|row| row.met == Some(false)).collect()
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "| row | measured | budget | met |\n|---|---|---|---|")?;
        for row in &self.0 {
            let met = row.met.map_or("–", |met| if met { "yes" } else { "**no**" });
            writeln!(f, "| {} | {} | {} | {met} |", row.what, row.measured, row.budget)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_budget_stands_out() {
        let table = Table(vec![
            Row::new("size", "3 MB".to_owned(), "≤ 8 MB", true),
            Row::new("calls", "4".to_owned(), "≤ 3", false),
            Row::open("replay", "not built", "≥ 75 %"),
        ]);
        assert_eq!(table.missed().len(), 1);
        assert_eq!(
            table.to_string(),
            "| row | measured | budget | met |\n|---|---|---|---|\n| size | 3 MB | ≤ 8 MB | yes |\n\
             | calls | 4 | ≤ 3 | **no** |\n| replay | not built | ≥ 75 % | – |\n"
        );
    }
}
