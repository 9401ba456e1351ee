// Who is who: conversations and rooms name users by their ids.

import { call } from "./api.js";
import * as session from "./session.js";

const ASKED_MAX = 100;
const known = new Map();

/** Learn the names of these users, as far as they are not known. */
export async function learn(ids) {
  const missing = [...new Set(ids)].filter((id) => id !== null && !known.has(id));
  for (let at = 0; at < missing.length; at += ASKED_MAX) {
    keep(await call("GET", `/api/people?ids=${missing.slice(at, at + ASKED_MAX).join(",")}`));
  }
}

/** Give the name of a user, and a word in its place where it is not known. */
export function nameOf(id) {
  return known.get(id) ?? `user ${id}`;
}

/** Say who it is to whoever is logged in. */
export function called(id) {
  return id === session.current()?.user_id ? "You" : nameOf(id);
}

/** Find users by exact names; returns those who exist: {id, username}. */
export async function find(names) {
  return keep(await call("GET", `/api/people?names=${names.map(encodeURIComponent).join(",")}`));
}

function keep({ people }) {
  for (const person of people) known.set(person.id, person.username);
  return people;
}
