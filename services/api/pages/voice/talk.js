// What goes on between Solo and the person, as far as the page knows: who speaks, who is waited for, what sounds.

export class Talk {
  constructor() {
    this.line = "connecting"; // connecting, open, away
    this.mode = "open"; // open, hold, wake: when Solo listens
    this.mic = false;
    this.held = false; // push-to-talk
    this.spokeAt = 0;
    this.reset();
  }

  // On a new line nothing is under way.
  reset() {
    this.hearing = false; // somebody speaks
    this.awake = false; // the wake word was said
    this.turns = new Set(); // under way
    this.sound = "silent"; // silent, playing, paused
    this.sounding = ""; // the turn whose sound came last
  }

  get phase() {
    if (this.line !== "open") return this.line;
    if (this.sound === "paused") return "paused";
    if (this.hearing || this.held) return "hearing";
    if (this.sound === "playing") return "speaking";
    if (this.turns.size > 0) return "thinking";
    if (this.mode === "hold") return "hold";
    if (!this.mic) return "idle";
    return this.mode === "wake" && !this.awake ? "wake" : "listening";
  }

  get answering() {
    return this.turns.size > 0 || this.sound !== "silent";
  }

  // Nobody would notice if the line were opened anew.
  quietFor(milliseconds) {
    return !this.answering && !this.hearing && !this.held && Date.now() - this.spokeAt > milliseconds;
  }

  // A message of Solo's; what it is to the ears and eyes is not decided here.
  take(message) {
    const { type, turn } = message;
    if (type === "listening") this.awake = message.word !== null;
    else if (type === "speech") {
      this.hearing = message.state !== "stopped";
      this.spokeAt = Date.now();
    } else if (type === "started") {
      this.turns.add(turn);
      this.hearing = false;
    } else if (type === "heard") this.hearing = false;
    else if (type === "turn") this.turns.delete(turn.turn_id);
    else if (type === "error" && turn) this.turns.delete(turn);
    else if (type === "stop" && (turn === "" || turn === this.sounding)) this.sound = "silent";
  }

  // The loudspeaker is so far; true: what it does has changed.
  heard(state) {
    const before = this.sound;
    if (state === "playing" || state === "paused") this.sound = state;
    else if (state === "done" || state === "stopped") this.sound = "silent";
    return this.sound !== before;
  }
}
