// Runs the cells of one SDK: a function each, within a limit, so that a failure names the cell and nothing hangs.
// Arguments of a script: where the paths begin; where that leads (`direct` to a scripted provider, `daemon`
// to one behind the daemon, `demo` to the daemon's own); what stands before a model's name; the key; what the script
// itself wants to know.

import assert from "node:assert/strict";

export const [BASE, KIND, PREFIX, KEY, ARGUMENT] = process.argv.slice(2);
export const DEMO = KIND === "demo";
export const DAEMON = KIND !== "direct";
const LIMIT = 60_000;

// A prompt that is wrong as soon as somebody escapes, decodes or cuts it in another way.
export const PROMPT = 'Grüezi, «☂» 🧠 é\u2028 "x" \\ / </s>';
export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const PIXEL_LENGTH = Buffer.from(PIXEL, "base64").length;
export const SCHEMA = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
// What a scripted model makes of that schema.
export const FITS = { city: 'Zürich «☂» "é" \\ /', days: 7 };
// What it thinks (`ODD_THOUGHT` in tests/src/dialects/turn.rs).
export const THOUGHT = 'Hm… "é" is not "e\u0301";\n\t</thinking> \\ \u2028 🧠 & 1.0e+2';
// The statuses at which a provider refuses.
export const STATUSES = [400, 401, 403, 404, 413, 429, 500, 503];

/** A model as this place names it. */
export const model = (name) => (DEMO ? "demo/echo" : PREFIX + name);

/** What the model answers to a prompt. */
export const said = (prompt) => (DEMO ? prompt : `You said: ${prompt}`);

/** What it answers to a prompt with the picture. */
export const seen = DEMO ? PROMPT : `I see image/png of ${PIXEL_LENGTH} bytes.`;

/** Fails where they differ. */
export const equal = (got, wanted) => assert.deepStrictEqual(got, wanted);
export const ok = assert.ok;

/** Awaits what must fail with exactly this kind of error, and returns the error. */
export async function raises(kind, call) {
  let got;
  try {
    got = await call();
  } catch (error) {
    assert.strictEqual(error?.constructor?.name, kind.name, `${error?.stack}`);
    return error;
  }
  assert.fail(`${kind.name} was not thrown, but came ${JSON.stringify(got)}`);
}

/** Everything that an asynchronous iterable brings. */
export async function all(iterable) {
  const items = [];
  for await (const item of await iterable) items.push(item);
  return items;
}

async function within(call) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done in ${LIMIT} ms`)), LIMIT);
  });
  try {
    await Promise.race([call(), over]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs all cells, a line each. `scripted` are those that the provider `demo` has nothing to say to: it calls no tools
 * and refuses nothing by name. */
export async function run(cells, scripted = {}) {
  let failed = 0;
  // A promise that fails with nobody listening is a failure of the cell that left it.
  process.on("unhandledRejection", (error) => {
    failed += 1;
    console.log(`FAILED in the background: ${error?.stack ?? error}`);
  });
  for (const [name, cell] of Object.entries(DEMO ? cells : { ...cells, ...scripted })) {
    try {
      await within(cell);
      console.log(`ok ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}: ${error?.stack ?? error} ${error?.cause?.stack ?? ""}`);
    }
  }
  // Not what is left of connections decides when this ends.
  process.exit(failed ? 1 : 0);
}
