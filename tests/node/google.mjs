// The official Google SDK: content, its count, embeddings, models.

import { ApiError, GoogleGenAI } from "@google/genai";
import { BASE, DAEMON, DEMO, FITS, KEY, PIXEL, PREFIX, PROMPT, SCHEMA, STATUSES, THOUGHT, all, equal, model, ok, raises, run, said, seen } from "./cells.mjs";

const client = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: BASE, timeout: 15_000 } });
const ask = (more = {}) => client.models.generateContent({ model: model("m"), contents: PROMPT, ...more });
const pieces = (more = {}) => all(client.models.generateContentStream({ model: model("m"), contents: PROMPT, ...more }));
const whole = async (more) => [await ask(more)];
const partsOf = (answers) => answers.flatMap((answer) => answer.candidates[0].content.parts ?? []);
const textOf = (answers) => partsOf(answers).filter((part) => !part.thought).map((part) => part.text ?? "").join("");

/** Asks, gives the functions' results back, and returns what the model makes of them. */
async function answered(names, get, config = {}) {
  const functions = names.map((name) => ({ name, parametersJsonSchema: SCHEMA }));
  const offered = { ...config, tools: [{ functionDeclarations: functions }] };
  const parts = partsOf(await get({ config: offered }));
  const calls = parts.filter((part) => part.functionCall).map((part) => part.functionCall);
  equal(calls.map((call) => call.name), names);
  equal(calls.map((call) => call.args), names.map(() => FITS));
  const results = calls.map(({ id, name }) => ({ functionResponse: { id, name, response: { output: `${name}: é` } } }));
  const turn = [{ role: "user", parts: [{ text: PROMPT }] }, { role: "model", parts }, { role: "user", parts: results }];
  return textOf(await get({ contents: turn, config: offered }));
}

await run({
  async plain() {
    const answer = await ask();
    equal([answer.text, answer.candidates[0].finishReason], [said(PROMPT), "STOP"]);
    ok(answer.usageMetadata.promptTokenCount > 0);
  },
  async stream() {
    const answers = await pieces();
    equal(textOf(answers), said(PROMPT));
    equal(answers.at(-1).candidates[0].finishReason, "STOP");
    equal(answers.at(-1).usageMetadata.totalTokenCount, (await ask()).usageMetadata.totalTokenCount);
  },
  async image() {
    const contents = [{ inlineData: { data: PIXEL, mimeType: "image/png" } }, { text: PROMPT }];
    equal((await ask({ contents })).text, seen);
  },
  async structured_output() {
    const more = { contents: JSON.stringify(FITS), config: { responseMimeType: "application/json", responseJsonSchema: SCHEMA } };
    for (const get of [whole, pieces]) equal(JSON.parse(textOf(await get(more))), FITS);
  },
  async error() {
    if (DEMO) return equal((await raises(ApiError, () => ask({ model: "demo/none" }))).status, 404);
    for (const status of STATUSES) {
      for (const get of [ask, pieces]) {
        const refused = await raises(ApiError, () => get({ model: model(`refuse-${status}`) }));
        equal([refused.status, JSON.parse(refused.message).error.message], [status, `scripted refusal ${status}`]);
      }
    }
    // A stream that breaks throws, and what came first is no answer.
    for (const broken of DAEMON ? ["break", "truncate", "hang-up"] : ["break"]) {
      await raises(ApiError, () => pieces({ model: model(broken) }));
    }
  },
  async embeddings() {
    // Of other names the SDK makes one content, and so one vector, of both.
    const named = DEMO ? "demo/embed" : "gemini-embedding-001";
    const { embeddings } = await client.models.embedContent({ model: named, contents: [PROMPT, "b"] });
    equal(embeddings.map((one) => one.values.length), [8, 8]);
    const alone = await client.models.embedContent({ model: named, contents: "b" });
    equal(alone.embeddings[0].values, embeddings[1].values);
  },
  async count() {
    const counted = await client.models.countTokens({ model: model("m"), contents: PROMPT });
    equal(counted.totalTokens + (DEMO ? 0 : 4), (await ask()).usageMetadata.promptTokenCount);
  },
  async models() {
    const list = async (config) => (await all(client.models.list({ config }))).map((one) => one.name);
    const listed = await list({ queryBase: true });
    const wanted = DEMO ? "models/demo/" : `models/${PREFIX.replace(":", "/")}`;
    ok(listed.length && listed.every((name) => name.startsWith(wanted)), `${listed}`);
    equal(await list({ queryBase: true, pageSize: 1 }), listed);
    equal((await client.models.get({ model: listed[0] })).name, listed[0]);
    equal((await raises(ApiError, () => client.models.get({ model: "models/no-such-model" }))).status, 404);
    if (DEMO) return;
    equal((await ask({ model: listed[0] })).text, said(PROMPT));
    equal(textOf(await pieces({ model: listed[0].replace("models/", "") })), said(PROMPT));
  },
}, {
  async tools() {
    for (const get of [whole, pieces]) equal(await answered(["weather"], get), "The tools said: weather: é.");
  },
  async parallel_tools() {
    const said = "The tools said: weather: é; time: é; place: é.";
    for (const get of [whole, pieces]) equal(await answered(["weather", "time", "place"], get), said);
  },
  async thinking() {
    const config = { thinkingConfig: { includeThoughts: true } };
    for (const get of [whole, pieces]) {
      const parts = partsOf(await get({ config }));
      equal(parts.filter((part) => part.thought).map((part) => part.text).join(""), THOUGHT);
      const signed = parts.filter((part) => part.thoughtSignature);
      equal(signed.length, 1);
      // With tools between, what was thought goes back as it came; the provider refuses anything else.
      equal(await answered(["weather"], get, config), "The tools said: weather: é.");
      signed[0].thoughtSignature = signed[0].thoughtSignature.toLowerCase();
      const contents = [{ role: "model", parts }, { role: "user", parts: [{ text: "x" }] }];
      const refused = await raises(ApiError, () => ask({ contents, config }));
      ok(refused.message.includes("Thought signature is not valid."), refused.message);
    }
  },
  async abort() {
    for await (const _ of await client.models.generateContentStream({ model: model("stall"), contents: PROMPT })) break;
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 200);
    try {
      await ask({ model: model("stall"), config: { abortSignal: controller.signal } });
    } catch (error) {
      return ok(/abort/i.test(`${error?.name} ${error?.message}`), `${error?.stack}`);
    }
    ok(false, "an answer out of silence");
  },
});
