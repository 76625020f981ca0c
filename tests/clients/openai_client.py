"""OpenAI's Python package against a homer: `openai_client.py http://127.0.0.1:PORT`."""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
checks = 0


def check(what, holds):
    global checks
    assert holds, what
    checks += 1


models = client.models.list().data
check("there is a model", len(models) >= 1)
name = models[0].id
check("it is there by its name", client.models.retrieve(name).id == name)

talk = [{"role": "system", "content": "You are Homer."}, {"role": "user", "content": "What's for dinner?"}]
answer = client.chat.completions.create(model=name, messages=talk, user="somebody", max_tokens=10, top_p=0.9)
reply = answer.choices[0].message.content
check("it answers", bool(reply) and answer.choices[0].finish_reason == "stop")
check("and counts", answer.usage.total_tokens > 0)

stream = client.chat.completions.create(
    model=name, messages=talk, stream=True, stream_options={"include_usage": True})
chunks = list(stream)
parts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
check("a stream says the same", "".join(parts) == reply)
check("in parts", len(parts) > 3)
check("and counts", chunks[-1].usage.total_tokens == answer.usage.total_tokens)

talk.append({"role": "assistant", "content": reply})
again = client.chat.completions.create(model=name, messages=talk).choices[0].message.content
check("it does not repeat itself", again != reply)

several = client.chat.completions.create(model=name, messages=talk[:2], n=3, temperature=1, seed=7)
texts = [choice.message.content for choice in several.choices]
check("three answers", len(set(texts)) == 3)
same = client.chat.completions.create(model=name, messages=talk[:2], n=3, temperature=1, seed=7)
check("a seed decides", [choice.message.content for choice in same.choices] == texts)

lines = ["Where is my hat?", "I have lost my hat.", "The soup is cold."]
floats = client.embeddings.create(model=name, input=lines, encoding_format="float").data
coded = client.embeddings.create(model=name, input=lines).data  # base64 on the way
check("as many vectors as lines", [one.index for one in floats] == [0, 1, 2])
check("the same both ways", all(
    abs(a - b) < 1e-6 for x, y in zip(floats, coded) for a, b in zip(x.embedding, y.embedding)))
dot = lambda i, j: sum(a * b for a, b in zip(floats[i].embedding, floats[j].embedding))
check("of unit length", abs(dot(0, 0) - 1) < 1e-5)
check("with a meaning", dot(0, 1) > dot(0, 2))

for call, kind in [
    (lambda: client.chat.completions.create(model="gpt-4o", messages=talk), openai.NotFoundError),
    (lambda: client.chat.completions.create(model=name, messages=[]), openai.BadRequestError),
    (lambda: client.embeddings.create(model=name, input=[]), openai.BadRequestError),
]:
    try:
        call()
        check(f"refused as {kind.__name__}", False)
    except kind as error:
        check("says why", bool(error.body["message"]) and error.code is not None)

print(f"openai {openai.__version__} of PyPI: {checks} passed, 0 failed")
