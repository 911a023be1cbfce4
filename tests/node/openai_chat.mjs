// The official OpenAI SDK: chat completions, completions, embeddings, models.

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { BASE, DAEMON, DEMO, FITS, KEY, PIXEL, PREFIX, PROMPT, SCHEMA, STATUSES, THOUGHT, all, equal, model, ok, raises, run, said, seen } from "./cells.mjs";

const client = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: KEY, maxRetries: 0, timeout: 15_000 });
const USER = [{ role: "user", content: PROMPT }];
const Trip = z.object({ city: z.string(), days: z.int() });
const tool = (name) => ({ type: "function", function: { name, parameters: SCHEMA } });
const chat = (more = {}, options) => client.chat.completions.create({ model: model("m"), messages: USER, ...more }, options);
const stream = (more = {}) => client.chat.completions.stream({ model: model("m"), messages: USER, ...more });

/** Asks, gives the tools' results back, and returns what the model makes of them. */
async function answered(names, streamed) {
  const offered = { tools: names.map(tool) };
  const answer = streamed ? await stream(offered).finalChatCompletion() : await chat(offered);
  const { message, finish_reason } = answer.choices[0];
  const calls = message.tool_calls;
  equal(calls.map((call) => call.function.name), names);
  equal(calls.map((call) => JSON.parse(call.function.arguments)), names.map(() => FITS));
  equal(finish_reason, "tool_calls");
  const results = calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: `${call.function.name}: é` }));
  const then = await chat({ messages: [...USER, { role: "assistant", content: null, tool_calls: calls }, ...results], ...offered });
  return then.choices[0].message.content;
}

const KINDS = {
  400: OpenAI.BadRequestError, 401: OpenAI.AuthenticationError, 403: OpenAI.PermissionDeniedError,
  404: OpenAI.NotFoundError, 413: OpenAI.APIError, 429: OpenAI.RateLimitError, 500: OpenAI.InternalServerError,
  503: OpenAI.InternalServerError,
};

await run({
  async plain() {
    const answer = await chat();
    equal(answer.choices[0].message.content, said(PROMPT));
    equal(answer.choices[0].finish_reason, "stop");
    ok(answer.usage.prompt_tokens > 0 && answer.usage.completion_tokens > 0);
  },
  async stream() {
    const chunks = await all(chat({ stream: true }));
    equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), said(PROMPT));
    equal(chunks.at(-1).choices[0].finish_reason, "stop");
    ok(chunks.every((chunk) => !chunk.usage), "nobody asked for the usage");
    const counted = await all(chat({ stream: true, stream_options: { include_usage: true } }));
    equal(counted.at(-1).choices, []);
    equal(counted.at(-1).usage.total_tokens, (await chat()).usage.total_tokens);
    equal(await stream().finalContent(), said(PROMPT));
  },
  async image() {
    const url = `data:image/png;base64,${PIXEL}`;
    const content = [{ type: "text", text: PROMPT }, { type: "image_url", image_url: { url } }];
    equal((await chat({ messages: [{ role: "user", content }] })).choices[0].message.content, seen);
  },
  async structured_output() {
    const asked = { model: model("m"), messages: [{ role: "user", content: JSON.stringify(FITS) }], response_format: zodResponseFormat(Trip, "trip") };
    equal((await client.chat.completions.parse(asked)).choices[0].message.parsed, FITS);
    equal((await client.chat.completions.stream(asked).finalChatCompletion()).choices[0].message.parsed, FITS);
  },
  async error() {
    if (DEMO) return equal((await raises(OpenAI.NotFoundError, () => chat({ model: "demo/none" }))).code, "model_not_found");
    for (const status of STATUSES) {
      for (const stream of [false, true]) {
        const refused = await raises(KINDS[status], () => chat({ model: model(`refuse-${status}`), stream }));
        equal([refused.status, refused.error.message], [status, `scripted refusal ${status}`]);
      }
    }
    const limited = await raises(OpenAI.RateLimitError, () => chat({ model: model("refuse-429") }));
    equal([limited.code, limited.headers.get("retry-after")], ["rate_limit_exceeded", "7"]);
    // A stream that breaks throws, and what came first is no answer.
    for (const broken of DAEMON ? ["break", "hang-up"] : ["break"]) {
      await raises(OpenAI.APIError, () => all(chat({ model: model(broken), stream: true })));
      await raises(OpenAI.APIError, () => stream({ model: model(broken) }).finalContent());
    }
  },
  async embeddings() {
    const named = DEMO ? "demo/embed" : model("text-embedding-3-small");
    // The SDK asks for base64 by default and decodes it; both must be the same numbers.
    const decoded = await client.embeddings.create({ model: named, input: [PROMPT, "b"] });
    const floats = await client.embeddings.create({ model: named, input: [PROMPT, "b"], encoding_format: "float" });
    equal(decoded.data.map((one) => one.embedding.length), [8, 8]);
    decoded.data.forEach((one, at) => {
      one.embedding.forEach((number, n) => ok(Math.abs(number - floats.data[at].embedding[n]) < 1e-6));
    });
  },
  async models() {
    const listed = (await all(client.models.list())).map((one) => one.id);
    const wanted = DEMO ? "demo/" : PREFIX.replace(":", "/");
    ok(listed.length && listed.every((id) => id.startsWith(wanted)), `${listed}`);
    equal((await client.models.retrieve(listed[0])).id, listed[0]);
    if (!DEMO) equal((await chat({ model: listed[0] })).choices[0].message.content, said(PROMPT));
    await raises(OpenAI.NotFoundError, () => client.models.retrieve("no-such-model"));
  },
}, {
  async tools() {
    for (const streamed of [false, true]) equal(await answered(["weather"], streamed), "The tools said: weather: é.");
  },
  async parallel_tools() {
    const said = "The tools said: weather: é; time: é; place: é.";
    for (const streamed of [false, true]) equal(await answered(["weather", "time", "place"], streamed), said);
  },
  async thinking() {
    equal((await chat({ reasoning_effort: "low" })).choices[0].message.reasoning_content, THOUGHT);
    const chunks = await all(chat({ reasoning_effort: "low", stream: true }));
    const thought = chunks.map((chunk) => chunk.choices[0].delta.reasoning_content ?? "").join("");
    equal(thought, THOUGHT);
    // What was thought goes back as it came; the provider refuses anything else.
    const before = { role: "assistant", content: "x", reasoning_content: thought };
    equal((await chat({ messages: [...USER, before, ...USER] })).choices[0].message.content, said(PROMPT));
    before.reasoning_content = thought.normalize("NFC");
    await raises(OpenAI.BadRequestError, () => chat({ messages: [...USER, before, ...USER] }));
  },
  async abort() {
    const chunks = await chat({ model: model("stall"), stream: true });
    for await (const _ of chunks) break;
    const controller = new AbortController();
    const asked = chat({ model: model("stall") }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 200);
    await raises(OpenAI.APIUserAbortError, () => asked);
    await raises(OpenAI.APIConnectionTimeoutError, () => chat({ model: model("stall") }, { timeout: 300 }));
  },
  async completions() {
    equal((await client.completions.create({ model: model("m"), prompt: PROMPT })).choices[0].text, said(PROMPT));
    const chunks = await all(client.completions.create({ model: model("m"), prompt: PROMPT, stream: true }));
    equal(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join(""), said(PROMPT));
  },
});
