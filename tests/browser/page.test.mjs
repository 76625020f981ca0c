import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Visitor, builtIn, launch, persona, remove, serve } from "./harness.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const CHARACTER = "<b onclick=\"window.harmed=1\">Rufus</b>";
const LONG = "Donaudampfschifffahrtsgesellschaftskapitaensmuetzenabzeichen".repeat(6);
const EXCHANGES = [
  ["Where is my hat?", "<img src=x onerror=\"window.harmed=1\"> On the moose."],
  ["Who are you?", "<script>window.harmed=1</script> Nobody."],
  ["Are you hungry?", "Only for pie &amp; \u001b[31mred\u001b[0m beer."],
  ["Will it rain today?", "\u202eUpside down it does."],
  ["Tell me a long word.", LONG],
  ["What is the time?", "Too late, as always."],
];

let folder, browser, one, two;

before(async () => {
  folder = await persona(CHARACTER, EXCHANGES);
  [browser, one, two] = await Promise.all([
    launch(), serve(["rufus=" + folder]), serve(["homer=" + builtIn, "rufus=" + folder]),
  ]);
});

after(async () => {
  one?.close();
  two?.close();
  await browser?.close();
  remove(folder);
});

/** A browser of its own; what it asked for and complained about is seen. */
async function visit(body, { server = one, ...options } = {}) {
  const context = await browser.newContext(options);
  const seen = { urls: [], complaints: [] };
  context.on("request", (request) => seen.urls.push(request.url()));
  context.on("console", (message) => { if (message.type() === "error") seen.complaints.push(message.text()); });
  context.on("weberror", (error) => seen.complaints.push(String(error.error())));
  context.setDefaultTimeout(10_000);
  try {
    await body(context, server.url, seen);
  } finally {
    await context.close();
  }
}

test("two tabs have a conversation each, and a reload keeps it", () => visit(async (context, url) => {
  const [left, right] = [await Visitor.at(context, url), await Visitor.at(context, url)];
  await left.says("Where is my hat?");
  await right.says("What is the time?");
  await left.says("Are you hungry?");
  assert.deepEqual(await left.questions(), ["Where is my hat?", "Are you hungry?"]);
  assert.deepEqual(await right.questions(), ["What is the time?"]);
  // Each sends its own conversation, and no other.
  const sent = right.page.waitForRequest((request) => request.url().endsWith("/completions"));
  await right.says("Who are you?");
  const { messages } = (await sent).postDataJSON();
  assert.deepEqual(messages.map((message) => message.content),
    ["What is the time?", (await right.replies())[0], "Who are you?"]);
  const before = await left.replies();
  await left.reload();
  await left.answered(1);
  assert.deepEqual(await left.replies(), before);
  assert.deepEqual(await left.questions(), ["Where is my hat?", "Are you hungry?"]);
}));

test("one sees that somebody thinks, and a reload in between loses no question", () => visit(async (context, url) => {
  const visitor = await Visitor.at(context, url);
  let answer;
  await context.route("**/completions", async (route) => {
    await new Promise((done) => { answer = done; });
    await route.continue().catch(() => {});
  }, { times: 1 });
  await visitor.page.locator("#question").fill("What is the time?");
  await visitor.page.keyboard.press("Enter");
  const thinking = visitor.last().locator(".thinking");
  await thinking.waitFor({ state: "visible" });
  assert.match(await thinking.textContent(), /is thinking/);
  assert.equal(await visitor.page.locator("#log").getAttribute("aria-busy"), "true");
  await visitor.reload();
  answer();
  await visitor.answered(0);
  assert.deepEqual(await visitor.questions(), ["What is the time?"]);
  assert.deepEqual(await visitor.replies(), ["Too late, as always."]);
}));

test("why shows the candidates, their scores and what they were said to", () => visit(async (context, url) => {
  const visitor = await Visitor.at(context, url);
  await visitor.says("What is the time?");
  const why = visitor.button("Why this?");
  assert.equal(await why.getAttribute("aria-expanded"), "false");
  await why.click();
  assert.equal(await why.getAttribute("aria-expanded"), "true");
  const shown = visitor.last().locator(".why li");
  assert.equal(await shown.count(), EXCHANGES.length);
  const first = await shown.first().textContent();
  assert.match(first, /Too late, as always\./);
  assert.match(first, /cosine 0\.\d{3}/);
  assert.match(first, /said to Ada: “What is the time\?”/);
  await visitor.reload();
  await visitor.button("Why this?").click();
  assert.equal(await shown.count(), EXCHANGES.length);
}));

test("said another way it is another line each time, until there is none", () => visit(async (context, url) => {
  const visitor = await Visitor.at(context, url);
  const said = [await visitor.says("What is the time?")];
  while (said.length < EXCHANGES.length) said.push(await visitor.another());
  assert.equal(new Set(said).size, EXCHANGES.length);
  assert.equal(await visitor.another(), said.at(-1));
  await visitor.page.getByText("has nothing else to say").waitFor();
  // What was answered before is not taken back.
  await visitor.says("And now?");
  assert.equal(await visitor.page.getByRole("button", { name: "Say it another way" }).count(), 1);
}));

test("thumbs are kept with what they are about", () => visit(async (context, url) => {
  const visitor = await Visitor.at(context, url);
  await visitor.says("Where is my hat?");
  await visitor.says("What is the time?");
  const kept = () => readFileSync(join(folder, "runs/feedback.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  await visitor.button("Bad answer").click();
  await visitor.page.getByText("kept for training").waitFor();
  const [query, reply] = [(await visitor.questions())[1], (await visitor.replies())[1]];
  const context_ = [(await visitor.questions())[0], (await visitor.replies())[0]];
  assert.deepEqual(kept().at(-1), { query, context: context_, reply, verdict: "down", persona: "rufus" });
  const up = visitor.button("Good answer");
  await Promise.all([visitor.page.waitForResponse("**/v1/feedback"), up.click()]);
  assert.equal(await visitor.button("Bad answer").getAttribute("aria-pressed"), "false");
  await visitor.reload();
  assert.equal(await up.getAttribute("aria-pressed"), "true");
  assert.equal(kept().at(-1).verdict, "up");
}));

test("whatever stands in a script or a question is text, and the page asks no other host", () => visit(async (context, url, seen) => {
  const visitor = await Visitor.at(context, url);
  assert.equal(await visitor.page.title(), CHARACTER);
  assert.equal(await visitor.page.locator("h1").textContent(), CHARACTER);
  for (const [query] of EXCHANGES.slice(0, 4)) await visitor.says(query);
  await visitor.says("<img src=y onerror=\"window.harmed=1\"><iframe src=\"javascript:window.harmed=1\">");
  await visitor.button("Why this?").click();
  const replies = await visitor.replies();
  assert.ok(replies.some((reply) => reply.includes("<img src=x")) && replies.some((reply) => reply.includes("<script>")), replies.join("\n"));
  assert.equal(await visitor.page.evaluate(() => window.harmed), undefined);
  assert.equal(await visitor.page.locator("main img, main script, main iframe, main b").count(), 0);
  assert.deepEqual(seen.urls.filter((one) => !one.startsWith(url + "/")), []);
  assert.deepEqual(seen.complaints, []);
}));

test("a conversation is saved as text and as JSON, and begun anew without being lost", () => visit(async (context, url) => {
  const visitor = await Visitor.at(context, url);
  await visitor.says("What is the time?");
  const first = await visitor.another();
  const saved = async (name) => {
    const [download] = await Promise.all([visitor.page.waitForEvent("download"), visitor.page.getByRole("button", { name }).click()]);
    return readFileSync(await download.path(), "utf8");
  };
  assert.equal(await saved("Save text"), `You: What is the time?\n${CHARACTER}: ${first.replace(/\n/g, " ")}\n`);
  const json = JSON.parse(await saved("Save JSON"));
  assert.deepEqual(json, { persona: "rufus", character: CHARACTER,
    talk: [{ question: "What is the time?", answer: first, verdict: null, taken_back: ["Too late, as always."] }] });
  await visitor.page.getByRole("button", { name: "New conversation" }).click();
  assert.equal(await visitor.turns().count(), 0);
  await visitor.page.getByRole("button", { name: "Bring the old one back" }).click();
  assert.deepEqual(await visitor.questions(), ["What is the time?"]);
  await visitor.reload();
  assert.deepEqual(await visitor.questions(), ["What is the time?"]);
}));

test("each persona of several has a conversation of its own", () => visit(async (context, url) => {
  const visitor = await Visitor.at(context, url);
  await visitor.says("Hello!");
  await visitor.page.getByLabel("Talk with").selectOption("rufus");
  assert.equal(await visitor.page.locator("h1").textContent(), CHARACTER);
  await visitor.says("What is the time?");
  await visitor.reload();
  assert.deepEqual(await visitor.questions(), ["What is the time?"]);
  await visitor.page.getByLabel("Talk with").selectOption("homer");
  assert.deepEqual(await visitor.questions(), ["Hello!"]);
}, { server: { get url() { return two.url; } } }));

test("hands that use no mouse reach everything", () => visit(async (context, url) => {
  const visitor = await Visitor.at(context, url);
  const focus = () => visitor.page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.textContent);
  assert.equal(await focus(), "question");
  await visitor.page.keyboard.type("What is");
  await visitor.page.keyboard.press("Shift+Enter");
  await visitor.page.keyboard.type("the time?");
  await visitor.page.keyboard.press("Enter");
  await visitor.answered(0);
  assert.deepEqual(await visitor.questions(), ["What is\nthe time?"]);
  assert.equal(await focus(), "question");
  await visitor.page.keyboard.press("ArrowUp");
  assert.equal(await visitor.page.locator("#question").inputValue(), "What is\nthe time?");
  await visitor.page.keyboard.press("Shift+Tab");
  assert.equal(await focus(), "thumb down");
  for (const name of ["thumb up", "other", "why-button"]) {
    await visitor.page.keyboard.press("Shift+Tab");
    assert.equal(await focus(), name);
  }
  await visitor.page.keyboard.press("Space");
  await visitor.last().locator(".why").waitFor({ state: "visible" });
}));

test("when the server is away one is told, and can try again", () => visit(async (context, url) => {
  const visitor = await Visitor.at(context, url);
  await context.route("**/completions", (route) => route.abort(), { times: 1 });
  await visitor.page.locator("#question").fill("What is the time?");
  await visitor.page.keyboard.press("Enter");
  await visitor.page.getByText("The server cannot be reached.").waitFor();
  await visitor.button("Try again").click();
  await visitor.answered(0);
  assert.deepEqual(await visitor.replies(), ["Too late, as always."]);
  assert.equal(await visitor.page.getByText("The server cannot be reached.").isVisible(), false);
  // A full queue is waited for.
  await context.route("**/completions", (route) => route.fulfill({ status: 429, headers: { "Retry-After": "1" }, body: "{}" }), { times: 1 });
  await visitor.says("And now?");
}));

test("a server with a key asks for it until it is right", async () => {
  const locked = await serve(["rufus=" + folder], { HOMER_API_KEY: "open sesame" });
  try {
    await visit(async (context, url) => {
      const page = await context.newPage();
      await page.goto(url);
      await page.getByLabel("API key").fill("open barley");
      await page.keyboard.press("Enter");
      await page.getByText("That was not the key.").waitFor();
      await accessible(page, "the key");
      await page.getByLabel("API key").fill("open sesame");
      await page.keyboard.press("Enter");
      const visitor = new Visitor(page);
      await page.locator("h1", { hasText: "Rufus" }).waitFor();
      assert.equal(await visitor.says("What is the time?"), "Too late, as always.");
    }, { server: locked });
  } finally {
    locked.close();
  }
});

/** Fails where axe finds something that is serious. */
async function accessible(page, where) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  const bad = violations.filter((one) => ["serious", "critical"].includes(one.impact));
  assert.deepEqual(bad.map((one) => one.id + ": " + one.nodes.map((node) => node.html).join(" ")), [], where);
  assert.ok(passes.length > 10, where);
}

for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 1280]) {
    test(`at ${width} pixels in ${colorScheme} nothing sticks out and axe finds nothing serious`, () => visit(async (context, url) => {
      const visitor = await Visitor.at(context, url);
      await visitor.page.getByLabel("Talk with").selectOption("rufus");
      const fits = async (where) => {
        const [inner, all] = await visitor.page.evaluate(() => [innerWidth,
          Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll("body, main, header, footer")].map((one) => one.scrollWidth))]);
        assert.ok(all <= inner, `${where}: ${all} of ${inner}`);
      };
      await fits("at first");
      await accessible(visitor.page, "at first");
      assert.equal(await visitor.says("Tell me a long word."), LONG);
      await visitor.says(LONG.slice(0, 200));
      await visitor.button("Why this?").click();
      await visitor.button("Good answer").click();
      await visitor.page.getByText("kept for training").waitFor();
      await fits("talking");
      await accessible(visitor.page, "talking");
    }, { server: { get url() { return two.url; } }, colorScheme, viewport: { width, height: 700 } }));
  }
}
