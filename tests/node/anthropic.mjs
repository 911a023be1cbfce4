// The official Anthropic SDK: messages, their count, models.

import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { BASE, DAEMON, DEMO, FITS, KEY, PIXEL, PREFIX, PROMPT, SCHEMA, STATUSES, THOUGHT, all, equal, model, ok, raises, run, said, seen } from "./cells.mjs";

const client = new Anthropic({ baseURL: BASE, apiKey: KEY, maxRetries: 0, timeout: 15_000 });
const USER = [{ role: "user", content: PROMPT }];
const Trip = z.object({ city: z.string(), days: z.int() });
const asked = (more) => ({ model: model("m"), max_tokens: 2048, messages: USER, ...more });
const ask = (more = {}, options) => client.messages.create(asked(more), options);
const final = (more = {}) => client.messages.stream(asked(more)).finalMessage();
const text = (message) => message.content.map((block) => block.text ?? "").join("");
const tool = (name) => ({ name, input_schema: SCHEMA });

/** Asks, gives the tools' results back, and returns what the model makes of them. */
async function answered(names, get, more = {}) {
  const offered = { tools: names.map(tool), ...more };
  const first = await get(offered);
  const calls = first.content.filter((block) => block.type === "tool_use");
  equal(calls.map((call) => call.name), names);
  equal(calls.map((call) => call.input), names.map(() => FITS));
  equal(first.stop_reason, "tool_use");
  const content = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: `${call.name}: é` }));
  return text(await get({ messages: [...USER, { role: "assistant", content: first.content }, { role: "user", content }], ...offered }));
}

const KINDS = {
  400: Anthropic.BadRequestError, 401: Anthropic.AuthenticationError, 403: Anthropic.PermissionDeniedError,
  404: Anthropic.NotFoundError, 413: Anthropic.ContentTooLargeError, 429: Anthropic.RateLimitError,
  500: Anthropic.InternalServerError, 503: Anthropic.ServiceUnavailableError,
};

await run({
  async plain() {
    const answer = await ask();
    equal([text(answer), answer.stop_reason], [said(PROMPT), "end_turn"]);
    ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  },
  async stream() {
    const answer = await final();
    equal([text(answer), answer.stop_reason], [said(PROMPT), "end_turn"]);
    equal(answer.usage.output_tokens, (await ask()).usage.output_tokens);
    const events = await all(ask({ stream: true }));
    equal([events[0].type, events.at(-1).type], ["message_start", "message_stop"]);
  },
  async image() {
    const source = { type: "base64", media_type: "image/png", data: PIXEL };
    const content = [{ type: "text", text: PROMPT }, { type: "image", source }];
    equal(text(await ask({ messages: [{ role: "user", content }] })), seen);
  },
  async structured_output() {
    const more = { messages: [{ role: "user", content: JSON.stringify(FITS) }], output_config: { format: zodOutputFormat(Trip) } };
    equal((await client.messages.parse(asked(more))).parsed_output, FITS);
    equal((await final(more)).parsed_output, FITS);
  },
  async error() {
    if (DEMO) return equal((await raises(Anthropic.NotFoundError, () => ask({ model: "demo/none" }))).type, "not_found_error");
    for (const status of STATUSES) {
      for (const stream of [false, true]) {
        const refused = await raises(KINDS[status], () => ask({ model: model(`refuse-${status}`), stream }));
        equal([refused.status, refused.error.error.message], [status, `scripted refusal ${status}`]);
      }
    }
    const limited = await raises(Anthropic.RateLimitError, () => ask({ model: model("refuse-429") }));
    equal([limited.type, limited.headers.get("retry-after"), limited.requestID], ["rate_limit_error", "7", "req_scripted"]);
    const extra = await raises(Anthropic.BadRequestError, () => ask({ temperature: 1 }));
    equal(extra.error.error.message, "temperature: Extra inputs are not permitted");
    equal(text(await ask({ temperature: 1 }, { headers: { "anthropic-version": "2023-06-01" } })), said(PROMPT));
    // A stream that breaks throws, and what came first is no answer.
    for (const broken of DAEMON ? ["break", "truncate", "hang-up"] : ["break"]) {
      for (const get of [final, (more) => all(ask({ stream: true, ...more }))]) {
        try {
          await get({ model: model(broken) });
        } catch (error) {
          ok(error instanceof Anthropic.APIError, `${error?.stack}`);
          continue;
        }
        ok(false, `a broken stream (${broken}) ended as if it were whole`);
      }
    }
  },
  async count() {
    const counted = await client.messages.countTokens({ model: model("m"), messages: USER });
    equal(counted.input_tokens, (await ask()).usage.input_tokens);
  },
  async models() {
    const listed = (await all(client.models.list({ limit: 1000 }))).map((one) => one.id);
    const wanted = DEMO ? "demo/" : PREFIX.replace(":", "/");
    ok(listed.length && listed.every((id) => id.startsWith(wanted)), `${listed}`);
    equal((await all(client.models.list({ limit: 1 }))).map((one) => one.id), listed);
    equal((await client.models.retrieve(listed[0])).id, listed[0]);
    if (!DEMO) equal(text(await ask({ model: listed[0] })), said(PROMPT));
    await raises(Anthropic.NotFoundError, () => client.models.retrieve("no-such-model"));
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
    const more = { thinking: { type: "enabled", budget_tokens: 1024 } };
    for (const get of [ask, final]) {
      const [thought] = (await get(more)).content;
      equal([thought.type, thought.thinking], ["thinking", THOUGHT]);
      // With tools between, what was thought goes back as it came; the provider refuses anything else.
      equal(await answered(["weather"], get, more), "The tools said: weather: é.");
      const changed = { ...thought, thinking: THOUGHT.normalize("NFC") };
      const before = { role: "assistant", content: [changed, { type: "text", text: "x" }] };
      const refused = await raises(Anthropic.BadRequestError, () => ask({ messages: [...USER, before, ...USER], ...more }));
      ok(refused.message.includes("Invalid `signature` in `thinking` block"), refused.message);
    }
  },
  async beta() {
    const more = asked({ context_management: { edits: [{ type: "clear_tool_uses_20250919" }] } });
    const answer = await client.beta.messages.create({ ...more, betas: ["context-management-2025-06-27"] });
    equal(answer.content[0].text, said(PROMPT));
    // Without the header that opens it the member is refused.
    await raises(Anthropic.BadRequestError, () => client.beta.messages.create(more));
  },
  async abort() {
    for await (const _ of await ask({ model: model("stall"), stream: true })) break;
    const controller = new AbortController();
    const waiting = ask({ model: model("stall") }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 200);
    await raises(Anthropic.APIUserAbortError, () => waiting);
    await raises(Anthropic.APIConnectionTimeoutError, () => ask({ model: model("stall") }, { timeout: 300 }));
  },
});
