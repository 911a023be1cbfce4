"""What the official SDKs raise where a content rule blocks: a request, a reply, a stream before and after its first text.

Arguments: where the daemon is, and the key that the rule binds. The models are those of `tests/tests/policies/sdks.rs`.
"""

import sys

import anthropic
import openai
from google import genai
from google.genai import errors, types

ROOT, KEY = sys.argv[1:3]
BLOCKED = "content_blocked"
WORD = "forbidden-word"
FINE = "hello"

openai_client = openai.OpenAI(base_url=f"{ROOT}/v1", api_key=KEY, max_retries=0, timeout=15)
anthropic_client = anthropic.Anthropic(base_url=ROOT, api_key=KEY, max_retries=0, timeout=15)
google_client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=ROOT, timeout=15_000))


def chat(model, said, stream):
    """The texts of a chat completion."""
    got = openai_client.chat.completions.create(model=model, messages=[{"role": "user", "content": said}], stream=stream)
    if not stream:
        yield got.choices[0].message.content
        return
    for chunk in got:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


def responses(model, said, stream):
    """The texts of a response."""
    got = openai_client.responses.create(model=model, input=said, stream=stream)
    if not stream:
        yield got.output_text
        return
    for event in got:
        if event.type == "response.output_text.delta":
            yield event.delta


def messages(model, said, stream):
    """The texts of a message."""
    asked = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": said}]}
    if not stream:
        yield anthropic_client.messages.create(**asked).content[0].text
        return
    with anthropic_client.messages.stream(**asked) as pieces:
        yield from pieces.text_stream


def google(model, said, stream):
    """The texts of a content."""
    if not stream:
        yield google_client.models.generate_content(model=model, contents=said).text
        return
    for answer in google_client.models.generate_content_stream(model=model, contents=said):
        if answer.text:
            yield answer.text


def code(error):
    """The code of one of our errors."""
    if isinstance(error, openai.APIError):
        return error.code
    if isinstance(error, anthropic.APIError):
        return error.body["error"]["code"]
    details = error.details
    details = details[0] if isinstance(details, list) else details
    return details["error"]["details"][0]["reason"].lower()


KINDS = (openai.APIError, anthropic.APIError, errors.APIError)

for ask in [chat, responses, messages, google]:
    for stream in [False, True]:
        assert "".join(ask("acme:fine", FINE, stream)) == "All is well.", ask
        for model, said, before in [
            ("acme:fine", WORD, ""),
            ("acme:at-once", FINE, ""),
            ("acme:later", FINE, "All is well: "),
        ]:
            got = []
            try:
                for text in ask(model, said, stream):
                    got.append(text)
            except KINDS as error:
                assert code(error) == BLOCKED, (ask, model, stream, error)
            else:
                raise AssertionError(f"{ask} {model} {stream} raised nothing: {got}")
            expected = before if stream and said == FINE else ""
            assert "".join(got) == expected, (ask, model, stream, got)
