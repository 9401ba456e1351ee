// Who is logged in. Kept in the browser's storage, so that it outlives a reload and is one for all
// tabs. A refresh token is good once: tabs take turns, and whoever comes second finds the new one.

import { Failure, send } from "./api.js";

const KEY = "sanctum.session";
const LOCK = "sanctum.refresh";
const EARLY_MS = 30000; // renew while the old token still works

export const changes = new EventTarget();

/** Give the session: {user_id, username, token, refresh_token, expires_at}, null when logged out. */
export function current() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
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
  keep(await send("POST", "/api/auth/login", { username, password }), username);
  changes.dispatchEvent(new Event("change"));
}

/** Log out here at once, and tell the service; that it is away keeps nobody logged in. */
export async function logOut() {
  const ended = current();
  drop();
  if (!ended) return;
  try {
    await send("POST", "/api/auth/logout", undefined, ended.token);
  } catch (failure) {
    if (failure.status === 0 || failure.status >= 500) throw failure;
  }
}

/** Give a token that works for a while yet, null when nobody is logged in. */
export async function token() {
  const now = current();
  if (!now) return null;
  return now.expires_at - EARLY_MS > Date.now() ? now.token : renewed(now.token);
}

/** Give the token that follows one that is worn out; raises Failure 401 where there is none. */
export function renewed(worn) {
  return inTurn(async () => {
    const now = current();
    if (!now) throw over();
    if (now.token !== worn) return now.token;
    try {
      keep(await send("POST", "/api/auth/refresh", { refresh_token: now.refresh_token }), now.username);
    } catch (failure) {
      if (failure.status !== 401 && failure.status !== 422) throw failure;
      drop();
      throw over();
    }
    return current().token;
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

function keep(made, username) {
  const { user_id, token: fresh, refresh_token, expires_in } = made;
  const expires_at = Date.now() + expires_in * 1000;
  localStorage.setItem(KEY, JSON.stringify({ user_id, username, token: fresh, refresh_token, expires_at }));
}

function drop() {
  localStorage.removeItem(KEY);
  changes.dispatchEvent(new Event("change"));
}

// Another tab logged in or out.
addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  const before = event.oldValue ? JSON.parse(event.oldValue) : null;
  if (before?.user_id !== current()?.user_id) changes.dispatchEvent(new Event("change"));
});
