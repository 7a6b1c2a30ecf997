//! `potluck open`

use crate::app::App;
use crate::args::Open;
use crate::client::Client;
use crate::failure::{Outcome, failed};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use potluck_api::{ErrorBody, ExitCode, Session, SessionRequest};

/// Lets a browser in to the pages of the running node.
pub(crate) async fn run(app: &App, args: Open) -> Outcome {
    let Some(client) = Client::find(&app.data).await? else {
        return Err(ErrorBody::new(
            ExitCode::Unreachable,
            "no node is running here",
            "'potluck up' starts one; pages need a node that stays",
        )
        .into());
    };
    let to = args.link.map(|link| {
        let link = utf8_percent_encode(link.trim(), NON_ALPHANUMERIC);
        format!("/file/{link}")
    });
    let session: Session = client.post("session", &SessionRequest { to }).await?;
    if app.output.json {
        return app.output.object(&session);
    }
    if args.print {
        app.output.line(&session.url)?;
        return session.outside.map_or(Ok(()), |url| app.output.line(url));
    }
    open::that_detached(&session.url).map_err(|error| {
        failed(
            format!("no browser could be opened: {error}"),
            "'potluck open --print' prints an address; paste it into a browser within a minute",
        )
    })?;
    app.output.note("opened in the browser");
    Ok(())
}
