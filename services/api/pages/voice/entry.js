// Being let in: by the ticket that `solo voice` put behind the address's #, by a session that goes on, or by a password.
// The tokens themselves are in cookies that no script can read.

const RENEW_BEFORE = 0.3; // of its life that an access token has left when it is renewed
const LONGEST_PAUSE_S = 5; // that somebody who logs in waits without being told
const KEPT = "solo.voice.until";

let until = Number(sessionStorage.getItem(KEPT) ?? 0); // Date.now() until which the access cookie is good
let life = 600_000;

export class Refused extends Error {
  constructor(status, error, pause) {
    super(error?.message ?? `Solo answers ${status}`);
    this.status = status;
    this.pause = pause; // seconds until it is worth another try; NaN: not told
    this.code = error?.code ?? "";
    this.hint = error?.hint ?? "";
  }
}

// JSON of Solo's; throws Refused for what it refuses, TypeError when it is away.
export async function ask(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.error, Number.parseFloat(answer.headers.get("retry-after")));
  return said;
}

function admitted(said) {
  life = said.expires_in * 1000;
  until = Date.now() + life;
  sessionStorage.setItem(KEPT, String(until));
}

// True: the address brought a ticket, and Solo took it. The ticket leaves the address before anything else happens.
export async function byTicket() {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (ticket === null) return false;
  history.replaceState(null, "", location.pathname);
  admitted(await ask("POST", "/api/auth/login", { ticket, cookie: true }));
  return true;
}

// After a log-in that failed Solo does not look at the next one for a moment: a short one is waited out.
export async function byPassword(name, password) {
  const login = () => ask("POST", "/api/auth/login", { name, password, cookie: true });
  try {
    admitted(await login());
  } catch (error) {
    if (error.code !== "security.slow_down" || !(error.pause <= LONGEST_PAUSE_S)) throw error;
    await new Promise((resolve) => setTimeout(resolve, 1000 * error.pause));
    admitted(await login());
  }
}

export async function leave() {
  sessionStorage.removeItem(KEPT);
  until = 0;
  await ask("POST", "/api/auth/logout");
}

export const isDue = () => Date.now() > until - RENEW_BEFORE * life;

// True once there is a session; false: log in. One page at a time, since a refresh token is worth one refresh.
export async function renew() {
  const refresh = async () => {
    try {
      admitted(await ask("POST", "/api/auth/refresh", undefined));
      return true;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return isSomebody();
      throw error;
    }
  };
  return navigator.locks === undefined ? refresh() : navigator.locks.request("solo.refresh", refresh);
}

// Is the access cookie still good? Throws when Solo is away.
async function isSomebody() {
  try {
    await ask("GET", "/api/auth/me");
    return true;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return false;
    throw error;
  }
}

// As `renew`, but without one where there is no need.
export async function admit() {
  return !isDue() && (await isSomebody()) ? true : renew();
}
