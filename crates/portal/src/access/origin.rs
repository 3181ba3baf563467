//! Whether a form was sent by a page of ours (ecosystem: requests forged by other sites).

use axum::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a form is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Foreign {
    #[error("your browser says that the form was on a page of another site")]
    OtherSite,
    #[error("your browser does not say which page the form was on; programs use the API, under /api/v1")]
    Unsaid,
    #[error("the request names no host, or several")]
    NoHost,
}

/// A browser says the origin of every form, and a page cannot make it lie. The scheme is not compared:
/// a front proxy may have taken TLS off.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Foreign> {
    let host = only(headers, &HOST).ok_or(Foreign::NoHost)?;
    if let Some(site) = headers.get(&SEC_FETCH_SITE)
        && site != "same-origin"
    {
        return Err(Foreign::OtherSite);
    }
    if !headers.contains_key(ORIGIN) {
        return headers.get(&SEC_FETCH_SITE).map(|_| ()).ok_or(Foreign::Unsaid);
    }
    let origin = only(headers, &ORIGIN).ok_or(Foreign::OtherSite)?;
    let (scheme, authority) = origin.split_once("://").ok_or(Foreign::OtherSite)?;
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return Err(Foreign::OtherSite),
    };
    let is_ours = bare(authority, port).eq_ignore_ascii_case(bare(host, port));
    is_ours.then_some(()).ok_or(Foreign::OtherSite)
}

/// Browsers leave the usual port out; a front proxy may put it in.
fn bare<'a>(authority: &'a str, usual_port: &str) -> &'a str {
    authority.strip_suffix(usual_port).unwrap_or(authority)
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_pages_are_let_through() {
        for (host, origin) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("portal.example", "https://portal.example"),
            ("portal.example:443", "https://portal.example"),
            ("Portal.Example", "http://portal.example"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            headers.insert(ORIGIN, origin.parse().unwrap());
            assert_eq!(check(&headers), Ok(()), "{host} {origin}");
            headers.insert(SEC_FETCH_SITE, "same-origin".parse().unwrap());
            assert_eq!(check(&headers), Ok(()), "{host} {origin}");
        }
    }
}
