//! What assessments read of Lambda before they decide.

use std::collections::BTreeSet;

use backstop_aws::{Account, Classify};
use backstop_core::Result;

/// The names of the functions of the Region that use the role, over all pages. Lambda has no filter
/// for it.
///
/// # Errors
/// The class of Lambda's refusal.
pub async fn functions_with_role(account: &Account, role_arn: &str) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut marker = None;
    loop {
        let page = account
            .lambda()
            .list_functions()
            .max_items(50) // what a page holds at most
            .set_marker(marker)
            .send()
            .await
            .classed("lambda:ListFunctions")?;
        let functions = page.functions.unwrap_or_default().into_iter();
        let users = functions.filter(|function| function.role.as_deref() == Some(role_arn));
        found.extend(users.filter_map(|function| function.function_name));
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(found);
        }
    }
}
