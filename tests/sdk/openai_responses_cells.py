"""The official OpenAI SDK: the Responses API."""

import base64
import json

import openai
import pydantic
from cells import (BASE, DAEMON, DEMO, FITS, KEY, PIXEL, PROMPT, SCHEMA, STATUSES, THOUGHT, cell, equal, model, raises,
                   run, said, scripted)

client = openai.OpenAI(base_url=f"{BASE}/v1", api_key=KEY, max_retries=0, timeout=15)


def ask(**more):
    """A response."""
    return client.responses.create(**{"model": model("m"), "input": PROMPT, **more})


def final(**more):
    """The response at the end of a stream, as the SDK puts it together."""
    with client.responses.stream(**{"model": model("m"), "input": PROMPT, **more}) as events:
        kinds = [event.type for event in events]
        answer = events.get_final_response()
    equal((kinds[0], kinds[-1]), ("response.created", "response.completed"))
    return answer


@cell
def plain():
    answer = ask()
    equal((answer.output_text, answer.status), (said(PROMPT), "completed"))
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer.usage


@cell
def stream():
    answer = final()
    equal(answer.output_text, said(PROMPT))
    equal(answer.usage.total_tokens, ask().usage.total_tokens)
    events = list(ask(stream=True))
    equal("".join(event.delta for event in events if event.type == "response.output_text.delta"), said(PROMPT))
    equal([event.sequence_number for event in events], list(range(len(events))))


def tool(name):
    """A tool with the usual arguments."""
    return {"type": "function", "name": name, "parameters": SCHEMA, "strict": True}


def answered(names, get, **more):
    """Asks, gives the tools' results back, and returns what the model makes of them."""
    offered = [tool(name) for name in names]
    first = get(tools=offered, **more)
    calls = [item for item in first.output if item.type == "function_call"]
    equal([call.name for call in calls], names)
    equal([json.loads(call.arguments) for call in calls], [FITS] * len(names))
    outputs = [{"type": "function_call_output", "call_id": call.call_id, "output": f"{call.name}: é"} for call in calls]
    said_before = [item.to_dict() for item in first.output]
    for item in said_before:
        item.pop("parsed_arguments", None)
    turn = [{"role": "user", "content": PROMPT}, *said_before, *outputs]
    return get(input=turn, tools=offered, **more).output_text


@scripted
def tools():
    for get in [ask, final]:
        equal(answered(["weather"], get), "The tools said: weather: é.")
    stray = [{"type": "function_call_output", "call_id": "call_nobody", "output": "x"}]
    raises(openai.BadRequestError, lambda: ask(input=stray))


@scripted
def parallel_tools():
    for get in [ask, final]:
        equal(answered(["weather", "time", "place"], get), "The tools said: weather: é; time: é; place: é.")
    one = ask(tools=[tool("weather"), tool("time")], parallel_tool_calls=False)
    equal(len(one.output), 1)


@cell
def image():
    url = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    parts = [{"type": "input_text", "text": PROMPT}, {"type": "input_image", "detail": "auto", "image_url": url}]
    answer = ask(input=[{"role": "user", "content": parts}]).output_text
    equal(answer, PROMPT if DEMO else f"I see image/png of {len(PIXEL)} bytes.")


@scripted
def thinking():
    more = {"reasoning": {"effort": "low", "summary": "auto"}, "store": False, "include": ["reasoning.encrypted_content"]}
    for get in [ask, final]:
        first = get(**more)
        thought = first.output[0]
        equal((thought.type, thought.summary[0].text), ("reasoning", THOUGHT))
        assert thought.encrypted_content, thought
        assert first.usage.output_tokens_details.reasoning_tokens > 0, first.usage
        # With tools between, what was thought goes back as it came; the provider refuses anything else.
        equal(answered(["weather"], get, **more), "The tools said: weather: é.")
        changed = thought.to_dict() | {"encrypted_content": thought.encrypted_content.replace("+", "-")}
        changed["summary"] = [{"type": "summary_text", "text": "another"}]
        turn = [{"role": "user", "content": PROMPT}, changed, {"role": "user", "content": "x"}]
        refused = raises(openai.BadRequestError, lambda: ask(input=turn, **more))
        equal(refused.code, "invalid_encrypted_content")


class Trip(pydantic.BaseModel):
    """What a structured answer is read into."""

    city: str
    days: int


@cell
def structured_output():
    asked = json.dumps(FITS)
    answer = client.responses.parse(model=model("m"), input=asked, text_format=Trip)
    equal(answer.output_parsed.model_dump(), FITS)
    equal(final(input=asked, text_format=Trip).output_parsed.model_dump(), FITS)


KINDS = {
    400: openai.BadRequestError, 401: openai.AuthenticationError, 403: openai.PermissionDeniedError,
    404: openai.NotFoundError, 413: openai.APIStatusError, 429: openai.RateLimitError, 500: openai.InternalServerError,
    503: openai.InternalServerError,
}


@cell
def error():
    if DEMO:
        equal(raises(openai.NotFoundError, lambda: ask(model="demo/none")).code, "model_not_found")
        return
    for status in STATUSES:
        for streamed in [False, True]:
            refused = raises(KINDS[status], lambda: ask(model=model(f"refuse-{status}"), stream=streamed))
            assert f"scripted refusal {status}" in refused.message, refused
    lost = raises(openai.BadRequestError, lambda: ask(previous_response_id="resp_nobody"))
    equal(lost.code, "previous_response_not_found")
    extra = raises(openai.BadRequestError, lambda: ask(extra_body={"odd_member": 1}))
    equal(extra.code, "unknown_parameter")
    for broken in ["break", "truncate", "hang-up"] if DAEMON else ["break"]:
        raises(openai.APIError, lambda: list(ask(model=model(broken), stream=True)))


@scripted
def abort():
    events = ask(model=model("stall"), stream=True)
    next(events)
    events.close()
    hasty = client.with_options(timeout=0.3)
    raises(openai.APITimeoutError, lambda: hasty.responses.create(model=model("stall"), input=PROMPT))


@cell
def count():
    counted = client.responses.input_tokens.count(model=model("m"), input=PROMPT)
    equal(counted.input_tokens + (0 if DEMO else 4), ask().usage.input_tokens)


@scripted
def stored():
    first = ask()
    second = ask(input="again", previous_response_id=first.id)
    equal(second.previous_response_id, first.id)
    equal(client.responses.retrieve(first.id).output_text, said(PROMPT))
    items = client.responses.input_items.list(first.id)
    equal(items.data[0].content[0].text, PROMPT)
    raises(openai.BadRequestError, lambda: client.responses.cancel(first.id))
    client.responses.delete(first.id)
    raises(openai.NotFoundError, lambda: client.responses.retrieve(first.id))


run()
