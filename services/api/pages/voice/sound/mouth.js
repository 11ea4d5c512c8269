// The loudspeaker: pieces of turns go in, and how much of them has been heard comes out.

import { Resampler } from "./resample.js";

export class Mouth {
  constructor(onClock) {
    this.onClock = onClock; // {state, turn, seconds, level}
    this.node = null;
    this.waiting = []; // what came before there was a loudspeaker
    this.turn = null;
    this.resampler = null;
    this.given = new Map(); // seconds of sound by turn
    this.volume = 1;
  }

  async start(context) {
    if (this.node !== null) return;
    await context.audioWorklet.addModule("/voice/sound/mouth-worklet.js");
    this.context = context;
    this.gain = context.createGain();
    this.gain.gain.value = this.volume;
    this.gain.connect(context.destination);
    const node = new AudioWorkletNode(context, "solo-mouth", { numberOfInputs: 0, outputChannelCount: [2] });
    node.connect(this.gain);
    node.port.onmessage = ({ data }) => this.#told(data);
    this.node = node;
    this.waiting.splice(0).forEach((work) => work());
  }

  piece(turn, sampleRate, pcm) {
    this.#when(() => this.#piece(turn, sampleRate, pcm));
  }

  end(turn) {
    this.#when(() => {
      if (turn === this.turn && this.resampler !== null) this.#put(turn, this.resampler.end());
      this.node.port.postMessage({ type: "end", turn });
    });
  }

  pause() {
    this.node?.port.postMessage({ type: "pause" });
  }

  resume() {
    this.node?.port.postMessage({ type: "resume" });
  }

  // This turn's sound, or with "" all of it.
  stop(turn) {
    this.waiting = [];
    if (turn === "" || turn === this.turn) this.turn = null;
    this.node?.port.postMessage({ type: "stop", turn });
  }

  setVolume(volume) {
    this.volume = volume;
    this.gain?.gain.setTargetAtTime(volume, this.context.currentTime, 0.02);
  }

  secondsOf(turn) {
    return this.given.get(turn) ?? 0;
  }

  #when(work) {
    if (this.node === null) this.waiting.push(work);
    else work();
  }

  #piece(turn, sampleRate, pcm) {
    const whole = new Int16Array(pcm);
    const samples = Float32Array.from(whole, (sample) => sample / 32768);
    if (turn !== this.turn || this.resampler?.from !== sampleRate) {
      this.turn = turn;
      this.resampler = new Resampler(sampleRate, this.context.sampleRate);
      this.resampler.from = sampleRate;
    }
    this.given.set(turn, this.secondsOf(turn) + samples.length / sampleRate);
    if (this.given.size > 50) this.given.delete(this.given.keys().next().value);
    this.#put(turn, this.resampler.push(samples));
  }

  #put(turn, samples) {
    if (samples.length > 0) this.node.port.postMessage({ type: "piece", turn, samples }, [samples.buffer]);
  }

  // What has left the worklet is heard a little later.
  #told(clock) {
    const late = this.context.outputLatency || this.context.baseLatency || 0;
    const heard = clock.state === "done" ? clock.seconds : Math.max(0, clock.seconds - late);
    this.onClock({ ...clock, seconds: heard });
  }
}
