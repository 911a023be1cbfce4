//! A provider with four dialects, limits and prices that are easy to add up.

use bitrouter_tests::{Client, Daemon, Provider, Serve, World, ledger::Books, sign_in::Owner};

/// Micro-USD a token of the model `m`: input, cache read, cache write, cache write for an hour, output.
pub(crate) const PRICES: [i64; 5] = [10, 1, 12, 20, 50];

/// The longest output of its models.
pub(crate) const MAX_OUTPUT: i64 = 1_000;

/// The daemon with this provider, and who reads its ledger.
pub(crate) struct Acme {
    pub(crate) daemon: Daemon,
    pub(crate) provider: Provider,
    pub(crate) books: Books,
    pub(crate) world: World,
    key: String,
}

impl Acme {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With settings.
    pub(crate) fn with(settings: &str) -> Self {
        Self::within(World::new(), settings)
    }

    /// In a world that something was done to.
    pub(crate) fn within(world: World, settings: &str) -> Self {
        let provider = Provider::start();
        world.write("config/bitrouter/registry/acme.toml", manifest(&provider));
        world.config(settings);
        let key = world.canary("acme");
        let daemon = serve(&world, &key).start();
        let books = Books::open(&world, &daemon);
        Self { daemon, provider, books, world, key }
    }

    pub(crate) fn http(&self) -> Client {
        self.daemon.http()
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner::sign_in(&self.world, &self.daemon)
    }

    /// The same daemon once more, which is to be killed or stopped before.
    pub(crate) fn serve(&self) -> Serve {
        serve(&self.world, &self.key)
    }

    /// Starts it again.
    pub(crate) fn start_again(&mut self) {
        self.daemon = self.serve().start();
        self.books = self.books.at(&self.daemon);
    }
}

fn serve(world: &World, key: &str) -> Serve {
    world.serve().env("BITROUTER_ACME_API_KEY", key).args(["--demo", "--log-format", "json"])
}

fn manifest(provider: &Provider) -> String {
    let (base, google) = (provider.base_url(), format!("http://{}/v1beta", provider.addr()));
    let model = |id: &str, more: &str| {
        format!(
            "[[models]]\nid = \"{id}\"\nmax_input_tokens = 100_000\nmax_output_tokens = {MAX_OUTPUT}\n{more}\
             [models.pricing.input_tokens]\nno_cache = 10.0\ncache_read = 1.0\ncache_write = 12.0\n\
             cache_write_1h = 20.0\n[models.pricing.output_tokens]\ntext = 50.0\n"
        )
    };
    format!(
        "id = \"acme\"\nkind = \"first_party\"\nendpoint = \"{base}\"\n\
         protocol = [\"chat_completions\", \"responses\", \"messages\"]\n\
         [endpoints.generate_content]\nurl = \"{google}\"\n{}{}{}\
         [[models]]\nid = \"unpriced\"\nmax_output_tokens = {MAX_OUTPUT}\n",
        model("m", ""),
        model("thinks", "capabilities = [\"reasoning\"]\nmax_output_tps = 100\n"),
        model("embeds", "capabilities = [\"embeddings\"]\n"),
    )
}
