// The commands that every client understands, one or several: node CLIENT/main.mjs create|write|judge|versions ...
//
//   create    the library creates its tables
//   write     it writes sessions that have expired and ones that have not, and prints {"token", "expires", "kind"} of each
//   judge     for each token on standard input: does the library accept it now? Prints {"token", "accepted"} of each
//   versions  prints {"package": "version"}
//
// Each printed value is a line of JSON. DATABASE_URL says where, TZ is the zone of the process, and ROWS is "sessions" or
// "tokens". A client hands over { packages, create, write(token, expires), accepts(token), close }, where `write` may
// return what the token column holds.
import { readFileSync } from "node:fs";

export const url = new URL(process.env.DATABASE_URL ?? "none:");
export const engine = url.protocol.slice(0, -1);
export const file = url.pathname;
export const rows = process.env.ROWS ?? "sessions";

const second = 1000;
const hour = 3600 * second;
const day = 24 * hour;

// Each hour of a day, so that a zone that is taken for another one shows in some of them.
function expiries(now) {
  const hours = Array.from({ length: 24 }, (_, i) => (i + 1) * hour);
  const kinds = [
    ["long-expired", [-400 * day, -8 * day]],
    ["expired", hours.map((hour) => -hour)],
    ["just-expired", [-second]],
    ["soon", [180 * second]],
    ["live", [...hours, 7 * day, 30 * day]],
  ];
  return kinds.flatMap(([kind, list]) => list.map((ahead) => ({ kind, expires: new Date(now + ahead) })));
}

function print(value) {
  console.log(JSON.stringify(value));
}

function version(name) {
  const manifest = new URL(`./node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(manifest)).version;
}

const commands = {
  create: (client) => client.create(),

  async write(client) {
    for (const [number, { kind, expires }] of expiries(Date.now()).entries()) {
      const token = `session-${number}`;
      const stored = (await client.write(token, expires)) ?? token;
      print({ token: stored, expires: expires.toISOString(), kind });
    }
  },

  async judge(client) {
    const tokens = readFileSync(0, "utf8").split("\n").filter(Boolean);
    for (const token of tokens) {
      print({ token, accepted: await client.accepts(token) });
    }
  },

  versions({ packages }) {
    print(Object.fromEntries(packages.map((name) => [name, version(name)])));
  },
};

export async function run(client) {
  for (const command of process.argv.slice(2)) {
    await commands[command](client);
  }
  await client.close?.();
}
