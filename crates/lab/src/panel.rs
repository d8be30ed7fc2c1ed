//! The dashboards' queries, run against the lab's Prometheus as Grafana would.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use super::asset::{Asset, CATALOGUE, DASHBOARDS, EMPTY_WHEN_WELL};
use super::fault::NONE;
use super::prometheus::{Api, Series};
use super::scale::Factor;

const PREFIX: &str = "deepgram_sidecar_";

const MOST_HEARD: &str = "topk(1, deepgram_sidecar_live_session_messages_total)";

/// What a page shows, in production's time.
const ON_SCREEN: Duration = Duration::from_secs(60 * 60);
const STEP: Duration = Duration::from_secs(60);

/// The panels of all dashboards, and which of them are empty when all is well.
#[derive(Clone, Debug, Default)]
pub(super) struct Panels {
    panels: Vec<Panel>,
    /// By page and title: the fault that fills it.
    empty_when_well: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Clone, Debug)]
struct Panel {
    /// The dashboard's file, without its ending.
    page: String,
    /// Its title.
    title: String,
    /// Its queries.
    queries: Vec<Query>,
}

/// One query of a panel.
#[derive(Clone, Debug, Deserialize)]
struct Query {
    #[serde(default)]
    expr: String,
    #[serde(default)]
    instant: bool,
}

impl Panels {
    /// Reads every dashboard of the project, and its list of empty panels.
    ///
    /// # Errors
    /// An entry of the list that names no panel.
    pub(super) fn read() -> anyhow::Result<Self> {
        let mut panels = Vec::new();
        for dashboard in DASHBOARDS {
            panels.extend(read_page(*dashboard)?);
        }
        let empty_when_well =
            serde_yaml::from_str(EMPTY_WHEN_WELL).context("in empty-when-well.yaml")?;
        let read = Self { panels, empty_when_well };
        read.check_list()?;
        Ok(read)
    }

    fn check_list(&self) -> anyhow::Result<()> {
        for (page, titles) in &self.empty_when_well {
            for title in titles.keys() {
                let is_there = |panel: &Panel| panel.page == *page && panel.title == *title;
                self.panels.iter().find(|panel| is_there(panel)).with_context(|| {
                    format!("empty-when-well.yaml: {page} has no panel {title:?}")
                })?;
            }
        }
        Ok(())
    }

    /// Asks the queries of those panels that this fault must fill, or with none at hand those that
    /// are never empty; says what is wrong with them.
    ///
    /// # Errors
    /// Prometheus does not answer.
    pub(super) async fn check(
        &self,
        api: Api,
        factor: Factor,
        fault: &str,
    ) -> anyhow::Result<Vec<String>> {
        let mut problems = Vec::new();
        let session = a_session(api).await?;
        let names = api.names().await?;
        for panel in self.panels.iter().filter(|panel| self.filled_by(panel) == fault) {
            for query in &panel.queries {
                let expression = factor.promql(&query.filled_in(&session));
                let problem = match query.ask(api, factor, &expression).await {
                    Err(error) => Some(format!("{error:#}")),
                    Ok(true) => unknown_metrics(&expression, &names),
                    Ok(false) => Some("returns nothing".to_owned()),
                };
                let Panel { page, title, .. } = panel;
                problems.extend(problem.map(|it| format!("{page}, {title:?}: {it}: {expression}")));
            }
        }
        Ok(problems)
    }

    fn filled_by(&self, panel: &Panel) -> &str {
        let listed = self.empty_when_well.get(&panel.page);
        listed.and_then(|page| page.get(&panel.title)).map_or(NONE, String::as_str)
    }
}

impl Query {
    /// With Grafana's variables filled in as for one hour on screen, with a scrape every minute.
    fn filled_in(&self, session: &str) -> String {
        let mut expression = self.expr.clone();
        for (variable, value) in [
            ("__rate_interval", "4m"),
            ("__interval", "1m"),
            ("__range", "1h"),
            ("session_id", session),
            ("namespace", ".+"),
            ("pod", ".+"),
            ("job", ".+"),
        ] {
            expression = expression.replace(&format!("${{{variable}}}"), value);
            expression = expression.replace(&format!("${variable}"), value);
        }
        expression
    }

    /// Whether there is anything to show.
    async fn ask(&self, api: Api, factor: Factor, expression: &str) -> anyhow::Result<bool> {
        let series = if self.instant {
            api.query(expression).await?
        } else {
            let (past, step) = (factor.divide(ON_SCREEN), factor.divide(STEP));
            api.query_range(expression, past, step).await?
        };
        Ok(series.iter().flat_map(Series::values).any(f64::is_finite))
    }
}

/// What of an expression's names neither Prometheus nor the catalogue has.
fn unknown_metrics(expression: &str, names: &BTreeSet<String>) -> Option<String> {
    let is_part = |it: char| it.is_ascii_alphanumeric() || "_:".contains(it);
    let ours =
        expression.split(|it| !is_part(it)).filter(|name| name.contains("deepgram_sidecar_"));
    // Some series come with the first of what they tell of, so not all of them are there now.
    let is_catalogued =
        |name: &str| CATALOGUE.contains(&format!("`{}`", name.trim_start_matches(PREFIX)));
    let unknown: Vec<_> =
        ours.filter(|name| !names.contains(*name) && !is_catalogued(name)).collect();
    (!unknown.is_empty()).then(|| format!("unknown: {}", unknown.join(", ")))
}

/// A session to look at: one whose connection has died, else the one that has heard most.
async fn a_session(api: Api) -> anyhow::Result<String> {
    for query in ["deepgram_sidecar_live_session_death_info", MOST_HEARD] {
        let series = api.query(query).await?;
        if let Some(id) = series.iter().find_map(|series| series.metric.get("session_id")) {
            return Ok(id.clone());
        }
    }
    Ok(String::new())
}

fn read_page((name, text): Asset) -> anyhow::Result<Vec<Panel>> {
    #[derive(Deserialize)]
    struct Page {
        panels: Vec<Raw>,
    }
    #[derive(Deserialize)]
    struct Raw {
        #[serde(default)]
        title: String,
        #[serde(default)]
        targets: Vec<Query>,
        /// What a folded row hides.
        #[serde(default)]
        panels: Vec<Raw>,
    }
    let in_file = || format!("in {name}");
    let page: Page = serde_json::from_str(text).with_context(in_file)?;
    let name = name.trim_end_matches(".json");
    let (mut panels, mut left) = (Vec::new(), page.panels);
    while let Some(raw) = left.pop() {
        left.extend(raw.panels);
        let queries: Vec<_> = raw.targets.into_iter().filter(|it| !it.expr.is_empty()).collect();
        if !queries.is_empty() {
            panels.push(Panel { page: name.to_owned(), title: raw.title, queries });
        }
    }
    Ok(panels)
}
