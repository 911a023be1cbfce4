//! Credit that is bought, from a Stripe on loopback, whose signatures somebody else's HMAC makes.

use bitrouter_tests::{
    Answer, Daemon, Provider, Reply, World,
    sign_in::{Owner, Session},
};
use serde_json::{Value, json};

/// A node that sells, and who buys from it.
struct Shop {
    daemon: Daemon,
    stripe: Provider,
    buyer: Session,
    world: World,
    key: String,
    hook: String,
}

impl Shop {
    fn open() -> Self {
        let (world, stripe) = (World::new(), Provider::start());
        let (key, hook) = (format!("sk_test_{}", world.canary("stripe")), world.canary("hook"));
        world.env_file(&format!("STRIPE_KEY={key}\n"));
        let file = world.write("config/bitrouter/hook", format!("{hook}\n"));
        world.config(&format!(
            "[node.stripe]\nsecret_key = \"env:STRIPE_KEY\"\nwebhook_secret = \"file:{}\"\napi_base = \"http://{}\"\n",
            file.display(),
            stripe.addr()
        ));
        let daemon = world.demo();
        let buyer = Owner::sign_in(&world, &daemon).program(&["billing:read", "billing:write"], None);
        Self { daemon, stripe, buyer, world, key, hook }
    }

    fn buy(&self, key: &str) -> Answer {
        let call = self.daemon.http().post("/v1/billing/checkout/sessions").bearer(&self.buyer.access_token);
        call.header("Idempotency-Key", key).json(json!({"amount_cents": 2000}).to_string()).send()
    }

    fn event(&self, kind: &str, object: &Value) -> Answer {
        let body = json!({"id": "evt_1", "type": kind, "livemode": false, "data": {"object": object}}).to_string();
        let signature = self.signature(&body);
        let call = self.daemon.http().post("/v1/billing/stripe/webhook").header("Stripe-Signature", &signature);
        call.json(body).send()
    }

    fn signature(&self, body: &str) -> String {
        let script = "import hashlib,hmac,sys,time\nsecret,_,body=sys.stdin.buffer.read().partition(b'\\n')\n\
                      t=str(int(time.time()))\nmac=hmac.new(secret,t.encode()+b'.'+body,hashlib.sha256)\n\
                      print(f't={t},v1={mac.hexdigest()}')";
        let run = self.world.program("/usr/bin/env".as_ref(), ["python3", "-c", script]);
        let said = run.stdin(format!("{}\n{body}", self.hook)).run();
        said.with_code(0).stdout.trim().to_owned()
    }

    fn balance(&self) -> i64 {
        let balance = self.daemon.http().get("/v1/billing/balance").bearer(&self.buyer.access_token).send().ok().json();
        balance["balance_micro_usd"].as_i64().expect("a balance")
    }
}

fn session() -> Reply {
    Reply::json(200, json!({"id": "cs_test_1", "url": "https://pay.example/cs_test_1", "livemode": false}).to_string())
}

#[test]
fn n48_n49_credit_is_bought_once_and_what_is_refunded_is_taken_once() {
    let shop = Shop::open();
    // The first reply never comes.
    shop.stripe.next(Reply::nothing().reset());
    assert_eq!(shop.buy("one").status, 503);
    shop.stripe.next(session());
    let made = shop.buy("one");
    assert_eq!(made.json(), json!({"id": "cs_test_1", "url": "https://pay.example/cs_test_1"}));
    assert_eq!(shop.buy("one").ok().json(), made.json());
    assert_eq!(shop.stripe.count(), 2);
    let (first, second) = (&shop.stripe.exchange(0).request, &shop.stripe.exchange(1).request);
    assert_eq!((first.method.as_str(), first.target.as_str()), ("POST", "/v1/checkout/sessions"));
    assert_eq!(
        (first.key(), first.header("content-type")),
        (Some(shop.key.as_str()), Some("application/x-www-form-urlencoded"))
    );
    assert!(first.header("stripe-version").is_some() && first.header("idempotency-key").is_some());
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    assert_eq!(first.body, second.body);
    assert_eq!(shop.balance(), 0);

    let paid = json!({"id": "cs_test_1", "payment_status": "paid", "payment_intent": "pi_1"});
    let refund = json!({"id": "re_1", "amount": 500, "payment_intent": "pi_1", "status": "succeeded"});
    for _ in 0..2 {
        assert_eq!(shop.event("checkout.session.completed", &paid).ok().json(), json!({"received": true}));
        assert_eq!(shop.balance(), 20_000_000);
    }
    for _ in 0..2 {
        shop.event("refund.created", &refund).ok();
        assert_eq!(shop.balance(), 15_000_000);
    }
    let unsigned = shop.daemon.http().post("/v1/billing/stripe/webhook").json("{}").send();
    assert_eq!((unsigned.status, unsigned.json()["error"].as_str()), (400, Some("bad_request")));
}

#[test]
fn stripes_settings_are_live_and_a_secret_that_others_can_read_is_refused() {
    let shop = Shop::open();
    shop.stripe.next(Reply::json(401, json!({"error": {"message": "Invalid API Key"}}).to_string()));
    let refused = shop.buy("one");
    assert_eq!((refused.status, refused.json()["error"].as_str()), (503, Some("unavailable")));
    assert!(refused.text().contains("secret_key"), "{}", refused.text());
    let text = format!(
        "[node.stripe]\nsecret_key = \"sk_test_{}\"\nwebhook_secret = \"{}\"\napi_base = \"http://{}\"\n",
        shop.world.canary("second"),
        shop.hook,
        shop.stripe.addr()
    );
    let path = shop.world.write_mode("config/bitrouter/config.toml", &text, 0o644);
    let reload = shop.world.cli(["reload"]).with_code(1);
    assert!(reload.stderr.contains(&format!("chmod 600 {}", path.display())), "{}", reload.stderr);
    shop.world.config(&text);
    shop.daemon.reload();
    shop.stripe.next(session());
    shop.buy("one").ok();
    let sent = shop.stripe.last().request.key().map(str::to_owned);
    assert!(text.contains(&sent.expect("a key")), "the new key is used");
    shop.world.config("");
    shop.daemon.reload();
    let refused = shop.buy("two");
    assert_eq!((refused.status, refused.json()["error"].as_str()), (409, Some("conflict")));
    assert!(refused.text().contains("bitrouter node credit grant"), "{}", refused.text());
}

bitrouter_test_postgres::once_more_on_postgres!(n48_n49_credit_is_bought_once_and_what_is_refunded_is_taken_once,);
