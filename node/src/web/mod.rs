//! Pages for people, and the sessions of their browsers.
//!
//! The journey of a page: `guard` (form, own origin, CSRF token, whose session) → one of `login`, `device`, `authorize`, `console`,
//! `namespace`, `keys`, `clients`, `client` → `page`, which writes a template with the headers that every page has. The journey of a sign-in: `login` or a link of
//! `console_link` → [`session`], which makes the cookie that [`person_of`] reads again.
//!
//! A page works without a script and holds none; it loads nothing but the stylesheet and the mark of `assets`. The one exception is
//! `keys`: a provider's key that is pasted there is sealed in the browser, by a file of ours, and the page can call nobody.

mod assets;
mod authorize;
mod client;
mod clients;
mod consent;
mod console;
mod console_link;
mod cookie;
mod csrf;
mod device;
mod guard;
mod keys;
mod login;
mod namespace;
mod page;
mod session;
#[cfg(test)]
mod tests;
mod words;

use std::future::ready;

use http::Method;

pub use self::console_link::ConsoleLink;
pub use self::page::page_without_node;
pub(crate) use self::{
    guard::is_own_origin,
    page::{error_page, is_page},
    session::person_of,
};
use crate::http::{Access, Endpoint, Handler, Kind};

/// What is known of browsers until the next start.
#[derive(Debug, Default)]
pub(crate) struct State {
    links: console_link::ConsoleLinks,
}

const fn page(method: Method, path: &'static str, handler: Handler) -> Endpoint {
    Endpoint::new(method, path, Kind::Page, Access::Open, handler)
}

/// Stands for pages that there are not.
pub(crate) static ABSENT: Endpoint = page(Method::GET, "", |_| {
    Box::pin(ready(error_page(http::StatusCode::NOT_FOUND, "This did not work", "There is no such page.")))
});

/// The pages.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    page(Method::GET, "/login", |call| page::answer(login::show(call))),
    page(Method::POST, "/login", |call| page::answer(login::sign_in(call))),
    page(Method::GET, "/logout", |call| page::answer(login::ask_to_sign_out(call))),
    page(Method::POST, "/logout", |call| page::answer(login::sign_out(call))),
    page(Method::GET, "/console", |call| page::answer(console::show(call))),
    page(Method::POST, "/console/namespaces", |call| page::answer(console::create(call))),
    page(Method::GET, "/console/namespaces/{id}", |call| page::answer(namespace::show(call))),
    page(Method::POST, "/console/namespaces/{id}/rename", |call| page::answer(namespace::rename(call))),
    page(Method::POST, "/console/namespaces/{id}/delete", |call| page::answer(namespace::delete(call))),
    page(Method::POST, "/console/namespaces/{id}/members", |call| page::answer(namespace::share(call))),
    page(Method::POST, "/console/namespaces/{id}/members/{person}/remove", |call| {
        page::answer(namespace::remove_member(call))
    }),
    page(Method::GET, "/console/namespaces/{id}/clients", |call| page::answer(clients::show(call))),
    page(Method::POST, "/console/namespaces/{id}/clients", |call| page::answer(clients::register(call))),
    page(Method::GET, "/console/namespaces/{id}/clients/{client}", |call| page::answer(client::show(call))),
    page(Method::POST, "/console/namespaces/{id}/clients/{client}", |call| page::answer(client::change(call))),
    page(Method::POST, "/console/namespaces/{id}/clients/{client}/delete", |call| page::answer(client::delete(call))),
    page(Method::GET, keys::PATH, |call| page::answer(keys::show(call))),
    page(Method::POST, keys::PATH, |call| page::answer(keys::submit(call))),
    page(Method::POST, "/console/keys/{provider}/delete", |call| page::answer(keys::delete(call))),
    page(Method::POST, "/console/sessions/{id}/revoke", |call| page::answer(console::revoke(call))),
    page(Method::POST, "/console/approvals/{code}/end", |call| page::answer(console::end_approval(call))),
    page(Method::POST, "/console/browsers/end", |call| page::answer(console::end_browsers(call))),
    page(Method::GET, authorize::PATH, |call| page::answer(authorize::show(call))),
    page(Method::POST, authorize::PATH, |call| page::answer(authorize::decide(call))),
    page(Method::GET, "/oauth/device", |call| page::answer(device::show(call))),
    page(Method::POST, "/oauth/device", |call| page::answer(device::decide(call))),
    page(Method::GET, assets::STYLE, |call| Box::pin(ready(assets::style(call.head.uri.query().unwrap_or_default())))),
    page(Method::GET, assets::SEAL, |call| Box::pin(ready(assets::seal(call.head.uri.query().unwrap_or_default())))),
    page(Method::GET, assets::MARK, |_| Box::pin(ready(assets::mark()))),
];
