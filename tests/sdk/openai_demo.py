"""The official OpenAI SDK against the built-in provider: what the README promises works when pasted."""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="sdk-dummy-key")
messages = [{"role": "user", "content": "three little words"}]

reply = client.chat.completions.create(model="demo/echo", messages=messages)
assert reply.choices[0].message.content == "three little words", reply
assert reply.choices[0].finish_reason == "stop", reply
assert reply.usage.completion_tokens == 3, reply

chunks = list(client.chat.completions.create(model="demo/echo", messages=messages, stream=True))
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert text == "three little words", chunks
assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop", chunks

# The SDK asks for base64 by default and decodes it; both must be the same numbers.
decoded = client.embeddings.create(model="demo/embed", input="a")
floats = client.embeddings.create(model="demo/embed", input="a", encoding_format="float")
assert len(decoded.data[0].embedding) == 8, decoded
pairs = zip(decoded.data[0].embedding, floats.data[0].embedding, strict=True)
assert all(abs(one - two) < 1e-6 for one, two in pairs), (decoded, floats)

models = [model.id for model in client.models.list()]
assert "demo/echo" in models, models
assert client.models.retrieve("demo/echo").id == "demo/echo"

with client.chat.completions.with_streaming_response.create(model="demo/echo", messages=messages) as raw:
    assert raw.headers["x-bitrouter-request-id"].startswith("req_"), raw.headers
