//! The names by which a gateway is called, and the origins that they are to a browser.

use std::net::IpAddr;

/// The origins of one listener.
pub(crate) struct Names {
    port: u16,
    /// Port of a `Host` that names none.
    usual_port: u16,
    pages_host: String,
    content_host: String,
    /// Origin of the pages.
    pub(crate) pages: String,
    /// Origin of content for browsers.
    pub(crate) content: String,
    /// Name of the session's cookie. A browser gives cookies to every port of a name, so that those
    /// of two nodes need two names.
    pub(crate) cookie: String,
    /// Whether all of it goes over TLS.
    pub(crate) is_secure: bool,
    /// Whether others than this machine may reach it: loopback is no name of it then, and content
    /// needs a secret.
    pub(crate) is_outside: bool,
}

impl Names {
    /// Those of loopback.
    pub(crate) fn local(port: u16) -> Self {
        Self::new(port, "localhost", "content.localhost", false, false)
    }

    /// Those that the owner gave to a listener for others.
    pub(crate) fn outside(port: u16, pages: &str, content: &str, is_secure: bool) -> Self {
        Self::new(port, pages, content, is_secure, true)
    }

    fn new(port: u16, pages: &str, content: &str, is_secure: bool, is_outside: bool) -> Self {
        let (scheme, usual_port) = if is_secure {
            ("https", 443)
        } else {
            ("http", 80)
        };
        // Browsers leave the usual port out of an origin.
        let shown = if port == usual_port {
            String::new()
        } else {
            format!(":{port}")
        };
        let origin = |host: &str| match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("{scheme}://[{ip}]{shown}"),
            _ => format!("{scheme}://{host}{shown}"),
        };
        Self {
            port,
            usual_port,
            pages: origin(pages),
            content: origin(content),
            pages_host: pages.to_ascii_lowercase(),
            content_host: content.to_ascii_lowercase(),
            cookie: format!("potluck_session_{port}"),
            is_secure,
            is_outside,
        }
    }

    /// Which of the origins a `Host` header names.
    pub(crate) fn site(&self, host: &str) -> Option<Site> {
        let (name, port) = split(host)?;
        let ours = port.unwrap_or(self.usual_port) == self.port;
        let name = name.to_ascii_lowercase();
        if ours && name == self.pages_host {
            return Some(Site::Pages);
        }
        if ours && name == self.content_host {
            return Some(Site::Content);
        }
        if self.is_outside {
            return None;
        }
        // Another port is the near end of a tunnel.
        let is_loopback = |ip: IpAddr| ip.is_loopback();
        let is_here = name == "localhost" || name.parse().is_ok_and(is_loopback);
        is_here.then_some(Site::Tools)
    }
}

/// Name and port of a `Host` header.
fn split(host: &str) -> Option<(&str, Option<u16>)> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => host.find(':').map_or((host, ""), |at| host.split_at(at)),
    };
    match rest {
        "" => Some((name, None)),
        rest => Some((name, Some(rest.strip_prefix(':')?.parse().ok()?))),
    }
}

/// The name by which a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    Pages,
    Tools,
    Content,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_pass() {
        let names = Names::local(4);
        for (host, site) in [
            ("127.0.0.1:4", Some(Site::Tools)),
            ("127.0.0.1:9", Some(Site::Tools)),
            ("[::1]:4", Some(Site::Tools)),
            ("localhost:4", Some(Site::Pages)),
            ("LocalHost:4", Some(Site::Pages)),
            ("localhost:5", Some(Site::Tools)),
            ("localhost", Some(Site::Tools)),
            ("content.localhost:4", Some(Site::Content)),
            ("content.localhost:5", None),
            ("evil.example:4", None),
            ("localhost.evil.example:4", None),
            ("x.content.localhost:4", None),
            ("192.0.2.1:4", None),
            ("0.0.0.0:4", None),
            ("localhost:4:4", None),
            ("localhost:", None),
            ("user@localhost:4", None),
            ("[::1", None),
            ("", None),
        ] {
            assert_eq!(names.site(host), site, "{host}");
        }
    }

    #[test]
    fn outside_only_the_given_names_pass() {
        let names = Names::outside(443, "nas.example", "content.nas.example", true);
        assert_eq!(names.pages, "https://nas.example");
        for (host, site) in [
            ("nas.example", Some(Site::Pages)),
            ("NAS.example:443", Some(Site::Pages)),
            ("content.nas.example", Some(Site::Content)),
            ("nas.example:80", None),
            ("localhost", None),
            ("127.0.0.1:443", None),
            ("evil.example", None),
        ] {
            assert_eq!(names.site(host), site, "{host}");
        }
        let names = Names::outside(9, "192.0.2.1", "2001:db8::1", false);
        assert_eq!(names.content, "http://[2001:db8::1]:9");
        assert_eq!(names.site("192.0.2.1:9"), Some(Site::Pages));
        assert_eq!(names.site("[2001:db8::1]:9"), Some(Site::Content));
        assert_eq!(names.site("192.0.2.1"), None);
    }
}
