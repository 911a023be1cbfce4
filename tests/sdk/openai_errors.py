"""The official OpenAI SDK maps each of our errors and the provider's to the exception its users catch."""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="sdk-dummy-key", max_retries=0)
messages = [{"role": "user", "content": "hello"}]


def fails(model: str, kind: type[openai.APIStatusError], status: int, code: str | None) -> openai.APIStatusError:
    """Calls `model`, which must raise `kind` with this status and code."""
    try:
        client.chat.completions.create(model=model, messages=messages)
    except kind as error:
        assert error.status_code == status, (model, error.status_code)
        assert code is None or error.code == code, (model, error.code)
        return error
    raise AssertionError(f"{model} did not fail")


missing = fails("groq:llama", openai.APIStatusError, 402, "provider_key_missing")
assert "BITROUTER_GROQ_API_KEY" in missing.body["variables"], missing.body
assert missing.body["provider"] == "groq", missing.body

unknown = fails("no-such-model", openai.NotFoundError, 404, "model_not_found")
assert isinstance(unknown.body["suggestions"], list), unknown.body

limited = fails("openai:limited", openai.RateLimitError, 429, "rate_limit_exceeded")
assert limited.response.headers["retry-after"] == "7"

fails("openai:broken", openai.InternalServerError, 500, "upstream_error")
fails("openai:bad", openai.BadRequestError, 400, "bad_thing")

try:
    client.models.retrieve("no-such-model")
except openai.NotFoundError as error:
    assert error.code == "model_not_found", error.code
else:
    raise AssertionError("an unknown model was retrieved")

# A stream that breaks raises, after what came first.
got = []
try:
    for chunk in client.chat.completions.create(model="openai:cut", messages=messages, stream=True):
        got.append(chunk.choices[0].delta.content)
except openai.APIError as error:
    assert error.code == "upstream_interrupted", (error, error.code)
else:
    raise AssertionError("a broken stream ended as if it were whole")
assert got == ["before"], got
