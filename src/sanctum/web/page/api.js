// Requests to the service, and its refusals in plain words.

import * as session from "./session.js";

const TIMEOUT_MS = 15000;

/** A request that did not do what it was for: `message` says to people what to do. */
export class Failure extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * Send a request of whoever is logged in; returns the decoded body, null where there is none.
 *
 * A token that has expired is renewed once, and the request sent again.
 */
export async function call(method, path, body) {
  const token = await session.token();
  try {
    return await send(method, path, body, token);
  } catch (failure) {
    if (failure.status !== 401 || !token) throw failure;
    return send(method, path, body, await session.renewed(token));
  }
}

/** Send one request; raises Failure. */
export async function send(method, path, body, token) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token) headers.authorization = `Bearer ${token}`;
  let answer, text;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await answer.text();
  } catch {
    throw new Failure(0, "unreachable", "The service cannot be reached. Check your connection and try again.");
  }
  const decoded = decode(text);
  if (!answer.ok) throw refusal(answer, decoded);
  return decoded;
}

function decode(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null; // a proxy may answer with a page of its own; the status still counts
  }
}

const BY_CODE = {
  invalid_credentials: "Name or password is wrong. Check both and try again.",
  username_taken: "That name is taken. Choose another one.",
  overloaded: "Many people are logging in. Try again in a moment.",
  room_full: "Two are playing there already. Choose another game or start one.",
  own_room: "This is your own game. Wait for somebody to join.",
  room_ended: "This game has ended.",
  place_taken: "That place is taken. Choose a free one.",
  not_your_turn: "It is the other player's turn.",
  stale_move: "The game went on meanwhile. Look at the board and move again.",
  card_declined: "The card was declined. Nothing was charged. Try another one.",
  course_full: "Every seat of this course is taken.",
  already_paid: "This course is paid for already.",
  payment_required: "This course has to be paid for first.",
  charging_unavailable: "The payment takes long. Try again: nothing is charged twice.",
  not_enrolled: "This is for those who are enrolled.",
  already_participant: "They take part already.",
  conversation_full: "This group is full.",
  no_opponent: "Nobody has joined yet.",
};

const BY_STATUS = {
  401: "You are logged out. Log in again.",
  403: "You may not do that.",
  404: "This is not there any more.",
  409: "Somebody changed this meanwhile. Load it again.",
  413: "That is too long. Shorten it and try again.",
  503: "A part of the service is away. Try again in a moment.",
};

function refusal(answer, body) {
  const { status } = answer;
  const code = body?.error ?? "";
  return new Failure(status, code, words(answer, code, body?.message));
}

function words(answer, code, message) {
  if (BY_CODE[code]) return BY_CODE[code];
  if (answer.status === 429) {
    const seconds = answer.headers.get("retry-after") ?? "a few";
    return `That was too fast. Try again in ${seconds} seconds.`;
  }
  if (BY_STATUS[answer.status]) return BY_STATUS[answer.status];
  if (answer.status === 422 && message) return `That cannot be accepted: ${message}.`;
  return "The service failed at this. Try again; if it goes on, tell whoever runs it.";
}
