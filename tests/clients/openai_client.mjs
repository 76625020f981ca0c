// OpenAI's JavaScript package against a homer: `node openai_client.mjs http://127.0.0.1:PORT`.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// Found where it was installed, beside no source file.
const from = createRequire(pathToFileURL(process.cwd() + "/"));
const { OpenAI, NotFoundError, BadRequestError } = from("openai");
const { VERSION: version } = from("openai/version");

const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none", maxRetries: 0 });
let checks = 0;
const check = (holds, what) => { assert.ok(holds, what); checks++; };

const [{ id: model }] = (await client.models.list()).data;
const messages = [{ role: "user", content: "What's for dinner?" }];
const answer = await client.chat.completions.create({ model, messages });
const reply = answer.choices[0].message.content;
check(reply.length > 0, "it answers");

let streamed = "";
for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
}
check(streamed === reply, "a stream says the same");

const helped = client.chat.completions.stream({ model, messages });
check((await helped.finalContent()) === reply, "through the stream helper too");

messages.push({ role: "assistant", content: reply });
const again = await client.chat.completions.create({ model, messages });
check(again.choices[0].message.content !== reply, "it does not repeat itself");

const input = ["Where is my hat?", "The soup is cold."];
const floats = await client.embeddings.create({ model, input, encoding_format: "float" });
const coded = await client.embeddings.create({ model, input });
check(floats.data.length === 2 && floats.data[0].embedding.length === coded.data[0].embedding.length, "vectors");
check(floats.data.every((one, i) => one.embedding.every((x, j) => Math.abs(x - coded.data[i].embedding[j]) < 1e-6)), "the same both ways");

await assert.rejects(client.chat.completions.create({ model: "gpt-4o", messages }), NotFoundError);
await assert.rejects(client.embeddings.create({ model, input: [] }), BadRequestError);
checks += 2;
console.log(`openai ${version} of npm: ${checks} passed, 0 failed`);
