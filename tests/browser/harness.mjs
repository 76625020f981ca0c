// Servers with personas made for the tests, and a browser.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const builtIn = join(root, "data/persona");
const homer = process.env.HOMER ?? join(root, "target/debug/homer");

/** A folder with a persona who has these replies, in the encoder that comes with homer. */
export async function persona(character, exchanges) {
  const folder = mkdtempSync(join(tmpdir(), "homer-page-"));
  const data = join(folder, "data/exchanges");
  mkdirSync(data, { recursive: true });
  const lines = (values) => values.map((value) => JSON.stringify(value) + "\n").join("");
  const all = exchanges.map(([query, reply], id) => ({
    id, scene: id, context: [], query: { speaker: "Ada", text: query }, reply,
    close_replies: [], good_replies: [], bad_replies: [],
  }));
  writeFileSync(join(data, "settings.json"), JSON.stringify({ source: "play.csv", character, seed: 0, context_turns: 2 }));
  writeFileSync(join(data, "train.jsonl"), lines(all));
  writeFileSync(join(data, "valid.jsonl"), "");
  writeFileSync(join(data, "test.jsonl"), "");
  writeFileSync(join(data, "pool.jsonl"), lines(all.map(({ id, reply }) => ({ text: reply, exchanges: [id] }))));
  cpSync(join(root, "data/encoder"), join(folder, "runs/bi-encoder/model"), { recursive: true });
  await new Promise((done, failed) => {
    const building = spawn(homer, ["-C", folder, "build-index"], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    building.stderr.on("data", (text) => { said += text; });
    building.on("exit", (code) => (code === 0 ? done() : failed(new Error(said))));
  });
  return folder;
}

/** A server on a free port, of personas without a reranker unless `quick` says otherwise; `close` ends it. */
export async function serve(args, env = {}, quick = ["--no-rerank"]) {
  const child = spawn(homer, ["serve", "--listen", "127.0.0.1:0", ...quick, ...args], {
    env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  const url = await new Promise((done, failed) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      said += line + "\n";
      const found = /listening on (\S+)/.exec(line);
      if (found) done(found[1]);
    });
    child.on("exit", () => failed(new Error("the server ended: " + said)));
  });
  return { url, close: () => child.kill("SIGTERM") };
}

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

export const remove = (folder) => rmSync(folder, { recursive: true, force: true });

/** What a person does on the page. */
export class Visitor {
  constructor(page) { this.page = page; }

  static async at(context, url) {
    const page = await context.newPage();
    await page.goto(url);
    const visitor = new Visitor(page);
    await visitor.ready();
    return visitor;
  }

  /** Waits until the page knows who speaks. */
  ready() { return this.page.locator("#invitation", { hasText: "Say something to" }).waitFor({ state: "attached" }); }

  async reload() {
    await this.page.reload();
    await this.ready();
  }

  /** Says something and waits for the answer. */
  async says(text) {
    const before = await this.turns().count();
    await this.page.locator("#question").fill(text);
    await this.page.keyboard.press("Enter");
    await this.answered(before);
    return this.reply(before);
  }

  async answered(at) {
    await this.turns().nth(at).locator(".acts").waitFor({ state: "visible" });
  }

  turns() { return this.page.locator(".turn"); }
  last() { return this.turns().last(); }
  reply(at) { return this.turns().nth(at).locator(".them .text").textContent(); }
  button(name) { return this.last().getByRole("button", { name }); }
  replies() { return this.page.locator(".them .text").allTextContents(); }
  questions() { return this.page.locator(".you .text").allTextContents(); }

  /** Asks for the next best and waits for it. */
  async another() {
    const at = await this.turns().count() - 1;
    await this.button("Say it another way").click();
    await this.turns().nth(at).locator(".thinking").waitFor({ state: "visible" });
    await this.answered(at);
    return this.reply(at);
  }
}
