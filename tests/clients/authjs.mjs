// Auth.js over any of its adapters. What it accepts is asked of its own request handler.
import { createHash } from "node:crypto";
import { Auth } from "@auth/core";
import { rows } from "./protocol.mjs";

const month = 30 * 24 * 3600;
const secret = "a secret of the tests";
const hash = (token) => createHash("sha256").update(`${token}${secret}`).digest("hex");

// Auth.js deletes what it finds expired, and what was used: here that stays, because sweepd shall delete it.
function keeping(adapter) {
  return {
    ...adapter,
    deleteSession: async () => null,
    async useVerificationToken(wanted) {
      const token = await adapter.useVerificationToken(wanted);
      if (token) await adapter.createVerificationToken(token);
      return token;
    },
  };
}

export function authjs(adapter) {
  const email = { id: "email", type: "email", from: "a@example.com", maxAge: month, sendVerificationRequest() {} };
  const config = {
    adapter: keeping(adapter),
    providers: [email],
    secret,
    trustHost: true,
    // A session that is accepted is not prolonged either.
    session: { strategy: "database", maxAge: month, updateAge: 10 * 365 * 24 * 3600 },
    logger: { error() {}, warn() {}, debug() {} },
  };
  const get = (path, headers) => Auth(new Request(`http://localhost/auth/${path}`, { headers }), config);
  let user;
  const stores = {
    sessions: {
      async write(sessionToken, expires) {
        user ??= await adapter.createUser({ email: "ada@example.com", emailVerified: null });
        await adapter.createSession({ sessionToken, userId: user.id, expires });
      },
      async accepts(token) {
        const answer = await get("session", { cookie: `authjs.session-token=${token}` });
        return Boolean((await answer.json())?.user);
      },
    },
    // The column holds a hash of the token that is in the mailed link.
    tokens: {
      async write(token, expires) {
        await adapter.createVerificationToken({ identifier: `${token}@example.com`, token: hash(token), expires });
        return hash(token);
      },
      async accepts(stored) {
        const token = Array.from({ length: 100 }, (_, i) => `session-${i}`).find((token) => hash(token) === stored);
        const answer = await get(`callback/email?token=${token}&email=${token}@example.com`);
        return !answer.headers.get("location").includes("error=");
      },
    },
  };
  return stores[rows];
}
