// The page: one conversation a tab and persona, kept over a reload, sent whole with every question.
// What comes from a script or a person is only ever set as text.
"use strict";

const $ = (id) => document.getElementById(id);
const PATIENCE = 350; // ms in which one sees that somebody thinks
const TRIES = 4; // where many ask at once

/* ---- What is remembered, in this tab alone ---- */

const memory = {
  get(name) {
    try { return JSON.parse(sessionStorage.getItem("homer." + name)); } catch { return null; }
  },
  set(name, value) {
    try { sessionStorage.setItem("homer." + name, JSON.stringify(value)); return true; } catch { return false; }
  },
};

let personas = []; // [{id, character, built_in}]
let persona = null; // the one at hand
let turns = []; // [{question, answers: [{reply, why, verdict}]}], the last answer stands
let forgotten = null; // the conversation before this one, until the next word
let busy = false;

function keep() {
  if (memory.set("talk." + persona.id, turns)) return;
  // No room: what was said counts more than why it was.
  for (const turn of turns) for (const answer of turn.answers) answer.why = null;
  memory.set("talk." + persona.id, turns);
}

/* ---- The server ---- */

class Refusal extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

async function call(path, body) {
  const headers = {};
  const key = memory.get("key");
  if (key) headers.Authorization = "Bearer " + key;
  if (body) headers["Content-Type"] = "application/json";
  for (let attempt = 1; ; attempt++) {
    let response;
    try {
      const text = body && JSON.stringify(body);
      // A verdict arrives even when the page is left; browsers send no more than 64 KiB so.
      const keepalive = path === "v1/feedback" && text.length < 15_000;
      response = await fetch(path, { method: body ? "POST" : "GET", headers, body: text, keepalive });
    } catch {
      throw new Refusal("The server cannot be reached.", 0);
    }
    if (response.ok) return response.status === 204 ? null : response.json();
    if (response.status === 429 && attempt < TRIES) {
      await pause(1000 * (Number(response.headers.get("Retry-After")) || 1));
      continue;
    }
    if (response.status === 401) {
      await askForKey(key !== null);
      return call(path, body);
    }
    const said = await response.json().catch(() => null);
    throw new Refusal(said?.error?.message ?? "The server answered " + response.status + ".", response.status);
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks for the key once, however many requests wait for it. */
let asking = null;
function askForKey(wrong) {
  asking ??= new Promise((done) => {
    $("wrong").textContent = wrong ? "That was not the key." : "";
    $("key").value = "";
    $("door").showModal();
    $("door").addEventListener("close", () => {
      memory.set("key", $("key").value);
      asking = null;
      done();
    }, { once: true });
  });
  return asking;
}
$("door").addEventListener("cancel", (event) => event.preventDefault());

/* ---- Talking ---- */

/** All that was said before and in turn `at`, as the server wants it. */
function messages(at) {
  return turns.slice(0, at + 1).flatMap((turn) => [
    { role: "user", content: turn.question },
    ...turn.answers.map((answer) => ({ role: "assistant", content: answer.reply })),
  ]);
}

async function answer(at) {
  if (busy) return;
  const [turn, talk] = [turns[at], turns];
  const speaks = persona;
  setBusy(true);
  const shown = views[at];
  shown.think(speaks.character);
  try {
    const request = { model: speaks.id, messages: messages(at), explain: true };
    const [completion] = await Promise.all([call("v1/chat/completions", request), pause(PATIENCE)]);
    const choice = completion.choices[0];
    const reply = choice.message.content;
    const said = talk.some((one) => one.answers.some((other) => other.reply === reply));
    if (turn.answers.length > 0 && (said || reply === "")) {
      tell(speaks.character + " has nothing else to say to that.");
    } else {
      turn.answers.push({ reply, why: choice.explanation ?? [], verdict: null });
    }
    if (talk === turns) keep();
    shown.show(turn, speaks.character);
  } catch (error) {
    shown.show(turn, speaks.character);
    shown.fail(error.message);
  }
  setBusy(false);
  offerOther();
  scroll();
}

function say(text) {
  if (busy || text.trim() === "") return;
  forgotten = null;
  tell("");
  turns.push({ question: text.trim(), answers: [] });
  keep();
  views.push(new View(turns.length - 1));
  $("welcome").hidden = true;
  scroll();
  answer(turns.length - 1);
}

async function judge(at, verdict) {
  const turn = turns[at];
  const given = turn.answers.at(-1);
  if (!given || given.verdict === verdict) return;
  const before = given.verdict;
  given.verdict = verdict;
  keep();
  views[at].show(turn, persona.character);
  const context = turns.slice(Math.max(0, at - 4), at).flatMap((one) =>
    [one.question, ...one.answers.slice(-1).map((answer) => answer.reply)]);
  try {
    await call("v1/feedback", { model: persona.id, query: turn.question, context, reply: given.reply, verdict });
    tell("Thank you: kept for training.");
  } catch (error) {
    given.verdict = before;
    keep();
    views[at]?.show(turn, persona.character);
    tell("Not kept. " + error.message);
  }
}

/* ---- Showing ---- */

let views = [];

class View {
  constructor(at) {
    const root = $("turn").content.firstElementChild.cloneNode(true);
    const find = (selector) => root.querySelector(selector);
    this.root = root;
    find(".you .text").textContent = turns[at].question;
    this.parts = {
      who: find(".them .who"), text: find(".them .text"), thinking: find(".thinking"), problem: find(".problem"),
      acts: find(".acts"), why: find(".why"), whyButton: find(".why-button"), other: find(".other"),
      up: find(".up"), down: find(".down"),
    };
    this.parts.whyButton.addEventListener("click", () => this.toggleWhy());
    this.parts.other.addEventListener("click", () => { answer(at); $("question").focus(); });
    this.parts.up.addEventListener("click", () => judge(at, "up"));
    this.parts.down.addEventListener("click", () => judge(at, "down"));
    find(".again").addEventListener("click", () => { answer(at); $("question").focus(); });
    this.parts.why.id = "why-" + at;
    this.parts.whyButton.setAttribute("aria-controls", this.parts.why.id);
    this.show(turns[at], persona.character);
    $("log").append(root);
  }

  think(character) {
    const { who, text, thinking, problem, acts } = this.parts;
    who.textContent = character;
    text.hidden = problem.hidden = acts.hidden = true;
    thinking.hidden = false;
    thinking.lastElementChild.textContent = character + " is thinking";
    this.toggleWhy(false);
  }

  show(turn, character) {
    const { who, text, thinking, acts, up, down } = this.parts;
    const given = turn.answers.at(-1);
    who.textContent = character;
    thinking.hidden = true;
    text.hidden = acts.hidden = !given;
    if (!given) return;
    text.textContent = given.reply || "(says nothing)";
    text.classList.toggle("none", given.reply === "");
    up.setAttribute("aria-pressed", given.verdict === "up");
    down.setAttribute("aria-pressed", given.verdict === "down");
    this.parts.whyButton.hidden = !given.why?.length;
    this.explain(given);
  }

  fail(message) {
    const { problem } = this.parts;
    problem.firstElementChild.textContent = message;
    problem.hidden = false;
  }

  toggleWhy(open = this.parts.why.hidden) {
    this.parts.why.hidden = !open;
    this.parts.whyButton.setAttribute("aria-expanded", open);
    if (open) this.parts.why.scrollIntoView({ block: "nearest" });
  }

  explain(given) {
    const list = this.parts.why.querySelector("ol");
    const candidates = given.why ?? [];
    const reranked = candidates.some((one) => one.rerank !== null);
    this.parts.why.querySelector(".about").textContent = reranked
      ? "The lines that seemed to fit, put in order by the model that reads question and line together:"
      : "The lines that seemed to fit, the best first:";
    list.replaceChildren(...candidates.map((one) => {
      const item = $("candidate").content.firstElementChild.cloneNode(true);
      item.classList.toggle("chosen", one.chosen);
      item.querySelector(".reply").textContent = one.reply;
      const facts = ["cosine " + one.retrieval.toFixed(3)];
      if (one.rerank !== null) facts.push("was at place " + one.place, "logit " + one.rerank.toFixed(3));
      if (one.exchanges > 1) facts.push("said " + one.exchanges + " times");
      item.querySelector(".facts").textContent = facts.join(" · ");
      const heard = one.said_to;
      item.querySelector(".heard").textContent = heard
        ? "said to " + (heard.speaker ? heard.speaker + ": " : "") + "“" + heard.text + "”"
        : "said to nobody in particular";
      return item;
    }));
  }
}

/** Only the newest answer can be taken back: what came after the others was said because of them. */
function offerOther() {
  views.forEach((view, at) => { view.parts.other.hidden = at !== views.length - 1; });
}

function setBusy(now) {
  busy = now;
  $("send").disabled = $("new").disabled = $("persona").disabled = now;
  $("log").setAttribute("aria-busy", now);
  for (const view of views) view.parts.other.disabled = now;
}

function tell(text, action, act) {
  $("note").textContent = text;
  if (!action) return;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = action;
  button.addEventListener("click", act);
  $("note").append(button);
}

function scroll() {
  const main = document.querySelector("main");
  main.scrollTop = main.scrollHeight;
}

/** Shows the conversation with the persona at hand from its beginning. */
function open() {
  const character = persona.character;
  document.title = character;
  $("character").textContent = character;
  $("invitation").textContent = "Say something to " + character + ".";
  $("log").replaceChildren();
  tell("");
  views = [];
  turns.forEach((_, at) => views.push(new View(at)));
  $("welcome").hidden = turns.length > 0;
  offerOther();
  scroll();
  // A reload came between question and answer.
  if (turns.length > 0 && turns.at(-1).answers.length === 0) answer(turns.length - 1);
}

function choose(id) {
  persona = personas.find((one) => one.id === id) ?? personas[0];
  memory.set("persona", persona.id);
  turns = memory.get("talk." + persona.id) ?? [];
  forgotten = null;
  $("persona").value = persona.id;
  open();
}

/* ---- Saving ---- */

function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function asText() {
  const line = (text) => text.replace(/[\r\n]+/g, " ");
  return turns.flatMap((turn) => {
    const given = turn.answers.at(-1);
    return ["You: " + line(turn.question), ...(given?.reply ? [persona.character + ": " + line(given.reply)] : [])];
  }).map((text) => text + "\n").join("");
}

function asJson() {
  const talk = turns.map(({ question, answers }) => ({
    question,
    answer: answers.at(-1)?.reply ?? null,
    verdict: answers.at(-1)?.verdict ?? null,
    taken_back: answers.slice(0, -1).map((one) => one.reply),
  }));
  return JSON.stringify({ persona: persona.id, character: persona.character, talk }, null, 2) + "\n";
}

function save(ending, type, text) {
  if (turns.length === 0) tell("Nothing was said yet.");
  else download("talk-with-" + persona.id + "." + ending, type, text());
}

/* ---- What a person does ---- */

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (busy || !persona) return;
  const text = $("question").value;
  $("question").value = "";
  say(text);
  $("question").focus();
});

$("question").addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    $("ask").requestSubmit();
  } else if (event.key === "ArrowUp" && event.target.value === "" && turns.length > 0) {
    event.preventDefault();
    event.target.value = turns.at(-1).question;
  }
});

$("openers").addEventListener("click", (event) => {
  if (event.target.closest("button") && persona) {
    say(event.target.textContent);
    $("question").focus();
  }
});

$("persona").addEventListener("change", (event) => choose(event.target.value));

$("new").addEventListener("click", () => {
  if (busy || !persona) return;
  if (turns.length > 0) {
    forgotten = turns;
    turns = [];
    keep();
    open();
    tell("A new conversation.", "Bring the old one back", () => {
      if (!forgotten) return;
      turns = forgotten;
      forgotten = null;
      keep();
      open();
      $("question").focus();
    });
  }
  $("question").focus();
});

$("save-text").addEventListener("click", () => save("txt", "text/plain;charset=utf-8", asText));
$("save-json").addEventListener("click", () => save("json", "application/json", asJson));

(async () => {
  try {
    personas = (await call("v1/models")).data;
  } catch (error) {
    tell(error.message + " Load the page again.");
    return;
  }
  const namesakes = ({ character }) => personas.filter((one) => one.character === character).length;
  $("persona").replaceChildren(...personas.map((one) =>
    new Option(namesakes(one) > 1 ? one.character + " (" + one.id + ")" : one.character, one.id)));
  $("picker").hidden = personas.length < 2;
  choose(memory.get("persona"));
  $("question").focus();
})();
