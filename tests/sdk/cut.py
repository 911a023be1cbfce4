"""The official SDKs read a stream that a budget cut: `cut.py ADDRESS chat|responses|anthropic|google`."""

import sys

ROOT, CLIENT = sys.argv[1:3]
KEY = "sdk-dummy-key"
USER = [{"role": "user", "content": "hello"}]


def chat():
    """OpenAI's chat completions: chunks, and what the SDK puts together of them."""
    import openai

    client = openai.OpenAI(base_url=f"{ROOT}/v1", api_key=KEY, max_retries=0, timeout=15)
    chunks = list(
        client.chat.completions.create(
            model="acme:m", messages=USER, stream=True, max_tokens=800, stream_options={"include_usage": True}
        )
    )
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == ["length"], reasons
    assert chunks[-1].usage.completion_tokens > 0, chunks[-1]
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def responses():
    """OpenAI's responses: the SDK keeps a snapshot of the response, and fails where an event does not fit it."""
    import openai

    client = openai.OpenAI(base_url=f"{ROOT}/v1", api_key=KEY, max_retries=0, timeout=15)
    with client.responses.stream(model="acme:m", input="hello", max_output_tokens=800) as stream:
        events = list(stream)
    last = events[-1]
    assert last.type == "response.incomplete", [event.type for event in events[-5:]]
    assert last.response.status == "incomplete", last
    assert last.response.incomplete_details.reason == "max_output_tokens", last
    return last.response.output_text


def anthropic_messages():
    """Anthropic's messages: the SDK's accumulator."""
    import anthropic

    client = anthropic.Anthropic(base_url=ROOT, api_key=KEY, max_retries=0, timeout=15)
    with client.messages.stream(model="acme:m", max_tokens=800, messages=USER) as events:
        message = events.get_final_message()
    assert message.stop_reason == "max_tokens", message
    assert message.usage.output_tokens > 0, message
    return message.content[0].text


def google():
    """Google's SDK."""
    from google import genai

    options = genai.types.HttpOptions(base_url=ROOT, api_version="v1beta", timeout=15_000)
    client = genai.Client(api_key=KEY, http_options=options)
    chunks = list(client.models.generate_content_stream(model="acme:m", contents="hello"))
    assert chunks[-1].candidates[0].finish_reason == genai.types.FinishReason.MAX_TOKENS, chunks[-1]
    return "".join(chunk.text or "" for chunk in chunks)


text = {"chat": chat, "responses": responses, "anthropic": anthropic_messages, "google": google}[CLIENT]()
assert text.startswith("word0 word1 ") and "word90 " in text, text[:100]
