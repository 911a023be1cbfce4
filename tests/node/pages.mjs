// Signing in as a person does it: a browser in front of the node's pages, and a terminal that waits for its tokens.
// One line `ok NAME` for each scene. Every page is looked at by axe, light and dark, and kept as a picture.
//
//   node pages.mjs BASE PICTURES NAME PASSWORD SCENE…

import { createServer } from "node:http";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";
import { chromium } from "playwright-core";

const [base, pictures, name, password, ...wanted] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1100, height: 800 };
const NARROW = { width: 360, height: 740 };
mkdirSync(pictures, { recursive: true });

// --- the terminal ----------------------------------------------------------------------------------------------------

async function post(path, fields, headers = {}) {
  const reply = await fetch(base + path, { method: "POST", body: new URLSearchParams(fields), headers });
  return { status: reply.status, ...(await reply.json()) };
}

async function start(scope = "inference:invoke usage:read keys:read", headers = {}) {
  const device = await post("/oauth/device_authorization", { client_id: "bitrouter-cli", scope }, headers);
  assert.equal(device.status, 200, JSON.stringify(device));
  device.polled = 0;
  return device;
}

// What the terminal is told now; it waits as long as it was told to between two polls.
async function poll(device) {
  const wait = device.polled + device.interval * 1000 - Date.now();
  if (wait > 0) await new Promise((done) => setTimeout(done, wait));
  device.polled = Date.now();
  const grant_type = "urn:ietf:params:oauth:grant-type:device_code";
  return post("/oauth/token", { client_id: "bitrouter-cli", grant_type, device_code: device.device_code });
}

// --- the browser -----------------------------------------------------------------------------------------------------

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    // A prompt of newer browsers stands before loopback; what is tested is what holds without it.
    "--disable-features=LocalNetworkAccessChecks,OptimizationHints,MediaRouter,Translate",
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
  ],
});

async function open(options = {}) {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  context.setDefaultTimeout(60_000);
  return context.newPage();
}

async function signIn(page) {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

async function signedIn() {
  const page = await open();
  await page.goto(base + "/login");
  await signIn(page);
  await page.waitForURL(base + "/console");
  return page;
}

const heading = (page) => page.getByRole("heading", { level: 1 }).innerText();
const alert = (page) => page.getByRole("alert").innerText();

// Looks at the page as it stands: nothing for axe to say, and pictures of it.
async function look(page, picture) {
  await page.evaluate(axe);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const [size, viewport] of [["wide", WIDE], ["narrow", NARROW]]) {
      await page.setViewportSize(viewport);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document));
      const found = violations.map((v) => `${v.id}: ${v.help} at ${v.nodes.map((n) => n.target).join(", ")}`);
      assert.deepEqual(found, [], `${picture}, ${colorScheme}, ${size}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(overflow, false, `${picture} is wider than a ${size} window`);
      await page.screenshot({ path: `${pictures}/${picture}-${colorScheme}-${size}.png`, fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(WIDE);
}

// --- another site ----------------------------------------------------------------------------------------------------

// A server that serves one page; its address under the name `host`.
async function site(host, html) {
  const server = createServer((_, reply) => {
    reply.setHeader("content-type", "text/html; charset=utf-8");
    reply.end(`<!doctype html><title>elsewhere</title>${html}`);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://${host}:${server.address().port}/`, close: () => server.close() };
}

// --- the scenes ------------------------------------------------------------------------------------------------------

const scenes = {
  // The whole way, without a script in the browser.
  async whole() {
    const device = await start();
    const page = await open({ javaScriptEnabled: false });
    await page.goto(device.verification_uri_complete);
    assert.equal(await heading(page), "Sign in");
    await signIn(page);
    assert.equal(await heading(page), "Sign in bitrouter (command line)?");
    assert.equal(await page.locator("#code").innerText(), device.user_code);
    assert.equal((await poll(device)).error, "authorization_pending");
    await page.getByRole("button", { name: "Approve" }).click();
    assert.equal(await heading(page), "Approved");
    const tokens = await poll(device);
    assert.equal(tokens.status, 200, JSON.stringify(tokens));
    assert.equal(tokens.scope, "inference:invoke usage:read keys:read");
  },

  // The code typed by hand, wrong at first.
  async typed() {
    const device = await start();
    const page = await signedIn();
    await page.goto(device.verification_uri);
    await page.getByLabel("Code", { exact: true }).fill("bbbb bbbb");
    await page.getByRole("button", { name: "Continue" }).click();
    assert.match(await alert(page), /no such code/);
    assert.match(await page.title(), /^Error: /);
    await page.getByLabel("Code", { exact: true }).fill(` ${device.user_code.toLowerCase().replace("-", " ")} `);
    await page.keyboard.press("Enter");
    assert.equal(await page.locator("#code").innerText(), device.user_code);
    assert.equal(page.url(), device.verification_uri_complete);
    await page.getByRole("button", { name: "Approve" }).click();
    assert.equal((await poll(device)).status, 200);
  },

  // Denied is denied, also for who goes back and changes their mind.
  async denied() {
    const device = await start();
    const page = await signedIn();
    await page.goto(device.verification_uri_complete);
    await page.getByRole("button", { name: "Deny" }).click();
    assert.equal(await heading(page), "Denied");
    await look(page, "denied");
    await page.goBack();
    // A page that must not be stored is asked for again; either way nothing can be approved.
    const approve = page.getByRole("button", { name: "Approve" });
    if (await approve.count()) await approve.click();
    assert.match(await alert(page), /denied, which is final/);
    assert.equal((await poll(device)).error, "access_denied");
    assert.notEqual((await poll(device)).status, 200);
  },

  // A code that was used opens nothing again.
  async reused() {
    const device = await start();
    const page = await signedIn();
    await page.goto(device.verification_uri_complete);
    const late = await page.context().newPage();
    await late.goto(device.verification_uri_complete);
    await page.getByRole("button", { name: "Approve" }).click();
    const tokens = await poll(device);
    assert.equal(tokens.status, 200);
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    assert.equal((await fetch(base + "/v1/models", { headers })).status, 200);
    await late.getByRole("button", { name: "Approve" }).click();
    assert.match(await alert(late), /used already/);
    await look(late, "code-used");
    assert.equal((await poll(device)).error, "invalid_grant");
  },

  // Two terminals wait; each gets what was said to its own code.
  async two() {
    const [first, second] = [await start(), await start()];
    const page = await signedIn();
    const other = await page.context().newPage();
    await page.goto(first.verification_uri_complete);
    await other.goto(second.verification_uri_complete);
    await other.getByRole("button", { name: "Deny" }).click();
    await page.getByRole("button", { name: "Approve" }).click();
    assert.equal((await poll(first)).status, 200);
    assert.equal((await poll(second)).error, "access_denied");
  },

  // The code ends while somebody still thinks.
  async expired() {
    const device = await start();
    const page = await signedIn();
    await page.goto(device.verification_uri_complete);
    const until = Date.now() + 60_000;
    let last;
    do last = await poll(device);
    while (last.error === "authorization_pending" && Date.now() < until);
    assert.equal(last.error, "expired_token");
    await page.getByRole("button", { name: "Approve" }).click();
    assert.match(await alert(page), /has expired/);
    await look(page, "code-expired");
    assert.equal((await poll(device)).error, "expired_token");
  },

  // Who asks from elsewhere is approved only by a person who says that it is their device.
  async elsewhere() {
    const forwarded = { "x-forwarded-for": "203.0.113.9" };
    const device = await start("inference:invoke usage:read billing:write account:write clients:read", forwarded);
    const page = await signedIn();
    await page.goto(device.verification_uri_complete);
    await look(page, "consent-elsewhere");
    assert.equal(await page.getByLabel("Add credit").isChecked(), false);
    // Enter on a tick decides nothing.
    await page.getByLabel("See usage").focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(base + "/oauth/device");
    assert.equal(await heading(page), "Sign in bitrouter (command line)?");
    await page.getByRole("button", { name: "Approve" }).click();
    assert.match(await alert(page), /own device/);
    await look(page, "consent-error");
    assert.equal((await poll(device)).error, "authorization_pending");
    await page.getByLabel("I started this myself").check();
    await page.getByRole("button", { name: "Approve" }).click();
    assert.equal(await heading(page), "Approved");
    assert.equal((await poll(device)).scope, "inference:invoke usage:read");
  },

  // Other sites: of another name, and of another port of this machine, whose requests carry the cookie.
  async foreign() {
    const device = await start();
    const page = await signedIn();
    const cookies = await page.context().cookies();
    await page.goto(device.verification_uri_complete);
    const namespace = await page.locator("#namespace").inputValue();
    const fields = { user_code: device.user_code, namespace, scope: "usage:read", own_device: "yes", decision: "approve" };
    const inputs = Object.entries(fields).map(([n, v]) => `<input type="hidden" name="${n}" value="${v}">`).join("");
    const tab = await page.context().newPage();
    for (const host of ["attacker.test", "127.0.0.1", "localhost"]) {
      for (const [action, more] of [
        ["/oauth/device", inputs],
        ["/console/namespaces", `<input name="name" value="theirs">`],
        ["/login", `<input name="username" value="eve"><input name="password" value="eve eve eve">`],
        ["/logout", ""],
      ]) {
        const form = await site(host, `<form method="post" action="${base}${action}">${more}</form><script>document.forms[0].submit()</script>`);
        const answer = tab.waitForResponse((r) => r.url() === base + action);
        // The page goes on before it is there.
        await tab.goto(form.url, { waitUntil: "commit" }).catch(() => {});
        assert.equal((await answer).status(), 403, `a form from ${host} to ${action}`);
        await tab.waitForURL(base + action);
        form.close();
      }
      const script = await site(host, "");
      await tab.goto(script.url);
      const read = await tab.evaluate(
        async ([url, body]) => {
          const tries = [
            [url, { credentials: "include" }],
            [url, { credentials: "include", method: "POST", body: new URLSearchParams(body) }],
            [url, { credentials: "include", method: "POST", mode: "no-cors", body: new URLSearchParams(body) }],
          ];
          const all = tries.map(([to, how]) => fetch(to, how).then((r) => r.text(), () => ""));
          return (await Promise.all(all)).join("");
        },
        [base + "/oauth/device", fields],
      );
      assert.equal(read, "", `${host} reads a page`);
      const framed = tab.waitForResponse((r) => r.url().startsWith(base + "/oauth/device"));
      await tab.evaluate((url) => {
        const frame = document.createElement("iframe");
        frame.src = url;
        document.body.append(frame);
      }, device.verification_uri_complete);
      assert.equal((await framed).status(), 403, `a frame in ${host}`);
      // A link is followed, to a page on which nothing is approved and nothing was looked up.
      await tab.evaluate((url) => { location.href = url; }, device.verification_uri_complete);
      await tab.waitForURL(device.verification_uri_complete);
      assert.equal(await heading(tab), "Enter the code");
      script.close();
    }
    assert.equal((await poll(device)).error, "authorization_pending");
    await page.goto(base + "/console");
    assert.equal(await page.getByText("theirs").count(), 0);
    assert.deepEqual(await page.context().cookies(), cookies);
  },

  // Names and passwords that do not fit, until nobody may try any more.
  async locked() {
    const page = await open();
    await page.goto(base + "/login");
    await look(page, "login");
    for (let at = 0; at < 5; at += 1) {
      await page.getByLabel("Name", { exact: true }).fill("nobody");
      await page.getByLabel("Password").fill("not the password");
      await page.getByRole("button", { name: "Sign in" }).click();
      assert.match(await alert(page), /do not belong together/);
    }
    await look(page, "login-wrong");
    assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "nobody");
    assert.equal(await page.getByLabel("Password").inputValue(), "");
  },

  // Pages as they are when nothing is wrong.
  async pictures() {
    const device = await start("inference:invoke usage:read keys:read keys:write billing:read policy:read policy:write byok:read byok:write namespace:read account:read");
    const page = await signedIn();
    await look(page, "console");
    await page.goto(base + "/oauth/device");
    await look(page, "code");
    await page.getByLabel("Code", { exact: true }).fill("BBBB-BBBB");
    await page.getByRole("button", { name: "Continue" }).click();
    await look(page, "code-wrong");
    await page.goto(device.verification_uri_complete);
    await look(page, "consent");
    await page.getByRole("button", { name: "Approve" }).click();
    await look(page, "approved");
    await page.goto(base + "/console");
    await look(page, "console-approved");
    assert.equal((await poll(device)).status, 200);
    await page.goto(base + "/console/namespaces/ns_00000000000000000000000000");
    await look(page, "error");
  },

  // Namespaces and programs in the console.
  async console() {
    const device = await start();
    const page = await signedIn();
    await page.getByLabel("New namespace").fill("staging");
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByLabel("New namespace").fill("staging");
    await page.getByRole("button", { name: "Create" }).click();
    assert.match(await alert(page), /already/);
    await look(page, "console-taken");
    await page.goto(device.verification_uri_complete);
    await page.getByLabel("Namespace", { exact: true }).selectOption("staging");
    await page.getByRole("button", { name: "Approve" }).click();
    const tokens = await poll(device);
    assert.equal(tokens.status, 200);
    await page.goto(base + "/console");
    await look(page, "console-programs");
    await page.getByRole("link", { name: "Change staging" }).click();
    await look(page, "namespace");
    await page.getByRole("link", { name: "Programs that may ask its people for tokens" }).click();
    await look(page, "clients");
    await page.getByLabel("Name", { exact: true }).fill("my agent");
    await page.getByLabel("Redirect URIs").fill("http://example.com/cb");
    await page.getByRole("button", { name: "Register" }).click();
    assert.match(await alert(page), /https/);
    await look(page, "clients-wrong");
    await page.getByLabel("Redirect URIs").fill("https://example.com/cb");
    await page.getByRole("button", { name: "Register" }).click();
    assert.equal(await heading(page), "Registered my agent");
    assert.ok((await page.locator("#client-secret").innerText()).length >= 32);
    await look(page, "client-registered");
    await page.getByRole("link", { name: "Go on to the list" }).click();
    await page.getByRole("link", { name: "Change my agent" }).click();
    await look(page, "client");
    await page.getByLabel("Name", { exact: true }).fill("another agent");
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByRole("link", { name: "Change another agent" }).click();
    await page.getByLabel("Delete the OAuth client").check();
    await page.getByRole("button", { name: "Delete" }).click();
    assert.match(await page.getByRole("status").innerText(), /was deleted/);
    await page.getByRole("link", { name: "Console" }).click();
    await page.getByRole("link", { name: "Change staging" }).click();
    await page.getByLabel("Name", { exact: true }).fill("production");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByRole("button", { name: /^Sign out bitrouter \(command line\) in production/ }).click();
    await page.waitForURL(base + "/console?done=ended");
    const refreshed = await post("/oauth/token", {
      client_id: "bitrouter-cli", grant_type: "refresh_token", refresh_token: tokens.refresh_token,
    });
    assert.equal(refreshed.error, "invalid_grant");
    await page.getByRole("link", { name: "Change production" }).click();
    await page.getByLabel("Delete the namespace production").check();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.waitForURL(base + "/console?done=deleted");
    assert.equal(await page.getByRole("status").innerText(), "The namespace was deleted.");
    assert.equal(await page.getByText("production").count(), 0);
    await page.goto(base + "/logout");
    await look(page, "logout");
    await page.goto(base + "/console");
    await page.getByRole("banner").getByRole("button", { name: "Sign out" }).click();
    assert.equal(await heading(page), "Sign in");
    await page.goto(base + "/console");
    assert.equal(await heading(page), "Sign in");
  },

  // A provider's key that is pasted is sealed on the page. Nothing that leaves the browser holds it.
  async keys() {
    const key = process.env.CANARY_KEY;
    const plain = await open({ javaScriptEnabled: false });
    await plain.goto(base + "/login");
    await signIn(plain);
    await plain.goto(base + "/console/keys");
    assert.equal(await plain.getByRole("button", { name: "Seal and store" }).count(), 0);
    assert.match(await plain.locator("noscript, .warning").first().innerText(), /cloud byok set/);
    const page = await signedIn();
    const sent = [];
    page.on("request", (request) => sent.push(`${request.method()} ${request.url()} ${request.postData() ?? ""}`));
    const complaints = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.getByRole("link", { name: /set or revoke one/ }).click();
    await look(page, "keys");
    const paste = async (text) => {
      await page.getByLabel("Key", { exact: true }).fill(text);
      await page.getByRole("button", { name: "Seal and store" }).click();
    };
    sent.length = 0;
    for (const [text, why] of [["", /Paste the key/], [`"${key}"`, /quotation marks/], ["brk_x", /token of bitrouter/], ["a\u00e9", /ASCII/]]) {
      await paste(text);
      assert.match(await alert(page), why);
    }
    assert.deepEqual(sent, [], "what can be no key goes nowhere");
    await look(page, "keys-wrong");
    await page.getByLabel("Provider", { exact: true }).selectOption("acme");
    await paste(`  ${key} `);
    await page.waitForURL(base + "/console/keys?done=key-stored");
    assert.equal(await page.getByLabel("Key", { exact: true }).inputValue(), "");
    assert.equal(sent.filter((one) => one.startsWith("POST ")).length, 1);
    const spellings = [key, encodeURIComponent(key), btoa(key), [...key].reverse().join("")];
    for (const one of sent) for (const text of spellings) assert.equal(one.includes(text), false, "the key left the browser");
    for (const url of new Set(sent.map((one) => one.split(" ")[1]))) assert.equal(new URL(url).origin, base);
    await look(page, "keys-stored");
    // Axe is put into the page by the test, past its policy; the page itself has nothing to complain of.
    assert.deepEqual(complaints, []);
    await page.goto(base + "/console");
    await page.goBack();
    assert.equal((await page.content()).includes(key), false);
  },

  // It is revoked there.
  async revoked() {
    const page = await signedIn();
    await page.goto(base + "/console/keys");
    await page.getByRole("button", { name: "Revoke the key for acme" }).click();
    await page.waitForURL(base + "/console/keys?done=key-revoked");
    assert.equal(await page.getByRole("button", { name: /^Revoke/ }).count(), 0);
    assert.match(await page.locator("section").last().innerText(), /deleted acme/);
  },
};

// A one-time link: `link=URL`.
async function link(url) {
  const page = await open();
  await page.goto(url);
  assert.equal(await heading(page), "Console");
  const again = await open();
  const answer = await again.goto(url);
  assert.equal(answer.status(), 410);
  await look(again, "link-spent");
}

// A program of the web that signs a person in: `code=URL`, where it begins. Denied at first, without a script in the browser.
async function code(url) {
  const { host } = new URL(url);
  const plain = await open({ javaScriptEnabled: false });
  await plain.goto(url);
  assert.equal(await heading(plain), "Sign in");
  await signIn(plain);
  assert.equal(await heading(plain), "Sign in my-agent?");
  await plain.getByRole("button", { name: "Deny" }).click();
  await plain.waitForURL(`${url}cb?*`);
  assert.equal(await heading(plain), "access_denied");
  const page = await signedIn();
  await page.goto(url);
  assert.equal(await heading(page), "Sign in my-agent?");
  assert.equal(await page.locator("#host").innerText(), host);
  const facts = await page.locator(".facts").innerText();
  assert.match(facts, /default/);
  assert.equal(await page.getByRole("option").count(), 1);
  await look(page, "authorize");
  await page.getByRole("button", { name: "Approve" }).click();
  await page.waitForURL(`${url}cb?*`);
  assert.equal(await heading(page), "signed in");
  const wrong = await page.goto(`${base}/oauth/authorize?client_id=brc_1`);
  assert.equal(wrong.status(), 400);
  await look(page, "authorize-refused");
}

try {
  for (const scene of wanted) {
    if (scene.startsWith("link=")) await link(scene.slice(5));
    else if (scene.startsWith("code=")) await code(scene.slice(5));
    else await scenes[scene]();
    console.log(`ok ${scene.split("=")[0]}`);
  }
} finally {
  await browser.close();
}
