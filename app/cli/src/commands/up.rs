//! `potluck up`

use crate::app::App;
use crate::args::Up;
use crate::client::Client;
use crate::failure::Outcome;
use crate::session::with_args;
use crate::ui::serve_view::ServeView;
use potluck_api::{ReadyEvent, Status};
use potluck_daemon::Options;
use std::time::Duration;

/// Runs a node until it is told to stop, which is its good end.
pub(crate) async fn run(app: &App, args: Up) -> Outcome {
    let base = Options {
        data: app.data.clone(),
        api: args.api,
        ..Options::default()
    };
    let starting = Box::pin(potluck_daemon::start(with_args(base, &args.node)));
    let node = tokio::select! {
        node = starting => node?,
        () = app.stop.cancelled() => return Ok(()),
    };
    let client = Client::new(node.api())?;
    let said = say(app, node.ready());
    if said.is_ok() {
        tokio::select! {
            () = app.stop.cancelled() => {}
            () = node.stopped() => {}
            () = show(app, &client) => {}
        }
        app.output.note("stopping");
    }
    Box::pin(node.shutdown()).await;
    said
}

fn say(app: &App, ready: &ReadyEvent) -> Outcome {
    let output = &app.output;
    if output.json {
        return output.object(ready);
    }
    output.line(format!("peer id    {}", ready.peer_id))?;
    for (index, address) in ready.addresses.iter().enumerate() {
        output.line(format!(
            "{:<10} {address}",
            if index == 0 { "addresses" } else { "" }
        ))?;
    }
    output.line(format!("data       {}", ready.data))?;
    output.line(format!("local API  {}", ready.api))?;
    output.line(format!("page       {}", ready.page))?;
    if let Some(outside) = &ready.outside {
        output.line(format!("elsewhere  {outside}"))?;
    }
    output.note("'potluck open' opens the page in a browser");
    output.note("ready; Ctrl-C stops the node");
    Ok(())
}

/// Shows who fetches; never ends by itself.
pub(crate) async fn show(app: &App, client: &Client) {
    let mut view = ServeView::new(&app.output);
    while view.is_shown() {
        if let Ok(status) = client.get::<Status>("status").await {
            view.status(&status);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    std::future::pending::<()>().await;
}
