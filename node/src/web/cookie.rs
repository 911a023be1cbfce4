//! Cookies. A browser sends those of one host to every port of it (RFC 6265 §8.5), so that the port stands in the name;
//! over https the `__Host-` prefix binds one to its host (RFC 6265bis §4.1.3.2).

use http::{HeaderMap, HeaderValue, header};

use crate::{http::Entrance, settings::Settings};

/// The most cookies of one name that are looked at: another server of the host can set some for narrower paths.
const MOST: usize = 4;

/// What the cookies of an entrance are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CookieNames {
    /// Who is signed in.
    pub(super) session: String,
    /// What the token in the sign-in form is made from.
    pub(super) form: String,
    secure: bool,
}

impl CookieNames {
    /// Those at `entrance`.
    pub(super) fn at(entrance: &Entrance, settings: &Settings) -> Self {
        let authority = match (entrance, settings.public_url.as_deref()) {
            (Entrance::Loopback { authority }, _) => authority,
            (Entrance::Public, Some(url)) => match url.strip_prefix("http://") {
                Some(rest) => rest.split('/').next().unwrap_or_default(),
                None => {
                    let (session, form) = ("__Host-bitrouter_session".to_owned(), "__Host-bitrouter_form".to_owned());
                    return Self { session, form, secure: true };
                }
            },
            (Entrance::Public, None) => "",
        };
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80_u16);
        Self { session: format!("bitrouter_session_{port}"), form: format!("bitrouter_form_{port}"), secure: false }
    }

    /// Sets the cookie `name`; without `value` it is taken away.
    pub(super) fn set(&self, name: &str, value: Option<&str>) -> HeaderValue {
        let (value, age) = value.map_or(("", "; Max-Age=0"), |value| (value, ""));
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        // Our names and values are base64 and digits.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// The values of the cookies called `name`.
pub(super) fn sent<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n13_the_port_or_the_host_binds_the_name() {
        let names = |entrance, url: Option<&str>| {
            CookieNames::at(&entrance, &Settings { public_url: url.map(str::to_owned), ..Settings::default() })
        };
        let loopback = |authority: &str| Entrance::Loopback { authority: authority.to_owned() };
        assert_eq!(names(loopback("127.0.0.1:4356"), None).session, "bitrouter_session_4356");
        assert_eq!(names(loopback("[::1]:7"), Some("https://a.example")).session, "bitrouter_session_7");
        assert_eq!(names(loopback("localhost"), None).session, "bitrouter_session_80");
        assert_eq!(names(Entrance::Public, Some("http://127.0.0.1:99")).session, "bitrouter_session_99");
        let public = names(Entrance::Public, Some("https://a.example:8443"));
        assert_eq!(public.session, "__Host-bitrouter_session");
        assert_eq!(
            public.set(&public.session, Some("v")),
            "__Host-bitrouter_session=v; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        let plain = names(loopback("localhost:1"), None);
        assert_eq!(plain.set("n", None), "n=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn cookies_are_read_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; ab=2;a=3"));
        headers.append(header::COOKIE, HeaderValue::from_static("a=4=5; b"));
        assert_eq!(sent(&headers, "a"), ["1", "3", "4=5"]);
        assert!(sent(&headers, "b").is_empty());
    }
}
