"""The official OpenAI SDK: chat completions, completions, embeddings, models."""

import asyncio
import base64
import json

import openai
import pydantic
from cells import (BASE, DAEMON, DEMO, FITS, KEY, PIXEL, PREFIX, PROMPT, SCHEMA, STATUSES, THOUGHT, cell, equal, model,
                   raises, run, said, scripted)

client = openai.OpenAI(base_url=f"{BASE}/v1", api_key=KEY, max_retries=0, timeout=15)
USER = [{"role": "user", "content": PROMPT}]


def tool(name):
    """A tool with the usual arguments."""
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA}}


def chat(**more):
    """A chat completion."""
    return client.chat.completions.create(**{"model": model("m"), "messages": USER, **more})


@cell
def plain():
    answer = chat()
    equal(answer.choices[0].message.content, said(PROMPT))
    equal(answer.choices[0].finish_reason, "stop")
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0, answer.usage


@cell
def stream():
    chunks = list(chat(stream=True))
    equal("".join(chunk.choices[0].delta.content or "" for chunk in chunks), said(PROMPT))
    equal(chunks[-1].choices[0].finish_reason, "stop")
    # Nobody asked for the usage: no chunk is without a choice.
    assert all(chunk.usage is None for chunk in chunks), chunks
    counted = list(chat(stream=True, stream_options={"include_usage": True}))
    equal(counted[-1].choices, [])
    equal(counted[-1].usage.total_tokens, chat().usage.total_tokens)
    with client.chat.completions.stream(model=model("m"), messages=USER) as events:
        final = events.get_final_completion()
    equal(final.choices[0].message.content, said(PROMPT))


@cell
def stream_async():
    async def many():
        async with openai.AsyncOpenAI(base_url=f"{BASE}/v1", api_key=KEY, max_retries=0, timeout=15) as several:

            async def one(number):
                asked = [{"role": "user", "content": f"{PROMPT} {number}"}]
                chunks = await several.chat.completions.create(model=model("m"), messages=asked, stream=True)
                text = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
                equal(text, said(f"{PROMPT} {number}"))

            await asyncio.gather(*(one(number) for number in range(8)))

    asyncio.run(many())


def answered(names, streamed):
    """Asks, gives the tools' results back, and returns what the model makes of them."""
    offered = [tool(name) for name in names]
    if streamed:
        with client.chat.completions.stream(model=model("m"), messages=USER, tools=offered) as events:
            choice = events.get_final_completion().choices[0]
    else:
        choice = chat(tools=offered).choices[0]
    calls = choice.message.tool_calls
    equal([call.function.name for call in calls], names)
    equal([json.loads(call.function.arguments) for call in calls], [FITS] * len(names))
    equal(choice.finish_reason, "tool_calls")
    equal(len({call.id for call in calls}), len(names))
    results = [{"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name}: é"} for call in calls]
    message = {"role": "assistant", "content": None, "tool_calls": [call.to_dict() for call in calls]}
    for call in message["tool_calls"]:
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    return chat(messages=[*USER, message, *results], tools=offered).choices[0].message.content


@scripted
def tools():
    for streamed in [False, True]:
        equal(answered(["weather"], streamed), "The tools said: weather: é.")
    # A result of a call that never was is refused.
    stray = {"role": "tool", "tool_call_id": "call_nobody", "content": "x"}
    raises(openai.BadRequestError, lambda: chat(messages=[*USER, stray]))


@scripted
def parallel_tools():
    for streamed in [False, True]:
        equal(answered(["weather", "time", "place"], streamed), "The tools said: weather: é; time: é; place: é.")
    one = chat(tools=[tool("weather"), tool("time")], parallel_tool_calls=False)
    equal(len(one.choices[0].message.tool_calls), 1)


@cell
def image():
    url = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    parts = [{"type": "text", "text": PROMPT}, {"type": "image_url", "image_url": {"url": url}}]
    answer = chat(messages=[{"role": "user", "content": parts}]).choices[0].message.content
    equal(answer, PROMPT if DEMO else f"I see image/png of {len(PIXEL)} bytes.")
    if not DEMO:
        parts[1]["image_url"]["url"] = "data:image/png;base64,AAAA"
        error = raises(openai.BadRequestError, lambda: chat(messages=[{"role": "user", "content": parts}]))
        equal(error.code, "invalid_image")


@scripted
def thinking():
    whole = chat(reasoning_effort="low")
    equal(whole.choices[0].message.reasoning_content, THOUGHT)
    assert whole.usage.completion_tokens_details.reasoning_tokens > 0, whole.usage
    chunks = list(chat(reasoning_effort="low", stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    equal(thought, THOUGHT)
    # What was thought goes back as it came; the provider refuses anything else.
    before = {"role": "assistant", "content": "x", "reasoning_content": thought}
    equal(chat(messages=[*USER, before, *USER]).choices[0].message.content, said(PROMPT))
    before["reasoning_content"] = thought.replace("e\u0301", "é")
    raises(openai.BadRequestError, lambda: chat(messages=[*USER, before, *USER]))


class Trip(pydantic.BaseModel):
    """What a structured answer is read into."""

    city: str
    days: int


@cell
def structured_output():
    asked = [{"role": "user", "content": json.dumps(FITS)}]
    answer = client.chat.completions.parse(model=model("m"), messages=asked, response_format=Trip)
    equal(answer.choices[0].message.parsed.model_dump(), FITS)
    with client.chat.completions.stream(model=model("m"), messages=asked, response_format=Trip) as events:
        equal(events.get_final_completion().choices[0].message.parsed.model_dump(), FITS)


KINDS = {
    400: openai.BadRequestError, 401: openai.AuthenticationError, 403: openai.PermissionDeniedError,
    404: openai.NotFoundError, 413: openai.APIStatusError, 429: openai.RateLimitError, 500: openai.InternalServerError,
    503: openai.InternalServerError,
}


@cell
def error():
    if DEMO:
        missing = raises(openai.NotFoundError, lambda: chat(model="demo/none"))
        equal(missing.code, "model_not_found")
        return
    for status in STATUSES:
        for streamed in [False, True]:
            refused = raises(KINDS[status], lambda: chat(model=model(f"refuse-{status}"), stream=streamed))
            equal(refused.status_code, status)
            assert f"scripted refusal {status}" in refused.message, refused
    limited = raises(openai.RateLimitError, lambda: chat(model=model("refuse-429")))
    equal((limited.code, limited.response.headers["retry-after"]), ("rate_limit_exceeded", "7"))
    # The provider's own words arrive.
    alone = raises(openai.BadRequestError, lambda: chat(stream_options={"include_usage": True}))
    equal(alone.param, "stream_options")
    # A stream that breaks raises, and what came first is no answer.
    for broken in ["break", "hang-up"] if DAEMON else ["break"]:
        got = []
        raises(openai.APIError, lambda: got.extend(chunk.choices[0].delta.content for chunk in chat(model=model(broken), stream=True)))


@scripted
def abort():
    chunks = chat(model=model("stall"), stream=True)
    next(chunks)
    chunks.close()
    raises(openai.APITimeoutError, lambda: client.with_options(timeout=0.3).chat.completions.create(model=model("stall"), messages=USER))


@cell
def embeddings():
    named = "demo/embed" if DEMO else model("text-embedding-3-small")
    # The SDK asks for base64 by default and decodes it; both must be the same numbers.
    decoded = client.embeddings.create(model=named, input=[PROMPT, "b"])
    floats = client.embeddings.create(model=named, input=[PROMPT, "b"], encoding_format="float")
    equal([len(one.embedding) for one in decoded.data], [8, 8])
    for one, two in zip(decoded.data, floats.data, strict=True):
        assert all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, two.embedding, strict=True)), (one, two)
    assert decoded.data[0].embedding != decoded.data[1].embedding, decoded


@scripted
def completions():
    legacy = client.completions.create(model=model("m"), prompt=PROMPT)
    equal(legacy.choices[0].text, said(PROMPT))
    chunks = client.completions.create(model=model("m"), prompt=PROMPT, stream=True)
    equal("".join(chunk.choices[0].text for chunk in chunks if chunk.choices), said(PROMPT))


@cell
def models():
    listed = [one.id for one in client.models.list()]
    assert listed, "no models"
    wanted = "demo/" if DEMO else PREFIX.replace(":", "/")
    assert all(one.startswith(wanted) for one in listed), listed
    equal(client.models.retrieve(listed[0]).id, listed[0])
    if not DEMO:
        equal(chat(model=listed[0]).choices[0].message.content, said(PROMPT))
    raises(openai.NotFoundError, lambda: client.models.retrieve("no-such-model"))


run()
