// Vercel's `ai` with the provider that the last argument names.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, embedMany, generateText, jsonSchema, streamText, tool } from "ai";
import { ARGUMENT, BASE, DAEMON, DEMO, FITS, KEY, PIXEL, PROMPT, SCHEMA, STATUSES, THOUGHT, all, equal, model, ok, raises, run, said, seen } from "./cells.mjs";

// What is odd about a model's settings is told in the answer; on stderr it is noise.
globalThis.AI_SDK_LOG_WARNINGS = false;

const openai = () => createOpenAI({ baseURL: `${BASE}/v1`, apiKey: KEY });
const settings = { apiKey: KEY, includeUsage: true, supportsStructuredOutputs: true };
const compatible = () => createOpenAICompatible({ name: "other", baseURL: `${BASE}/v1`, ...settings });
const anthropic = () => createAnthropic({ baseURL: `${BASE}/v1`, apiKey: KEY });
const google = () => createGoogle({ baseURL: `${BASE}/v1beta`, apiKey: KEY });
const reasoning = { forceReasoning: true, reasoningEffort: "low", reasoningSummary: "auto", store: false };
const WAYS = {
  "openai-responses": { make: (name) => openai().responses(name), embed: (name) => openai().embedding(name), thinking: { openai: reasoning } },
  "openai-chat": { make: (name) => openai().chat(name), embed: (name) => openai().embedding(name) },
  compatible: { make: (name) => compatible()(name), embed: (name) => compatible().embeddingModel(name), thinking: { other: { reasoningEffort: "low" } } },
  anthropic: { make: (name) => anthropic()(name), thinking: { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } } },
  google: { make: (name) => google()(name), embed: (name) => google().embedding(name), thinking: { google: { thinkingConfig: { includeThoughts: true } } } },
};
const way = WAYS[ARGUMENT];
const schema = jsonSchema(SCHEMA);

const request = ({ named, ...more }) => ({ model: way.make(named ?? model("m")), maxRetries: 0, maxOutputTokens: 2048, ...(more.messages ? {} : { prompt: PROMPT }), ...more });
const ask = (more = {}) => generateText(request(more));
/** A stream, read to its end; its first error is thrown. */
async function stream(more = {}) {
  let failed;
  const result = streamText(request({ ...more, onError: ({ error }) => (failed ??= error) }));
  const kinds = (await all(result.fullStream)).map((part) => part.type);
  if (failed) throw failed;
  const [text, toolCalls, responseMessages, reasoningText, usage, finishReason] = await Promise.all([result.text, result.toolCalls, result.responseMessages, result.reasoningText, result.totalUsage ?? result.usage, result.finishReason]);
  return { text, toolCalls, responseMessages, reasoningText, usage, finishReason, kinds };
}

/** Asks, gives the tools' results back, and returns what the model makes of them. */
async function answered(names, get, more = {}) {
  const tools = Object.fromEntries(names.map((name) => [name, tool({ inputSchema: schema })]));
  const first = await get({ tools, ...more });
  const calls = await first.toolCalls;
  equal(calls.map((call) => call.toolName), names);
  equal(calls.map((call) => call.input), names.map(() => FITS));
  equal(first.finishReason, "tool-calls");
  const content = calls.map(({ toolCallId, toolName }) => ({ type: "tool-result", toolCallId, toolName, output: { type: "text", value: `${toolName}: é` } }));
  const messages = [{ role: "user", content: PROMPT }, ...first.responseMessages, { role: "tool", content }];
  const { text } = await get({ tools, messages, ...more });
  // Google's tools answer with documents.
  equal(text.replaceAll(/\{[^}]*"content":"([^"]*)"[^}]*\}/g, "$1"), `The tools said: ${names.map((name) => `${name}: é`).join("; ")}.`);
}

const cells = {
  async plain() {
    const answer = await ask();
    equal([answer.text, answer.finishReason], [said(PROMPT), "stop"]);
    ok(answer.usage.inputTokens > 0 && answer.usage.outputTokens > 0, JSON.stringify(answer.usage));
  },
  async stream() {
    const [answer, twin] = [await stream(), await ask()];
    equal([answer.text, answer.finishReason], [said(PROMPT), "stop"]);
    equal([answer.usage.inputTokens, answer.usage.outputTokens], [twin.usage.inputTokens, twin.usage.outputTokens]);
  },
  async image() {
    const content = [{ type: "text", text: PROMPT }, { type: "file", data: Buffer.from(PIXEL, "base64"), mediaType: "image/png" }];
    equal((await ask({ messages: [{ role: "user", content }] })).text, seen);
  },
  async error() {
    if (DEMO) return equal((await raises(APICallError, () => ask({ named: "demo/none" }))).statusCode, 404);
    for (const status of STATUSES) {
      for (const get of [ask, stream]) {
        const refused = await raises(APICallError, () => get({ named: model(`refuse-${status}`) }));
        equal([refused.statusCode, refused.message], [status, `scripted refusal ${status}`]);
        equal(refused.isRetryable, status === 429 || status >= 500);
      }
    }
    // A stream that breaks fails, and what came first is no answer. (One of chat may end without saying so.)
    const truncated = /chat|compatible/.test(ARGUMENT) ? [] : ["truncate"];
    for (const broken of DAEMON ? ["break", "hang-up", ...truncated] : ["break"]) {
      let got;
      try {
        got = await stream({ named: model(broken) });
      } catch (error) {
        ok(error, "an error");
        continue;
      }
      ok(false, `a broken stream (${broken}) ended as if it were whole: ${JSON.stringify(got)}`);
    }
  },
};
if (way.embed) {
  cells.embeddings = async () => {
    const named = way.embed(DEMO ? "demo/embed" : model("embedding"));
    const { embeddings } = await embedMany({ model: named, values: [PROMPT, "b"], maxRetries: 0 });
    equal(embeddings.map((one) => one.length), [8, 8]);
    equal((await embedMany({ model: named, values: ["b"], maxRetries: 0 })).embeddings[0], embeddings[1]);
  };
}

const scripted = {
  async structured_output() {
    for (const get of [ask, (more) => streamText(request(more))]) {
      const answer = await get({ output: Output.object({ schema }) });
      equal(await answer.output, FITS);
    }
  },
  async tools() {
    for (const get of [ask, stream]) await answered(["weather"], get);
  },
  async parallel_tools() {
    for (const get of [ask, stream]) await answered(["weather", "time", "place"], get);
  },
  async abort() {
    const controller = new AbortController();
    const result = streamText(request({ named: model("stall"), abortSignal: controller.signal, onError() {} }));
    const kinds = [];
    for await (const part of result.fullStream) {
      kinds.push(part.type);
      if (/delta/.test(part.type)) controller.abort();
    }
    ok(kinds.includes("abort"), `${kinds}`);
    const waiting = ask({ named: model("stall"), abortSignal: AbortSignal.timeout(300) });
    const error = await waiting.then(() => undefined, (error) => error);
    ok(/abort|timeout/i.test(`${error?.name}`), `${error?.stack}`);
  },
};
if (way.thinking) {
  scripted.thinking = async () => {
    for (const get of [ask, stream]) {
      const answer = await get({ providerOptions: way.thinking });
      equal(await answer.reasoningText, THOUGHT);
      // With tools between, what was thought goes back as it came; the provider refuses anything else.
      await answered(["weather"], get, { providerOptions: way.thinking });
    }
  };
}

await run(cells, scripted);
