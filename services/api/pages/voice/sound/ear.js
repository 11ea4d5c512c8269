// The microphone: asked for once, echo and noise taken out by the browser, its pieces handed on while somebody wants them.

const BEFORE = 15; // pieces of 20 ms kept while nobody listens: a word often begins before the button is down

export class Ear {
  constructor(onPiece, onLevel, onLost) {
    this.onPiece = onPiece;
    this.onLevel = onLevel;
    this.onLost = onLost;
    this.wanted = false; // pieces are handed on
    this.before = [];
    this.stream = null;
  }

  get open() {
    return this.stream !== null;
  }

  // Throws what getUserMedia throws.
  async start(context) {
    if (navigator.mediaDevices?.getUserMedia === undefined) throw new DOMException("", "NotSupportedError");
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    const stream = await navigator.mediaDevices.getUserMedia({ audio, video: false });
    await context.audioWorklet.addModule("/voice/sound/ear-worklet.js");
    this.stream = stream;
    this.source = context.createMediaStreamSource(stream);
    this.node = new AudioWorkletNode(context, "solo-ear", { numberOfOutputs: 1, channelCountMode: "max" });
    this.node.port.onmessage = ({ data }) => this.#take(data);
    this.source.connect(this.node);
    this.node.connect(context.destination); // it is silent; without a way out some browsers do not run it
    stream.getAudioTracks()[0].onended = () => {
      this.stop();
      this.onLost();
    };
  }

  stop() {
    if (this.stream === null) return;
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.source.disconnect();
    this.node.disconnect();
    this.node.port.onmessage = null;
    this.stream = null;
    this.before = [];
    this.onLevel(0);
  }

  // From now on pieces are handed on; first those of the last moment.
  listen(withBefore) {
    this.wanted = true;
    const before = this.before;
    this.before = [];
    if (withBefore) before.forEach(this.onPiece);
  }

  rest() {
    this.wanted = false;
  }

  #take({ pcm, level }) {
    this.onLevel(level);
    if (this.wanted) {
      this.onPiece(pcm);
      return;
    }
    this.before.push(pcm);
    if (this.before.length > BEFORE) this.before.shift();
  }
}
