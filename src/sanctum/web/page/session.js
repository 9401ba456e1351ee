// Who is logged in. Outlives a reload and is one for all tabs. A refresh token is good once: tabs take
// turns, and whoever comes second finds the new one in the vault.

import { Failure, send } from "./api.js";
import * as vault from "./vault.js";

const KEY = "sanctum.session";
const LOCK = "sanctum.refresh";
const EARLY_MS = 30000; // renew while the old token still works

export const changes = new EventTarget();

/** Give the session: {user_id, username, role, token, expires_at}, null when logged out. */
export function current() {
  return parse(localStorage.getItem(KEY));
}

function parse(stored) {
  try {
    return JSON.parse(stored);
  } catch {
    return null; // somebody else wrote there: the same as nothing
  }
}

/** Make an account, and log in. */
export async function signUp(username, password) {
  await send("POST", "/api/auth/signup", { username, password });
  await logIn(username, password);
}

/** Log in; raises Failure. */
export async function logIn(username, password) {
  await inTurn(async () => keep(await send("POST", "/api/auth/login", { username, password }), username));
  changes.dispatchEvent(new Event("change"));
}

/** Log out here, and tell the service; that it is away keeps nobody logged in. In turn with renewals: one
 * that is on its way would bring back what was ended, and a token that is worn out ends nothing. */
export function logOut() {
  return inTurn(async () => {
    const ended = await vault.read();
    await drop();
    if (!ended) return;
    try {
      const fresh = worksFor(ended) ? ended : await refreshed(ended);
      await send("POST", "/api/auth/logout", undefined, fresh.token);
    } catch (failure) {
      if (failure.status === 0 || failure.status >= 500) throw failure;
    }
  });
}

function worksFor(session) {
  return session.expires_at - EARLY_MS > Date.now();
}

function refreshed(session) {
  return send("POST", "/api/auth/refresh", { refresh_token: session.refresh_token });
}

/** Give a token that works for a while yet, null when nobody is logged in. */
export async function token() {
  const now = current();
  if (!now) return null;
  return worksFor(now) ? now.token : renewed(now.token);
}

/** Give the token that follows one that is worn out; raises Failure 401 where there is none. */
export function renewed(worn) {
  return inTurn(async () => {
    const kept = await vault.read();
    if (!kept) {
      await drop();
      throw over();
    }
    if (kept.token !== worn) {
      show(kept);
      return kept.token;
    }
    try {
      return await keep(await refreshed(kept), kept.username);
    } catch (failure) {
      if (failure.status !== 401 && failure.status !== 422) throw failure;
      await drop();
      throw over();
    }
  });
}

function over() {
  return new Failure(401, "session_over", "Your session is over. Log in again.");
}

let turn = Promise.resolve();

/** Run alone: in this tab always, across tabs where the browser has locks (it has on https). */
function inTurn(work) {
  const alone = () => (navigator.locks ? navigator.locks.request(LOCK, work) : work());
  const mine = turn.then(alone);
  turn = mine.catch(() => null);
  return mine;
}

async function keep(made, username) {
  const kept = { ...made, username, expires_at: Date.now() + made.expires_in * 1000 };
  await vault.write(kept);
  show(kept);
  return kept.token;
}

/** Let every part of every tab see who is logged in; the refresh token stays in the vault. */
function show({ user_id, username, role, token, expires_at }) {
  localStorage.setItem(KEY, JSON.stringify({ user_id, username, role, token, expires_at }));
}

// Several parts may find out at once that it is over: it is told once, or what one types into the form
// that is shown then would be lost.
async function drop() {
  const ended = current();
  localStorage.removeItem(KEY);
  await vault.clear();
  if (ended) changes.dispatchEvent(new Event("change"));
}

// Another tab logged in or out.
addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  if (parse(event.oldValue)?.user_id !== current()?.user_id) changes.dispatchEvent(new Event("change"));
});
