//! Where the results go: the document's section and the charts.

use std::path::Path;

use anyhow::{Context, Result};

use super::results::Results;
use super::{chart, table};

/// Writes the tables into the document, and the charts into the folder.
pub fn write(results: &Results, document: &Path, charts: &Path) -> Result<()> {
    let text = std::fs::read_to_string(document).with_context(|| format!("cannot read {}", document.display()))?;
    let text = table::put_into(&text, &table::section(results)).with_context(|| document.display().to_string())?;
    std::fs::write(document, text).with_context(|| format!("cannot write {}", document.display()))?;
    std::fs::create_dir_all(charts)?;
    for each in &chart::ALL {
        if let Some(svg) = chart::draw(each, results) {
            let path = charts.join(format!("{}.svg", each.file));
            std::fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}
