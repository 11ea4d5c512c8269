// The WebSocket to Solo: opened again with growing pauses when it breaks, told apart from a log-in that has ended.

const FIRST_PAUSE_MS = 400;
const MOST_PAUSE_MS = 10000;
const UNKNOWN_CALLER = 4401;
const OPEN_WITHIN_MS = 8000;

export class Line {
  // `events`: opened(), said(message), sound(header, pcm), away(pauseMs), out().
  // `start()`: the first message; `admit()`: true once there is a log-in, false if there is none, throws if Solo is away.
  constructor(start, admit, events) {
    this.start = start;
    this.admit = admit;
    this.events = events;
    this.socket = null;
    this.ready = false;
    this.pause = FIRST_PAUSE_MS;
    this.timer = 0;
    this.header = null;
    this.wanted = false;
  }

  open() {
    this.wanted = true;
    clearTimeout(this.timer);
    if (this.socket !== null) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/voice`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    const late = setTimeout(() => socket.close(), OPEN_WITHIN_MS);
    socket.onopen = () => socket.send(JSON.stringify({ type: "start", mode: "conversation", ...this.start() }));
    socket.onmessage = ({ data }) => {
      if (this.socket === socket) this.#take(data, late);
    };
    socket.onclose = ({ code }) => {
      clearTimeout(late);
      if (this.socket === socket) this.#closed(code);
    };
  }

  // Anew, for instance since it listens in another way now.
  restart() {
    this.#drop();
    this.open();
  }

  close() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.#drop();
  }

  // False: there is no line, and nobody hears it.
  say(message) {
    if (!this.ready) return false;
    this.socket.send(message instanceof ArrayBuffer ? message : JSON.stringify(message));
    return true;
  }

  #drop() {
    const socket = this.socket;
    this.socket = null;
    this.ready = false;
    this.header = null;
    if (socket !== null) {
      socket.onopen = () => socket.close(1000);
      socket.close(1000);
    }
  }

  #take(data, late) {
    if (data instanceof ArrayBuffer) {
      if (this.header !== null) this.events.sound(this.header, data);
      this.header = null;
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "ready") {
      clearTimeout(late);
      this.ready = true;
      this.pause = FIRST_PAUSE_MS;
      this.events.opened();
    }
    if (message.type === "sound") this.header = message;
    else this.events.said(message);
  }

  async #closed(code) {
    const wasReady = this.ready;
    this.#drop();
    if (!this.wanted) return;
    if (!wasReady || code === UNKNOWN_CALLER) {
      try {
        if (!(await this.admit())) {
          this.wanted = false;
          this.events.out();
          return;
        }
        if (code === UNKNOWN_CALLER) {
          this.open();
          return;
        }
      } catch {
        // Solo is away: the next try finds out more.
      }
    }
    if (!this.wanted || this.socket !== null) return;
    const pause = this.pause * (0.75 + Math.random() / 2);
    this.pause = Math.min(2 * this.pause, MOST_PAUSE_MS);
    this.events.away(pause);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), pause);
  }
}
