//! Bar charts as SVG: horizontal bars of the medians, a whisker from the smallest to the largest.

use std::fmt::Write as _;

use super::results::{Results, Summary, summary};

/// A chart.
#[derive(Debug, Clone, Copy)]
pub struct Chart {
    /// The file's name, without its end.
    pub file: &'static str,
    /// Above it.
    pub title: &'static str,
    /// Of the numbers.
    pub unit: &'static str,
    /// What is shown.
    pub measure: &'static str,
    /// Of it.
    pub value: &'static str,
}

/// All that are drawn.
pub const ALL: [Chart; 5] = [
    Chart {
        file: "restart-lost",
        title: "Requests lost in a rolling restart (new connections)",
        unit: "",
        measure: "restart-new",
        value: "lost",
    },
    Chart {
        file: "restart-slowest",
        title: "Slowest answer in a rolling restart (kept-alive connections)",
        unit: "ms",
        measure: "restart-kept",
        value: "max_ms",
    },
    Chart {
        file: "kill-lost",
        title: "Requests lost at SIGKILL of a worker",
        unit: "",
        measure: "kill",
        value: "lost",
    },
    Chart {
        file: "kill-recovered",
        title: "From SIGKILL of a worker to its replacement's first answer",
        unit: "ms",
        measure: "kill",
        value: "recovered_ms",
    },
    Chart { file: "start", title: "From start to the first answer", unit: "ms", measure: "start", value: "first_ms" },
];

const WIDTH: f64 = 720.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 130.0;
const ROW: f64 = 26.0;
const TOP: f64 = 44.0;

/// The chart's text; `None` if there is nothing to show.
pub fn draw(chart: &Chart, results: &Results) -> Option<String> {
    let rows: Vec<(&str, Summary)> = results
        .peers
        .iter()
        .filter_map(|peer| Some((peer.name.as_str(), summary(&results.of(&peer.name, chart.measure, chart.value))?)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let longest = rows.iter().map(|(_, row)| row.largest).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let scale = (WIDTH - LEFT - RIGHT) / longest;
    let height = TOP + ROW * rows.len() as f64 + 12.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\" fill=\"#222222\">{}</text>\n",
        escaped(chart.title),
        escaped(chart.title)
    );
    for (index, (name, row)) in rows.iter().enumerate() {
        bar(&mut svg, chart.unit, TOP + ROW * index as f64, scale, name, row);
    }
    svg += "</svg>\n";
    Some(svg)
}

fn bar(svg: &mut String, unit: &str, y: f64, scale: f64, name: &str, row: &Summary) {
    let color = if name == "ecewo-cluster" { "#0b6e4f" } else { "#8da0b3" };
    let middle = y + ROW / 2.0;
    let text = middle + 4.5;
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\" fill=\"#222222\">{}</text>",
        LEFT - 8.0,
        escaped(name)
    );
    let label = match row.median {
        Some(median) => {
            let width = median * scale;
            let top = y + 4.0;
            let _ = writeln!(
                svg,
                "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"{}\" fill=\"{color}\"/>",
                ROW - 8.0
            );
            let digits = usize::from(median < 100.0 && median.fract() != 0.0);
            format!("{median:.digits$} {unit}").trim_end().to_owned()
        }
        None => "never".to_owned(),
    };
    let (from, to) = (LEFT + row.smallest * scale, LEFT + row.largest * scale);
    if to > from {
        let _ =
            writeln!(svg, "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"#222222\"/>");
    }
    let at = to.max(LEFT) + 6.0;
    let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{text}\" fill=\"#222222\">{label}</text>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::results::{Record, Taken, Values};

    #[test]
    fn a_bar_for_each_server_that_was_measured() {
        let taken = |name: &str| Taken {
            name: name.to_owned(),
            about: String::new(),
            version: String::new(),
            configuration: String::new(),
        };
        let record = |peer: &str, value| Record {
            peer: peer.to_owned(),
            round: 1,
            measure: "start".to_owned(),
            values: Values::from([("first_ms".to_owned(), value)]),
        };
        let results = Results {
            peers: vec![taken("a<b"), taken("never"), taken("other")],
            records: vec![record("a<b", Some(12.5)), record("never", None)],
            ..Results::default()
        };
        let chart = ALL.iter().find(|chart| chart.file == "start").unwrap();
        let svg = draw(chart, &results).unwrap();
        assert!(svg.contains("a&lt;b") && svg.contains("12.5 ms") && svg.contains(">never</text>"));
        assert!(!svg.contains("other") && !svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.matches("<rect").count(), 2);
        assert_eq!(draw(chart, &Results::default()), None);
    }
}
