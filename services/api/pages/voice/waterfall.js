// What an answer waited for: one bar for each point of a turn, as a table that can also be read aloud.

const POINTS = [
  ["end_of_turn", "End of turn", "It was certain that you had finished"],
  ["transcript", "Transcript", "Your words were there as text"],
  ["recalled", "Memory", "What memory knows had been looked up"],
  ["first_token", "First token", "The model's first word was there"],
  ["first_audio", "First audio", "The first piece of sound was made"],
  ["voice_to_voice", "Voice to voice", "The first sound was on its way to you"],
];

const made = (name, className, text) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

export const milliseconds = (value) => `${Math.round(value).toLocaleString("en-GB").replaceAll(",", "\u202f")} ms`;

// null when there is nothing to draw.
export function waterfall(turn) {
  const reached = POINTS.filter(([point]) => turn.latency_ms[point] !== null);
  if (reached.length === 0) return null;
  const most = Math.max(...reached.map(([point]) => turn.latency_ms[point]), 1);
  const table = made("table", "waterfall");
  const spoken = turn.latency_ms.end_of_turn !== null;
  table.append(made("caption", "", spoken ? "Milliseconds from your last word" : "Milliseconds from the question"));
  const head = made("tr", "unseen");
  for (const name of ["Point", "Reached after", "Chart"]) {
    const cell = made("th", "", name);
    cell.scope = "col";
    head.append(cell);
  }
  const heading = made("thead");
  heading.append(head);
  const body = made("tbody");
  const earlier = [0];
  for (const [point, name, told] of reached) {
    const at = turn.latency_ms[point];
    const begins = point === "voice_to_voice" ? 0 : Math.max(...earlier.filter((other) => other <= at), 0);
    body.append(row(point, name, told, begins / most, at / most, at));
    earlier.push(at);
  }
  table.append(heading, body);
  return table;
}

function row(point, name, told, begins, ends, at) {
  const line = made("tr", point);
  const label = made("th", "", name);
  label.scope = "row";
  label.title = told;
  const chart = made("td", "chart");
  chart.setAttribute("aria-hidden", "true");
  const bar = made("span", "bar");
  bar.style.left = `${(100 * Math.max(0, begins)).toFixed(2)}%`;
  bar.style.width = `${(100 * Math.max(0.004, ends - Math.max(0, begins))).toFixed(2)}%`;
  chart.append(bar);
  line.append(label, made("td", "ms", milliseconds(at)), chart);
  return line;
}
