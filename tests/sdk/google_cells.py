"""The official Google SDK: content, its count, embeddings, models."""

import asyncio
import json

import pydantic
from cells import (BASE, DAEMON, DEMO, FITS, KEY, PIXEL, PREFIX, PROMPT, SCHEMA, STATUSES, THOUGHT, cell, equal, model,
                   raises, run, said, scripted)
from google import genai
from google.genai import errors, types

client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=BASE, timeout=15_000))


def ask(contents=PROMPT, named=None, **config):
    """An answer."""
    return client.models.generate_content(model=named or model("m"), contents=contents, config=config or None)


def pieces(contents=PROMPT, named=None, **config):
    """The answers of a stream."""
    return client.models.generate_content_stream(model=named or model("m"), contents=contents, config=config or None)


def parts_of(answers):
    """All parts of some answers."""
    return [part for answer in answers for part in answer.candidates[0].content.parts or []]


@cell
def plain():
    answer = ask()
    equal((answer.text, answer.candidates[0].finish_reason), (said(PROMPT), types.FinishReason.STOP))
    assert answer.usage_metadata.prompt_token_count > 0, answer.usage_metadata


@cell
def stream():
    answers = list(pieces())
    equal("".join(answer.text or "" for answer in answers), said(PROMPT))
    equal(answers[-1].candidates[0].finish_reason, types.FinishReason.STOP)
    equal(answers[-1].usage_metadata.total_token_count, ask().usage_metadata.total_token_count)


@cell
def stream_async():
    async def many():
        async def one(number):
            asked = f"{PROMPT} {number}"
            answers = await client.aio.models.generate_content_stream(model=model("m"), contents=asked)
            equal("".join([answer.text or "" async for answer in answers]), said(asked))

        await asyncio.gather(*(one(number) for number in range(8)))

    asyncio.run(many())


def offer(names):
    """Tools with the usual arguments."""
    schema = {name: value for name, value in SCHEMA.items() if name != "additionalProperties"}
    functions = [types.FunctionDeclaration(name=name, parameters_json_schema=schema) for name in names]
    off = types.AutomaticFunctionCallingConfig(disable=True)
    return {"tools": [types.Tool(function_declarations=functions)], "automatic_function_calling": off}


def answered(names, get, **more):
    """Asks, gives the functions' results back, and returns what the model makes of them."""
    parts = parts_of(get(**offer(names), **more))
    calls = [part.function_call for part in parts if part.function_call]
    equal([call.name for call in calls], names)
    equal([call.args for call in calls], [FITS] * len(names))
    results = [types.Part.from_function_response(name=call.name, response={"output": f"{call.name}: é"}) for call in calls]
    turn = [
        types.Content(role="user", parts=[types.Part(text=PROMPT)]),
        types.Content(role="model", parts=parts),
        types.Content(role="user", parts=results),
    ]
    said_then = parts_of(get(contents=turn, **offer(names), **more))
    return "".join(part.text or "" for part in said_then if not part.thought)


def whole(**more):
    """An answer as a stream of one."""
    return [ask(**more)]


@scripted
def tools():
    for get in [whole, pieces]:
        equal(answered(["weather"], get), "The tools said: weather: é.")


@scripted
def parallel_tools():
    for get in [whole, pieces]:
        equal(answered(["weather", "time", "place"], get), "The tools said: weather: é; time: é; place: é.")


@cell
def image():
    answer = ask([types.Part.from_bytes(data=PIXEL, mime_type="image/png"), types.Part(text=PROMPT)]).text
    equal(answer, PROMPT if DEMO else f"I see image/png of {len(PIXEL)} bytes.")
    if not DEMO:
        wrong = types.Part.from_bytes(data=b"none", mime_type="image/png")
        equal(raises(errors.ClientError, lambda: ask([wrong])).code, 400)


@scripted
def thinking():
    more = {"thinking_config": types.ThinkingConfig(include_thoughts=True)}
    for get in [whole, pieces]:
        parts = parts_of(get(**more))
        equal("".join(part.text for part in parts if part.thought), THOUGHT)
        signed = [part for part in parts if part.thought_signature]
        equal(len(signed), 1)
        # With tools between, what was thought goes back as it came; the provider refuses anything else.
        equal(answered(["weather"], get, **more), "The tools said: weather: é.")
        signed[0].thought_signature = signed[0].thought_signature[:-1]
        turn = [types.Content(role="model", parts=parts), types.Content(role="user", parts=[types.Part(text="x")])]
        refused = raises(errors.ClientError, lambda: ask(turn, **more))
        equal(refused.message, "Thought signature is not valid.")
    assert ask(**more).usage_metadata.thoughts_token_count > 0


class Trip(pydantic.BaseModel):
    """What a structured answer is read into."""

    city: str
    days: int


@cell
def structured_output():
    answer = ask(json.dumps(FITS), response_mime_type="application/json", response_schema=Trip)
    equal(answer.parsed.model_dump(), FITS)
    answers = pieces(json.dumps(FITS), response_mime_type="application/json", response_json_schema=SCHEMA)
    equal(json.loads("".join(answer.text or "" for answer in answers)), FITS)


STATES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    413: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
}


@cell
def error():
    if DEMO:
        missing = raises(errors.ClientError, lambda: ask(named="demo/none"))
        equal((missing.code, missing.status), (404, "NOT_FOUND"))
        return
    for status in STATUSES:
        kind = errors.ClientError if status < 500 else errors.ServerError
        for get in [ask, lambda **more: list(pieces(**more))]:
            refused = raises(kind, lambda: get(named=model(f"refuse-{status}")))
            equal((refused.code, refused.status), (status, STATES[status]))
            equal(refused.message, f"scripted refusal {status}")
    # A stream that breaks raises, and what came first is no answer.
    for broken in ["break", "truncate", "hang-up"] if DAEMON else ["break"]:
        try:
            got = list(pieces(named=model(broken)))
        except errors.APIError:
            continue
        raise AssertionError(f"a broken stream ended as if it were whole: {got}")


@scripted
def abort():
    answers = pieces(named=model("stall"))
    next(answers)
    answers.close()
    hasty = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=BASE, timeout=1000))
    try:
        got = hasty.models.generate_content(model=model("stall"), contents=PROMPT)
    except Exception as late:  # the SDK lets the error of its transport through
        assert "imeout" in type(late).__name__, late
    else:
        raise AssertionError(f"an answer out of silence: {got}")


@cell
def embeddings():
    # Of other names the SDK makes one content, and so one vector, of both.
    named = "demo/embed" if DEMO else "gemini-embedding-001"
    vectors = client.models.embed_content(model=named, contents=[PROMPT, "b"]).embeddings
    equal([len(one.values) for one in vectors], [8, 8])
    assert vectors[0].values != vectors[1].values, vectors
    equal(client.models.embed_content(model=named, contents="b").embeddings[0].values, vectors[1].values)


@cell
def count():
    counted = client.models.count_tokens(model=model("m"), contents=PROMPT).total_tokens
    equal(counted + (0 if DEMO else 4), ask().usage_metadata.prompt_token_count)


@cell
def models():
    listed = [one.name for one in client.models.list(config={"query_base": True})]
    assert listed, "no models"
    wanted = "models/demo/" if DEMO else "models/" + PREFIX.replace(":", "/")
    assert all(one.startswith(wanted) for one in listed), listed
    equal([one.name for one in client.models.list(config={"query_base": True, "page_size": 1})], listed)
    equal(client.models.get(model=listed[0]).name, listed[0])
    if not DEMO:
        equal(ask(named=listed[0]).text, said(PROMPT))
        equal("".join(answer.text or "" for answer in pieces(named=listed[0].removeprefix("models/"))), said(PROMPT))
    equal(raises(errors.ClientError, lambda: client.models.get(model="models/no-such-model")).code, 404)


run()
