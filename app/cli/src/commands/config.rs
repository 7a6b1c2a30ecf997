//! `potluck config`: by way of the running node, so that limits change at once, or straight in the
//! file.

use crate::app::App;
use crate::args::ConfigAction;
use crate::client::Client;
use crate::failure::{Outcome, usage};
use crate::ui::table::{table, text};
use potluck_api::{ConfigChange, ConfigEntry, ConfigReport, ErrorBody};
use potluck_daemon::config as file;
use serde::Serialize;

/// Shows or changes settings.
pub(crate) async fn run(app: &App, action: Option<ConfigAction>) -> Outcome {
    match action.unwrap_or(ConfigAction::Show) {
        ConfigAction::Show => show(app, &report(app).await?),
        ConfigAction::Get { key } => {
            let report = report(app).await?;
            let entry = entry(&report, &key)?;
            if app.output.json {
                app.output.object(entry)
            } else {
                app.output.line(&entry.value)
            }
        }
        ConfigAction::Set { key, value } => change(app, key, Some(value)).await,
        ConfigAction::Unset { key } => change(app, key, None).await,
        ConfigAction::Path => path(app),
    }
}

async fn report(app: &App) -> Result<ConfigReport, ErrorBody> {
    match Client::find(&app.data).await? {
        Some(client) => client.get("config").await,
        None => file::report(&app.data),
    }
}

fn entry<'a>(report: &'a ConfigReport, key: &str) -> Result<&'a ConfigEntry, ErrorBody> {
    let found = report.entries.iter().find(|entry| entry.key == key);
    found.ok_or_else(|| file::unknown_key(key))
}

async fn change(app: &App, key: String, value: Option<String>) -> Outcome {
    let daemon = Client::find(&app.data).await?;
    let runs = daemon.is_some();
    let report: ConfigReport = match daemon {
        Some(client) => {
            client
                .post(
                    "config",
                    &ConfigChange {
                        key: key.clone(),
                        value,
                    },
                )
                .await?
        }
        None => file::set(&app.data, &key, value.as_deref())?,
    };
    if app.output.json {
        return app.output.object(&report);
    }
    match entry(&report, &key) {
        Ok(entry) => app
            .output
            .line(format!("{key} = {}", shown(&entry.value)))?,
        Err(_) => app.output.line(format!("{key} is gone"))?,
    }
    if runs && report.restart_needed {
        app.output
            .note("takes effect when the node is started again");
    }
    Ok(())
}

fn show(app: &App, report: &ConfigReport) -> Outcome {
    if app.output.json {
        return app.output.object(report);
    }
    let mut rows = table(&["key", "value", "default", "what it does"]);
    for entry in &report.entries {
        let default = if entry.value == entry.default {
            ""
        } else {
            shown(&entry.default)
        };
        rows.add_row([&*entry.key, shown(&entry.value), default, &*entry.help]);
    }
    app.output.line(text(&rows))?;
    app.output.note(&format!("file: {}", report.path));
    Ok(())
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "none" } else { value }
}

#[derive(Serialize)]
struct Path {
    path: String,
}

fn path(app: &App) -> Outcome {
    let path = file::path(&app.data);
    let Some(path) = path.to_str() else {
        let message = format!("the path {} is not UTF-8", path.display());
        return Err(usage(message, "choose another data directory").into());
    };
    if app.output.json {
        return app.output.object(&Path {
            path: path.to_owned(),
        });
    }
    app.output.line(path)
}
