// The official OpenAI SDK: the Responses API.

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { BASE, DAEMON, DEMO, FITS, KEY, PIXEL, PROMPT, SCHEMA, STATUSES, THOUGHT, all, equal, model, ok, raises, run, said, seen } from "./cells.mjs";

const client = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: KEY, maxRetries: 0, timeout: 15_000 });
const Trip = z.object({ city: z.string(), days: z.int() });
const tool = (name) => ({ type: "function", name, parameters: SCHEMA, strict: true });
const ask = (more = {}, options) => client.responses.create({ model: model("m"), input: PROMPT, ...more }, options);
const final = (more = {}) => client.responses.stream({ model: model("m"), input: PROMPT, ...more }).finalResponse();
const text = (response) => response.output.flatMap((item) => item.content ?? []).map((part) => part.text ?? "").join("");

/** Asks, gives the tools' results back, and returns what the model makes of them. */
async function answered(names, get, more = {}) {
  const offered = { tools: names.map(tool), ...more };
  const first = await get(offered);
  const calls = first.output.filter((item) => item.type === "function_call");
  equal(calls.map((call) => call.name), names);
  equal(calls.map((call) => JSON.parse(call.arguments)), names.map(() => FITS));
  const outputs = calls.map((call) => ({ type: "function_call_output", call_id: call.call_id, output: `${call.name}: é` }));
  const before = first.output.map(({ parsed_arguments, ...item }) => item);
  return text(await get({ input: [{ role: "user", content: PROMPT }, ...before, ...outputs], ...offered }));
}

const KINDS = {
  400: OpenAI.BadRequestError, 401: OpenAI.AuthenticationError, 403: OpenAI.PermissionDeniedError,
  404: OpenAI.NotFoundError, 413: OpenAI.APIError, 429: OpenAI.RateLimitError, 500: OpenAI.InternalServerError,
  503: OpenAI.InternalServerError,
};

await run({
  async plain() {
    const answer = await ask();
    equal([answer.output_text, answer.status], [said(PROMPT), "completed"]);
    ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  },
  async stream() {
    const answer = await final();
    equal(text(answer), said(PROMPT));
    equal(answer.usage.total_tokens, (await ask()).usage.total_tokens);
    const events = await all(ask({ stream: true }));
    const deltas = events.filter((event) => event.type === "response.output_text.delta");
    equal(deltas.map((event) => event.delta).join(""), said(PROMPT));
    equal(events.map((event) => event.sequence_number), events.map((_, at) => at));
  },
  async image() {
    const content = [{ type: "input_text", text: PROMPT }, { type: "input_image", detail: "auto", image_url: `data:image/png;base64,${PIXEL}` }];
    equal((await ask({ input: [{ role: "user", content }] })).output_text, seen);
  },
  async structured_output() {
    const asked = { model: model("m"), input: JSON.stringify(FITS), text: { format: zodTextFormat(Trip, "trip") } };
    equal((await client.responses.parse(asked)).output_parsed, FITS);
    equal((await client.responses.stream(asked).finalResponse()).output_parsed, FITS);
  },
  async error() {
    if (DEMO) return equal((await raises(OpenAI.NotFoundError, () => ask({ model: "demo/none" }))).code, "model_not_found");
    for (const status of STATUSES) {
      for (const stream of [false, true]) {
        const refused = await raises(KINDS[status], () => ask({ model: model(`refuse-${status}`), stream }));
        equal([refused.status, refused.error.message], [status, `scripted refusal ${status}`]);
      }
    }
    const lost = await raises(OpenAI.BadRequestError, () => ask({ previous_response_id: "resp_nobody" }));
    equal(lost.code, "previous_response_not_found");
    for (const broken of DAEMON ? ["break", "truncate", "hang-up"] : ["break"]) {
      await raises(OpenAI.APIError, () => all(ask({ model: model(broken), stream: true })));
      await raises(OpenAI.APIError, () => final({ model: model(broken) }));
    }
  },
  async count() {
    const counted = await client.responses.inputTokens.count({ model: model("m"), input: PROMPT });
    equal(counted.input_tokens + (DEMO ? 0 : 4), (await ask()).usage.input_tokens);
  },
}, {
  async tools() {
    for (const get of [ask, final]) equal(await answered(["weather"], get), "The tools said: weather: é.");
  },
  async parallel_tools() {
    const said = "The tools said: weather: é; time: é; place: é.";
    for (const get of [ask, final]) equal(await answered(["weather", "time", "place"], get), said);
  },
  async thinking() {
    const more = { reasoning: { effort: "low", summary: "auto" }, store: false, include: ["reasoning.encrypted_content"] };
    for (const get of [ask, final]) {
      const [thought] = (await get(more)).output;
      equal([thought.type, thought.summary[0].text], ["reasoning", THOUGHT]);
      // With tools between, what was thought goes back as it came; the provider refuses anything else.
      equal(await answered(["weather"], get, more), "The tools said: weather: é.");
      const changed = { ...thought, summary: [{ type: "summary_text", text: THOUGHT.normalize("NFC") }] };
      const refused = await raises(OpenAI.BadRequestError, () => ask({ input: [changed, { role: "user", content: "x" }], ...more }));
      equal(refused.code, "invalid_encrypted_content");
    }
  },
  async abort() {
    for await (const _ of await ask({ model: model("stall"), stream: true })) break;
    const controller = new AbortController();
    const asked = ask({ model: model("stall") }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 200);
    await raises(OpenAI.APIUserAbortError, () => asked);
    await raises(OpenAI.APIConnectionTimeoutError, () => ask({ model: model("stall") }, { timeout: 300 }));
  },
  async stored() {
    const first = await ask();
    const second = await ask({ input: "again", previous_response_id: first.id });
    equal(second.previous_response_id, first.id);
    equal(text(await client.responses.retrieve(first.id)), said(PROMPT));
    equal((await all(client.responses.inputItems.list(first.id)))[0].content[0].text, PROMPT);
    await raises(OpenAI.BadRequestError, () => client.responses.cancel(first.id));
    await client.responses.delete(first.id);
    await raises(OpenAI.NotFoundError, () => client.responses.retrieve(first.id));
  },
});
