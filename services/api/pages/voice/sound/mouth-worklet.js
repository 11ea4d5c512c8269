// The loudspeaker, off the page's thread: a queue of pieces that can be held at a sample and goes on from that very one.

const FADE = 128; // samples over which it falls silent or comes back: without it there is a click
const TELL_EVERY_S = 0.08;

class Mouth extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = []; // {turn, samples}, or {turn, ended: true}
    this.offset = 0;
    this.paused = false;
    this.tail = null; // what fades out after a pause or a stop; it is not counted as played
    this.tailAt = 0;
    this.rising = FADE; // samples of a fade-in so far
    this.turn = "";
    this.played = 0;
    this.told = 0;
    this.level = 0;
    this.port.onmessage = ({ data }) => this.#take(data);
  }

  #take(said) {
    if (said.type === "piece" || said.type === "end") this.queue.push(said);
    else if (said.type === "pause" && !this.paused) this.#hold();
    else if (said.type === "resume" && this.paused) this.#release();
    else if (said.type === "stop") this.#stop(said.turn);
  }

  #hold() {
    this.#fadeOut();
    this.paused = true;
    this.#tell("paused");
  }

  #release() {
    this.paused = false;
    this.rising = 0;
    this.#tell("playing");
  }

  // Forgets this turn's sound, or all of it.
  #stop(turn) {
    if (!this.paused && (turn === "" || turn === this.turn)) this.#fadeOut();
    const stopped = turn || this.turn;
    this.queue = turn === "" ? [] : this.queue.filter((piece) => piece.turn !== turn);
    if (turn === "" || turn === this.turn) this.offset = 0;
    this.paused = false;
    this.rising = 0;
    if (stopped !== "" && stopped === this.turn) this.#tell("stopped");
  }

  #fadeOut() {
    this.tail = new Float32Array(FADE);
    let piece = 0;
    let offset = this.offset;
    for (let at = 0; at < FADE && piece < this.queue.length; ) {
      const samples = this.queue[piece].samples;
      if (samples === undefined || offset >= samples.length) {
        piece += 1;
        offset = 0;
        continue;
      }
      this.tail[at] = samples[offset] * (1 - (at + 1) / FADE);
      at += 1;
      offset += 1;
    }
    this.tailAt = 0;
  }

  process(_, [channels]) {
    const out = channels[0];
    for (let at = 0; at < out.length; at += 1) out[at] = this.#next();
    for (let other = 1; other < channels.length; other += 1) channels[other].set(out);
    if (this.played - this.told >= TELL_EVERY_S * sampleRate) this.#tell("playing");
    return true;
  }

  #next() {
    if (this.tail !== null) {
      const sample = this.tail[this.tailAt];
      this.tailAt += 1;
      if (this.tailAt >= FADE) this.tail = null;
      return sample;
    }
    while (!this.paused && this.queue.length > 0) {
      const piece = this.queue[0];
      if (piece.turn !== this.turn) this.#begin(piece.turn);
      if (piece.samples !== undefined && this.offset < piece.samples.length) {
        const sample = piece.samples[this.offset] * (this.rising < FADE ? this.rising / FADE : 1);
        this.rising += this.rising < FADE ? 1 : 0;
        this.offset += 1;
        this.played += 1;
        this.level = Math.max(Math.abs(sample), this.level * 0.9995);
        return sample;
      }
      this.queue.shift();
      this.offset = 0;
      if (piece.type === "end") this.#tell("done");
      else if (this.queue.length === 0) this.#tell("dry");
    }
    return 0;
  }

  #begin(turn) {
    this.turn = turn;
    this.played = 0;
    this.told = 0;
    this.rising = FADE;
    this.#tell("playing");
  }

  #tell(state) {
    this.told = this.played;
    this.port.postMessage({ state, turn: this.turn, seconds: this.played / sampleRate, level: this.level });
  }
}

registerProcessor("solo-mouth", Mouth);
