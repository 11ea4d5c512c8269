// What the page looks like in each of its states: one big control, one word for what Solo does, one line for what to do.

const PHASES = {
  connecting: ["Connecting", "", "i-off", "Connecting"],
  away: ["Disconnected", "Trying again", "i-off", "Try again now"],
  idle: ["Ready", "Press to talk", "i-mic", "Start talking"],
  listening: ["Listening", "Speak whenever you like", "i-mic", "Turn the microphone off"],
  hold: ["Ready", "Hold the button or the space bar, and speak", "i-mic", "Hold to talk"],
  wake: ["Waiting for the wake word", "Say it, then your question", "i-mic", "Turn the microphone off"],
  hearing: ["Hearing you", "", "i-mic", "Turn the microphone off"],
  thinking: ["Thinking", "Press to stop", "i-stop", "Stop the answer"],
  speaking: ["Speaking", "Press or speak to interrupt", "i-stop", "Stop the answer"],
  paused: ["Paused", "Listening to what you say", "i-pause", "Stop the answer"],
};

export const part = (id) => document.getElementById(id);

export function show(phase, hint) {
  const [name, told, icon, label] = PHASES[phase];
  if (document.body.dataset.phase !== phase) {
    document.body.dataset.phase = phase;
    part("state").textContent = name;
    part("orb-icon").setAttribute("href", `#${icon}`);
    part("orb-label").textContent = label;
  }
  const line = hint ?? told;
  if (part("hint").textContent !== line) part("hint").textContent = line;
}

// How loud it is, 0 to 1, from the root mean square of a piece of sound: 60 dB of range.
const loudness = (level) => Math.max(0, Math.min(1, 1 + Math.log10(Math.max(level, 1e-6)) / 3 + 0.15));

let drawn = 0;
let latest = 0;
let asked = false;

export function level(value) {
  latest = loudness(value);
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    drawn = latest > drawn ? latest : 0.8 * drawn + 0.2 * latest;
    document.documentElement.style.setProperty("--level", drawn.toFixed(3));
    const percent = String(Math.round(100 * drawn));
    if (part("meter").getAttribute("aria-valuenow") !== percent) part("meter").setAttribute("aria-valuenow", percent);
  });
}

// How loud Solo's own voice is, 0 to 1 as samples are.
export const voice = (loud) => document.documentElement.style.setProperty("--voice", loud.toFixed(3));

export function problem(text, retry = null) {
  part("problem").hidden = text === "";
  if (part("problem-text").textContent !== text) part("problem-text").textContent = text;
  part("retry").hidden = retry === null;
  part("retry").onclick = retry;
}

export function room(name) {
  part("talk").hidden = name !== "talk";
  part("entry").hidden = name !== "entry";
  part("leave").hidden = name !== "talk";
}
