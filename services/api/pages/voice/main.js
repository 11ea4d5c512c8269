// The voice page: log-in, line, microphone, loudspeaker, hands and eyes, put together.

import * as entry from "./entry.js";
import { Exchange } from "./exchange.js";
import { hands } from "./hands.js";
import { Line } from "./line.js";
import { AWAY, LOST, SILENT, ofBrowser, ofSolo } from "./problems.js";
import { Ear } from "./sound/ear.js";
import { Mouth } from "./sound/mouth.js";
import { Talk } from "./talk.js";
import { Turns } from "./turns.js";
import { level, part, problem, room, show, voice } from "./view.js";

const RELEASE_AFTER_MS = 200; // the last sound of a word comes behind the finger
const QUIET_MS = 2000;
const LOOK_EVERY_MS = 5000;
const VOLUME = "solo.voice.volume";
const MODE = "solo.voice.mode";

const talk = new Talk();
const exchange = new Exchange(part);
const turns = new Turns(part("turns"), part("turns-empty"));
const ear = new Ear((pcm) => line.say(pcm), level, () => {
  problem(LOST);
  look();
});
const mouth = new Mouth(clock);
const line = new Line(start, entry.admit, { opened, said, sound, away, out: toEntry });
let context = null;
let releasing = 0;
let volume = 1;

function start() {
  return { manual: talk.mode === "hold", wake: talk.mode === "wake", barge_in: talk.mode !== "hold" };
}

function look() {
  talk.mic = ear.open;
  show(talk.phase);
}

// -- what Solo says -----------------------------------------------------------------------------

function opened() {
  talk.line = "open";
  talk.reset();
  mouth.stop("");
  problem("");
  room("talk");
  if (volume < 1) line.say({ type: "volume", volume });
  look();
}

function away(pause) {
  talk.line = "away";
  talk.reset();
  mouth.stop("");
  problem(AWAY, () => line.open());
  show("away", `Trying again in ${Math.max(1, Math.round(pause / 1000))} s`);
}

function toEntry() {
  ear.stop();
  talk.line = "connecting";
  room("entry");
  part("name").focus();
}

const TOLD = {
  partial: ({ committed, tentative }) => exchange.partial(committed, tentative),
  heard: ({ turn, text }) => exchange.heard(turn, text),
  delta: ({ turn, text }) => {
    exchange.grew(turn, text);
    if (context?.state !== "running") problem(SILENT);
  },
  sound_end: ({ turn }) => {
    mouth.end(turn);
    exchange.soundOver(turn);
  },
  pause: () => mouth.pause(),
  resume: () => mouth.resume(),
  stop: ({ turn }) => {
    mouth.stop(turn);
    exchange.stop(turn);
  },
  volume: (message) => setVolume(message.volume),
  turn: ({ turn }) => {
    if (turn.outcome === "continued") return; // another turn answers the whole of it
    exchange.over(turn.turn_id, turn.said, mouth.secondsOf(turn.turn_id) === 0);
    turns.add(turn, true);
    if (turn.outcome === "failed" && turn.error !== null) problem(ofSolo({ hint: "", ...turn.error }));
  },
  error: ({ error }) => problem(ofSolo(error)),
};

function said(message) {
  talk.take(message);
  TOLD[message.type]?.(message);
  look();
}

function sound({ turn, sample_rate: rate }, pcm) {
  talk.sounding = turn;
  mouth.piece(turn, rate, pcm);
}

// The loudspeaker tells how far it is: Solo has to know, and so do the eyes.
function clock({ state, turn, seconds, level: loud }) {
  if (turn !== "") line.say({ type: "played", turn, played_ms: Math.round(1000 * seconds) });
  exchange.played(turn, seconds, mouth.secondsOf(turn));
  const changed = talk.heard(state);
  voice(talk.sound === "playing" ? loud : 0);
  if (changed) look();
}

// -- what the person does -----------------------------------------------------------------------

// Browsers let a page sound only after a key or a button.
async function wakeSound() {
  context ??= new AudioContext({ latencyHint: "interactive" });
  if (context.state !== "running") await context.resume();
  await mouth.start(context);
}

async function openEar() {
  if (ear.open) return true;
  try {
    await wakeSound();
    await ear.start(context);
  } catch (error) {
    problem(ofBrowser(error));
    return false;
  }
  problem("");
  if (talk.mode !== "hold") ear.listen(false);
  look();
  return true;
}

function interrupt() {
  if (!line.say({ type: "interrupt" })) return;
  mouth.stop("");
  exchange.stop("");
  talk.sound = "silent";
  look();
}

async function press() {
  if (talk.held || talk.line !== "open") return;
  clearTimeout(releasing);
  talk.held = true;
  look();
  if (!(await openEar())) talk.held = false;
  if (talk.held) {
    mouth.stop("");
    line.say({ type: "press" });
    ear.listen(talk.mode === "hold");
  }
  look(); // it was released meanwhile, or there is no microphone
}

function release() {
  if (!talk.held) return;
  talk.held = false;
  look();
  releasing = setTimeout(() => {
    line.say({ type: "release" });
    if (talk.mode === "hold") ear.rest();
  }, RELEASE_AFTER_MS);
}

async function tap() {
  const now = talk.phase;
  if (now === "away") line.open();
  else if (["thinking", "speaking", "paused"].includes(now)) interrupt();
  else if (now === "idle") await openEar();
  else if (["listening", "hearing", "wake"].includes(now) && talk.mode !== "hold") {
    ear.stop();
    talk.hearing = false;
    look();
  }
}

async function ask(text) {
  await wakeSound();
  mouth.stop("");
  return line.say({ type: "text", text });
}

function setVolume(wanted) {
  volume = wanted;
  part("volume").value = String(Math.round(100 * volume));
  mouth.setVolume(volume);
  localStorage.setItem(VOLUME, String(volume));
}

function setMode(mode) {
  talk.mode = mode;
  localStorage.setItem(MODE, mode);
  if (mode === "hold") ear.rest();
  else if (ear.open) ear.listen(false);
  if (talk.answering) interrupt();
  if (talk.line === "open") line.restart();
}

hands({
  ...{ phase: () => talk.phase, press, release, tap, interrupt, ask, mode: setMode },
  volume: (wanted) => {
    setVolume(wanted);
    line.say({ type: "volume", volume });
  },
});

part("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await entry.byPassword(part("name").value, part("password").value);
  } catch (error) {
    problem(error instanceof entry.Refused ? ofSolo(error) : AWAY);
    return;
  }
  part("login").reset();
  problem("");
  await begin();
});

part("leave").addEventListener("click", async () => {
  line.close();
  await entry.leave().catch(() => {});
  turns.clear();
  exchange.hide();
  toEntry();
});

// -- its life -----------------------------------------------------------------------------------

async function begin() {
  room("talk");
  line.open();
  look();
  try {
    turns.fill((await entry.ask("GET", "/api/turns?limit=10")).turns);
  } catch {
    // The line tells of it, and goes on without what was said before.
  }
}

// The log-in is renewed while it is good. Solo closes a line with the log-in that it began with, so the line is renewed
// too, when nobody speaks.
let overdue = false;
setInterval(async () => {
  if (talk.line !== "open") return;
  if (entry.isDue()) overdue = await entry.renew().catch(() => false);
  if (overdue && talk.quietFor(QUIET_MS)) {
    overdue = false;
    line.restart();
  }
}, LOOK_EVERY_MS);
addEventListener("online", () => talk.line === "away" && line.open());
addEventListener("hashchange", () => location.hash.startsWith("#ticket=") && location.reload());

async function main() {
  const kept = document.querySelector(`input[name=mode][value="${CSS.escape(localStorage.getItem(MODE) ?? "open")}"]`);
  if (kept !== null) kept.checked = true;
  talk.mode = kept?.value ?? "open";
  setVolume(Number(localStorage.getItem(VOLUME) ?? 1));
  look();
  try {
    if ((await entry.byTicket()) || (await entry.admit())) await begin();
    else toEntry();
  } catch (error) {
    if (error instanceof entry.Refused && error.status < 500) {
      problem(ofSolo(error));
      if (await entry.admit().catch(() => false)) await begin();
      else toEntry();
      return;
    }
    await begin(); // Solo is away: the line tries until it is back
  }
}

main();
