//! Three providers in the places of OpenAI, Anthropic and Google, which answer `{}` unless told otherwise, and a daemon that
//! holds their keys.

use std::sync::Arc;

use bitrouter_tests::{
    Answer, Client, Daemon, Provider, Reply, World,
    dialects::Vendor,
    http::Call,
    provider::{Exchange, Request},
};

use super::listed::Line;

/// Everybody in it.
pub(super) struct Cast {
    pub(super) daemon: Daemon,
    pub(super) world: World,
    providers: [Provider; 3],
    keys: [String; 3],
}

impl Cast {
    /// The usual settings.
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// More settings, which may begin with top-level tables.
    pub(super) fn with(settings: &str) -> Self {
        let world = World::new();
        let providers = Vendor::ALL.map(|_| Provider::start());
        for provider in &providers {
            provider.always(|_| Reply::json(200, "{}"));
        }
        let keys = Vendor::ALL.map(|vendor| world.canary(vendor.id()));
        let places = Vendor::ALL.iter().zip(&providers).map(|(vendor, provider)| vendor.settings(provider));
        world.config(&format!("{settings}\n{}", places.collect::<String>()));
        let serve = Vendor::ALL.iter().zip(&keys);
        let daemon = serve.fold(world.serve(), |serve, (vendor, key)| serve.env(vendor.variable(), key)).start();
        Self { daemon, world, providers, keys }
    }

    /// A caller of the daemon's own user.
    pub(super) fn http(&self) -> Client {
        self.daemon.http()
    }

    /// Who stands in for `vendor`.
    pub(super) fn provider(&self, vendor: Vendor) -> &Provider {
        &self.providers[place(vendor)]
    }

    /// The key that is sent there.
    pub(super) fn key(&self, vendor: Vendor) -> &str {
        &self.keys[place(vendor)]
    }

    /// How many requests reached anybody.
    pub(super) fn arrivals(&self) -> usize {
        self.providers.iter().map(Provider::count).sum()
    }

    /// How many reached each.
    pub(super) fn counts(&self) -> [usize; 3] {
        self.providers.each_ref().map(Provider::count)
    }

    /// The usual call for a line of the table.
    pub(super) fn call(&self, line: &Line) -> Call {
        self.call_at(line, "")
    }

    /// The usual call with a query.
    pub(super) fn call_at(&self, line: &Line, query: &str) -> Call {
        let call = self.http().request(line.method, &format!("{}{query}", line.path));
        if line.method == "POST" { call.json(line.body) } else { call }
    }

    /// Sends `call`, which must reach who serves `line` and nobody else, and returns what arrived.
    #[track_caller]
    pub(super) fn arrives(&self, line: &Line, call: Call) -> (Arc<Exchange>, Answer) {
        let (all, there) = (self.arrivals(), self.provider(line.vendor).count());
        let answer = call.send().ok();
        let exchange = self.provider(line.vendor).exchange(there);
        assert_eq!(self.arrivals(), all + 1, "{} {}", line.method, line.path);
        (exchange, answer)
    }
}

fn place(vendor: Vendor) -> usize {
    match vendor {
        Vendor::OpenAi => 0,
        Vendor::Anthropic => 1,
        Vendor::Google => 2,
    }
}

/// The head of a request as text.
pub(super) fn head(request: &Request) -> String {
    String::from_utf8_lossy(&request.head).into_owned()
}

/// The header lines of a request that hold `secret`.
pub(super) fn headers_with(request: &Request, secret: &str) -> Vec<(String, String)> {
    request.headers.iter().filter(|(_, value)| value.contains(secret)).cloned().collect()
}
