// The last turns, newest first: what was asked, what was answered, what it waited for.

import { milliseconds, waterfall } from "./waterfall.js";

const MOST = 20;
const OUTCOMES = { failed: "failed", cancelled: "stopped", no_speech: "nothing heard", no_wake: "no wake word" };
const SILENT = new Set(["no_speech", "no_wake", "continued"]);

const made = (name, className, text) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

export class Turns {
  constructor(list, empty) {
    this.list = list;
    this.empty = empty;
    this.shown = new Set();
  }

  // All of them, as GET /api/turns lists them: newest first.
  fill(turns) {
    for (const turn of turns.slice(0, MOST).reverse()) this.add(turn, false);
  }

  add(turn, isNew) {
    if (SILENT.has(turn.outcome) || this.shown.has(turn.turn_id)) return;
    this.shown.add(turn.turn_id);
    for (const open of this.list.querySelectorAll("details[open]")) open.open = false;
    this.list.prepend(this.#entry(turn, isNew));
    while (this.list.children.length > MOST) this.list.lastElementChild.remove();
    this.empty.hidden = true;
  }

  clear() {
    this.list.replaceChildren();
    this.shown.clear();
    this.empty.hidden = false;
  }

  #entry(turn, isNew) {
    const entry = made("li", `turn ${turn.outcome}`);
    entry.dataset.turn = turn.turn_id;
    entry.append(made("p", "asked", turn.heard || (turn.outcome === "announced" ? "Announcement" : "…")), made("p", "said", turn.said || OUTCOMES[turn.outcome] || "…"));
    if (turn.error !== null) entry.append(made("p", "fault", `${turn.error.message} [${turn.error.code}]`));
    const chart = waterfall(turn);
    const summary = made("summary", "", headline(turn));
    const details = made("details");
    details.open = isNew;
    details.append(summary);
    if (chart !== null) details.append(chart);
    details.append(made("p", "engines", engines(turn)));
    entry.append(details);
    return entry;
  }
}

function headline(turn) {
  const { voice_to_voice: voice, first_token: token } = turn.latency_ms;
  const parts = [new Date(turn.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })];
  if (voice !== null) parts.push(`${milliseconds(voice)} to the first sound`);
  else if (token !== null) parts.push(`${milliseconds(token)} to the first word`);
  if (turn.outcome in OUTCOMES) parts.push(OUTCOMES[turn.outcome]);
  return parts.join(" · ");
}

function engines(turn) {
  const { stt, llm, tts } = turn.engines;
  const parts = [stt, llm, tts].filter(Boolean);
  const speed = turn.tokens?.per_second;
  if (speed) parts.push(`${Math.round(speed)} tokens a second`);
  return parts.join(" · ");
}
