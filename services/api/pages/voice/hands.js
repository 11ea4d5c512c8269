// What the person does with the page: the control, the keys, the composer, the settings.

import { part } from "./view.js";

const types = (element) => element.matches("input:not([type=radio], [type=range]), textarea, select");
const takesSpace = (element) => element.matches("summary, a, button:not(#orb), input");

// `does`: phase(), press(), release(), tap(), interrupt(), ask(text), volume(0..1), mode(name).
export function hands(does) {
  const orb = part("orb");
  orb.addEventListener("pointerdown", (event) => {
    if (does.phase() !== "hold" || event.button !== 0) return;
    orb.setPointerCapture(event.pointerId);
    does.press();
  });
  for (const kind of ["pointerup", "pointercancel"]) orb.addEventListener(kind, does.release);
  orb.addEventListener("click", () => does.tap());

  addEventListener("keydown", (event) => {
    if (event.key === "Escape") does.interrupt();
    if (event.code !== "Space" || part("talk").hidden || types(event.target) || takesSpace(event.target)) return;
    event.preventDefault();
    if (!event.repeat) does.press();
  });
  addEventListener("keyup", (event) => {
    if (event.code !== "Space" || types(event.target) || takesSpace(event.target)) return;
    event.preventDefault(); // a focused button would take it for a click
    does.release();
  });
  addEventListener("blur", () => does.release());

  part("composer").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = part("typed").value.trim();
    if (text !== "" && (await does.ask(text))) part("typed").value = "";
  });
  part("volume").addEventListener("input", () => does.volume(Number(part("volume").value) / 100));
  part("modes").addEventListener("change", ({ target }) => does.mode(target.value));
}
