// What went wrong, in one line that says what to do.

const BY_NAME = {
  NotAllowedError: "The browser does not let this page use the microphone. Allow it beside the address, then press the button again; typing works meanwhile.",
  NotFoundError: "There is no microphone. Plug one in, then press the button again; typing works meanwhile.",
  NotReadableError: "Another program holds the microphone. Close it there, then press the button again.",
  NotSupportedError: "Browsers give the microphone only to pages from this machine or over HTTPS. Open http://localhost, or put Solo behind a proxy with TLS.",
};

const BY_CODE = {
  "api.unauthorized": "You are not logged in. Run `solo voice` on the machine, or log in with your password.",
  "security.unauthorized": "That address was used already, or is too old. Run `solo voice` again.",
  "security.bad_login": "The name or the password is wrong.",
  "api.stopping": "Solo is stopping. This page goes on when it is back.",
  "api.turn_lost": "Solo lost that answer when a part of it crashed. Ask again.",
  "audio.too_many_sources": "Too many microphones are open. Close another page of Solo's.",
  "api.too_many_requests": "That was too often. Wait a minute.",
};

export const AWAY = "Solo does not answer. Start it with `solo run`; this page goes on by itself.";
export const LOST = "The microphone is gone. Plug it in again, then press the button.";
export const SILENT = "The browser holds the sound back. Press any key or button to hear the answer.";

// Of the browser's.
export const ofBrowser = (error) => BY_NAME[error.name] ?? `The browser cannot use the microphone (${error.name}: ${error.message}).`;

// Of Solo's: {code, message, hint}.
export function ofSolo({ code, message, hint }) {
  const known = BY_CODE[code];
  if (known !== undefined) return known;
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? "" : "."}`;
  return `${sentence}${hint ? ` ${hint}` : ""} [${code}]`;
}
