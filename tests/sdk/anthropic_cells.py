"""The official Anthropic SDK: messages, their count, models."""

import asyncio
import base64
import json

import anthropic
import pydantic
from cells import (BASE, DAEMON, DEMO, FITS, KEY, PIXEL, PREFIX, PROMPT, SCHEMA, STATUSES, THOUGHT, cell, equal, model,
                   raises, run, said, scripted)

client = anthropic.Anthropic(base_url=BASE, api_key=KEY, max_retries=0, timeout=15)
USER = [{"role": "user", "content": PROMPT}]


def ask(**more):
    """A message."""
    return client.messages.create(**{"model": model("m"), "max_tokens": 2048, "messages": USER, **more})


def final(**more):
    """The message at the end of a stream, as the SDK puts it together."""
    with client.messages.stream(**{"model": model("m"), "max_tokens": 2048, "messages": USER, **more}) as events:
        return events.get_final_message()


def text(message):
    """What a message says."""
    return "".join(block.text for block in message.content if block.type == "text")


@cell
def plain():
    answer = ask()
    equal((text(answer), answer.stop_reason), (said(PROMPT), "end_turn"))
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer.usage


@cell
def stream():
    answer = final()
    equal((text(answer), answer.stop_reason), (said(PROMPT), "end_turn"))
    equal(answer.usage.output_tokens, ask().usage.output_tokens)
    events = list(ask(stream=True))
    equal((events[0].type, events[-1].type), ("message_start", "message_stop"))
    with client.messages.stream(model=model("m"), max_tokens=2048, messages=USER) as pieces:
        equal("".join(pieces.text_stream), said(PROMPT))


@cell
def stream_async():
    async def many():
        async with anthropic.AsyncAnthropic(base_url=BASE, api_key=KEY, max_retries=0, timeout=15) as several:

            async def one(number):
                asked = [{"role": "user", "content": f"{PROMPT} {number}"}]
                async with several.messages.stream(model=model("m"), max_tokens=99, messages=asked) as events:
                    equal(await events.get_final_text(), said(f"{PROMPT} {number}"))

            await asyncio.gather(*(one(number) for number in range(8)))

    asyncio.run(many())


def tool(name):
    """A tool with the usual arguments."""
    return {"name": name, "input_schema": SCHEMA}


def answered(names, get, **more):
    """Asks, gives the tools' results back, and returns what the model makes of them."""
    offered = [tool(name) for name in names]
    first = get(tools=offered, **more)
    calls = [block for block in first.content if block.type == "tool_use"]
    equal([call.name for call in calls], names)
    equal([call.input for call in calls], [FITS] * len(names))
    equal(first.stop_reason, "tool_use")
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"{call.name}: é"} for call in calls]
    turn = [*USER, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    return text(get(messages=turn, tools=offered, **more))


@scripted
def tools():
    for get in [ask, final]:
        equal(answered(["weather"], get), "The tools said: weather: é.")
    stray = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_nobody", "content": "x"}]}
    raises(anthropic.BadRequestError, lambda: ask(messages=[stray]))


@scripted
def parallel_tools():
    for get in [ask, final]:
        equal(answered(["weather", "time", "place"], get), "The tools said: weather: é; time: é; place: é.")
    alone = {"type": "auto", "disable_parallel_tool_use": True}
    equal(len(ask(tools=[tool("weather"), tool("time")], tool_choice=alone).content), 1)


@cell
def image():
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PIXEL).decode()}
    parts = [{"type": "text", "text": PROMPT}, {"type": "image", "source": source}]
    answer = text(ask(messages=[{"role": "user", "content": parts}]))
    equal(answer, PROMPT if DEMO else f"I see image/png of {len(PIXEL)} bytes.")
    if not DEMO:
        source["media_type"] = "image/jpeg"
        raises(anthropic.BadRequestError, lambda: ask(messages=[{"role": "user", "content": parts}]))


@scripted
def thinking():
    more = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    for get in [ask, final]:
        thought = get(**more).content[0]
        equal((thought.type, thought.thinking), ("thinking", THOUGHT))
        # With tools between, what was thought goes back as it came; the provider refuses anything else.
        equal(answered(["weather"], get, **more), "The tools said: weather: é.")
        for changed in [{"thinking": THOUGHT.strip() + " "}, {"signature": thought.signature.replace("+", "-")}]:
            before = {"role": "assistant", "content": [thought.to_dict() | changed, {"type": "text", "text": "x"}]}
            refused = raises(anthropic.BadRequestError, lambda: ask(messages=[*USER, before, *USER], **more))
            assert "Invalid `signature` in `thinking` block" in refused.message, refused
    cached = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    usage = final(system=cached, **more).usage
    equal((usage.cache_creation_input_tokens, usage.cache_creation.ephemeral_1h_input_tokens), (9, 3))


class Trip(pydantic.BaseModel):
    """What a structured answer is read into."""

    city: str
    days: int


@cell
def structured_output():
    asked = {"model": model("m"), "max_tokens": 99, "messages": [{"role": "user", "content": json.dumps(FITS)}]}
    equal(client.messages.parse(**asked, output_format=Trip).parsed_output.model_dump(), FITS)
    with client.messages.stream(**asked, output_format=Trip) as events:
        equal(events.get_final_message().parsed_output.model_dump(), FITS)


KINDS = {
    400: anthropic.BadRequestError, 401: anthropic.AuthenticationError, 403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError, 413: anthropic.ContentTooLargeError, 429: anthropic.RateLimitError,
    500: anthropic.InternalServerError, 503: anthropic.ServiceUnavailableError,
}


@cell
def error():
    if DEMO:
        equal(raises(anthropic.NotFoundError, lambda: ask(model="demo/none")).type, "not_found_error")
        return
    for status in STATUSES:
        for streamed in [False, True]:
            refused = raises(KINDS[status], lambda: ask(model=model(f"refuse-{status}"), stream=streamed))
            equal((refused.status_code, refused.api_message), (status, f"scripted refusal {status}"))
    limited = raises(anthropic.RateLimitError, lambda: ask(model=model("refuse-429")))
    equal((limited.type, limited.response.headers["retry-after"]), ("rate_limit_error", "7"))
    equal(limited.request_id, "req_scripted")
    # The provider's own words arrive, so that a client can leave out what is named and ask again.
    extra = raises(anthropic.BadRequestError, lambda: ask(extra_body={"temperature": 1.0}))
    equal(extra.api_message, "temperature: Extra inputs are not permitted")
    old = {"anthropic-version": "2023-06-01"}
    equal(text(ask(extra_body={"temperature": 1.0}, extra_headers=old)), said(PROMPT))
    # A stream that breaks raises, and what came first is no answer.
    for broken in ["break", "truncate", "hang-up"] if DAEMON else ["break"]:
        for get in [final, lambda **more: list(ask(stream=True, **more))]:
            try:
                got = get(model=model(broken))
            except anthropic.APIStatusError:
                continue
            raise AssertionError(f"a broken stream ended as if it were whole: {got}")


@scripted
def abort():
    events = ask(model=model("stall"), stream=True)
    next(events)
    events.close()
    hasty = client.with_options(timeout=0.3)
    raises(anthropic.APITimeoutError, lambda: hasty.messages.create(model=model("stall"), max_tokens=9, messages=USER))


@scripted
def beta():
    edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    asked = {"model": model("m"), "max_tokens": 99, "messages": USER, "context_management": edits}
    answer = client.beta.messages.create(**asked, betas=["context-management-2025-06-27"])
    equal(answer.content[0].text, said(PROMPT))
    # Without the header that opens it the member is refused.
    raises(anthropic.BadRequestError, lambda: client.beta.messages.create(**asked))


@cell
def count():
    counted = client.messages.count_tokens(model=model("m"), messages=USER).input_tokens
    equal(counted, ask().usage.input_tokens)


@cell
def models():
    listed = [one.id for one in client.models.list(limit=1000)]
    assert listed, "no models"
    wanted = "demo/" if DEMO else PREFIX.replace(":", "/")
    assert all(one.startswith(wanted) for one in listed), listed
    # Page by page it is the same list.
    equal([one.id for one in client.models.list(limit=1)], listed)
    equal(client.models.retrieve(listed[0]).id, listed[0])
    if not DEMO:
        equal(text(ask(model=listed[0])), said(PROMPT))
    raises(anthropic.NotFoundError, lambda: client.models.retrieve("no-such-model"))


run()
