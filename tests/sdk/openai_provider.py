"""The official OpenAI SDK through the daemon to a scripted provider."""

import asyncio
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="sdk-dummy-key", max_retries=0)
messages = [{"role": "user", "content": "hello"}]

reply = client.chat.completions.create(model="openai:gpt-x", messages=messages)
assert reply.choices[0].message.content.endswith("model gpt-x"), reply

parts = client.chat.completions.create(model="openai:gpt-x", messages=messages, stream=True)
text = "".join(chunk.choices[0].delta.content or "" for chunk in parts)
assert text.endswith("model gpt-x"), text

embedding = client.embeddings.create(model="openai:embed", input="x", encoding_format="float")
assert embedding.data[0].embedding == [0.25, -0.5], embedding

listed = client.models.list()
assert listed.data and all(model.id.startswith("openai/") for model in listed.data), listed
first = listed.data[0].id
assert client.models.retrieve(first).id == first


async def many() -> None:
    """Fifty streams at once, each whole."""
    async with openai.AsyncOpenAI(base_url=sys.argv[1], api_key="sdk-dummy-key", max_retries=0) as several:

        async def one(number: int) -> None:
            model = f"openai:m-{number}"
            stream = await several.chat.completions.create(model=model, messages=messages, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            assert text.endswith(f"model m-{number}"), text

        await asyncio.gather(*(one(number) for number in range(50)))


asyncio.run(many())
