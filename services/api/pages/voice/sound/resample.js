// Changes the rate of a stream of samples: a windowed-sinc filter, evaluated only where a sample is wanted.

const ZEROS = 16; // zero crossings of the sinc on each side: how sharply it cuts
const ROLL_OFF = 0.94; // of the lower rate's half: what lies above would come back as a lower tone
const MOST_PHASES = 512; // positions between two samples that are told apart

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

export class Resampler {
  constructor(from, to) {
    this.step = from / to;
    const cut = ROLL_OFF * Math.min(1, to / from);
    this.half = Math.ceil(ZEROS / cut);
    this.phases = Math.min(to / divisor(from, to), MOST_PHASES);
    this.filters = Array.from({ length: this.phases + 1 }, (_, phase) => this.#filter(phase / this.phases, cut));
    this.kept = new Float32Array(this.half); // silence before the first sample
    this.at = this.half; // where the next sample is wanted, in samples of `kept`
  }

  // The filter's taps for a sample that lies `fraction` behind a sample of the input.
  #filter(fraction, cut) {
    const taps = new Float32Array(2 * this.half);
    let sum = 0;
    for (let tap = 0; tap < taps.length; tap += 1) {
      const x = tap - this.half + 1 - fraction;
      const turn = (Math.PI * x) / this.half;
      const window = Math.abs(x) >= this.half ? 0 : 0.42 + 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn);
      const angle = Math.PI * x * cut;
      taps[tap] = window * (angle === 0 ? 1 : Math.sin(angle) / angle);
      sum += taps[tap];
    }
    return taps.map((tap) => tap / sum);
  }

  // All samples that can be made now; the last few wait for what comes next.
  push(samples) {
    const input = new Float32Array(this.kept.length + samples.length);
    input.set(this.kept);
    input.set(samples, this.kept.length);
    const count = Math.max(0, Math.ceil((input.length - this.half - this.at) / this.step));
    const output = new Float32Array(count);
    let made = 0;
    for (; Math.floor(this.at) + this.half < input.length; this.at += this.step) {
      const whole = Math.floor(this.at);
      const taps = this.filters[Math.round((this.at - whole) * this.phases)];
      const begin = whole - this.half + 1;
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap += 1) sum += taps[tap] * input[begin + tap];
      output[made] = sum;
      made += 1;
    }
    const drop = Math.max(0, Math.floor(this.at) - this.half);
    this.kept = input.slice(drop);
    this.at -= drop;
    return made === count ? output : output.slice(0, made);
  }

  // What still waits, followed by silence.
  end() {
    return this.push(new Float32Array(this.half));
  }
}
