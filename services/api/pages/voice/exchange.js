// The question as it is understood and the answer as it is heard: its text keeps step with its sound.

const LETTERS_A_SECOND = 15; // until an answer has been heard whole: English at an ordinary pace
const AHEAD_S = 0.25; // eyes are led, not followed

export class Exchange {
  constructor(part) {
    this.part = part;
    this.pace = LETTERS_A_SECOND;
    this.clear();
  }

  clear() {
    this.turn = "";
    this.text = "";
    this.shown = 0;
    this.soundEnded = false;
    this.textEnded = false;
    this.stopped = false;
  }

  hide() {
    this.clear();
    this.part("exchange").hidden = true;
  }

  // Somebody who is still speaking.
  partial(committed, tentative) {
    this.clear();
    this.part("exchange").hidden = false;
    this.part("asked-sure").textContent = committed;
    this.part("asked-unsure").textContent = tentative === "" ? "" : `${committed === "" ? "" : " "}${tentative}`;
    this.#draw();
  }

  heard(turn, text) {
    this.clear();
    this.turn = turn;
    this.part("exchange").hidden = false;
    this.part("asked-sure").textContent = text;
    this.part("asked-unsure").textContent = "";
    this.#draw();
  }

  grew(turn, text) {
    if (turn !== this.turn) {
      if (this.turn !== "" && !this.textEnded) return; // late words of an answer that was ended
      this.heard(turn, ""); // nobody asked: an announcement
    }
    this.text += text;
    this.#draw();
  }

  // `seconds` of this turn's sound have been heard, of `given`.
  played(turn, seconds, given) {
    if (turn !== this.turn || this.stopped) return;
    if (this.soundEnded && this.textEnded && given > 0) {
      this.pace = this.text.length / given;
      this.#show(seconds >= given - 0.02 ? this.text.length : Math.ceil(seconds * this.pace));
    } else this.#show(Math.ceil((seconds + AHEAD_S) * this.pace));
  }

  soundOver(turn) {
    if (turn === this.turn) this.soundEnded = true;
  }

  // The turn is over; `silent`: none of its text is waiting for its sound.
  over(turn, said, silent) {
    if (turn !== this.turn) return;
    this.textEnded = true;
    if (said !== "") this.text = said;
    if (silent) this.#show(this.text.length);
    this.#draw();
  }

  // What was not heard is not said.
  stop(turn) {
    if (turn !== "" && turn !== this.turn) return;
    this.stopped = true;
    this.#draw();
  }

  #show(letters) {
    if (letters > this.shown) {
      const end = this.text.slice(letters).search(/\s/);
      this.shown = Math.min(this.text.length, end < 0 ? this.text.length : letters + end);
    }
    this.#draw();
  }

  #draw() {
    const text = this.text.trimStart();
    const shown = Math.max(0, this.shown - (this.text.length - text.length));
    this.part("said-heard").textContent = text.slice(0, shown);
    this.part("said-ahead").textContent = text.slice(shown);
    this.part("said").classList.toggle("stopped", this.stopped);
  }
}
