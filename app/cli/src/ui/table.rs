//! Tables of aligned columns, without frames.

use comfy_table::{CellAlignment, ContentArrangement, Table};

/// A table with these headings; columns marked by `>` stand to the right.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    // Long addresses must stay whole, so that they can be copied: better too wide than broken.
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(
        headings
            .iter()
            .map(|heading| heading.trim_start_matches('>')),
    );
    for (index, heading) in headings.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table
}

/// The table as text without trailing spaces.
pub(crate) fn text(table: &Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}
