// The microphone, off the page's thread: mono, 16 kHz, s16le, 20 ms a piece, with how loud each piece is.

import { Resampler } from "./resample.js";

const RATE = 16000;
const PIECE = 320;

class Ear extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.energy = 0;
  }

  process([channels]) {
    if (channels.length === 0) return true;
    const [first, ...others] = channels;
    let mono = first;
    if (others.length > 0) {
      mono = first.slice();
      for (const other of others) for (let at = 0; at < mono.length; at += 1) mono[at] += other[at];
      for (let at = 0; at < mono.length; at += 1) mono[at] /= channels.length;
    }
    for (const sample of this.resampler.push(mono)) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.energy += clipped * clipped;
      this.piece[this.filled] = Math.round(clipped * 32767);
      this.filled += 1;
      if (this.filled === PIECE) this.#send();
    }
    return true;
  }

  #send() {
    const pcm = this.piece.buffer; // every machine that browsers run on is little-endian
    this.port.postMessage({ pcm, level: Math.sqrt(this.energy / PIECE) }, [pcm]);
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.energy = 0;
  }
}

registerProcessor("solo-ear", Ear);
