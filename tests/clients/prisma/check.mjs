// node check.mjs
//
// Prints what the application sees:
// {"sessions": n, "live": n, "signedIn": bool, "auditLog": [{"id", "action", "details", "createdAt"}, newest first]}
import { auth, prisma } from "./client.mjs";

const expires = { gt: new Date() };
const sessions = await prisma.session.count();
const live = await prisma.session.count({ where: { expires } });
const auditLog = await prisma.auditLog.findMany({ orderBy: { createdAt: "desc" }, take: 10 });

// Whether a user with a live session is still recognised by Auth.js.
const last = await prisma.session.findFirst({ where: { expires }, orderBy: { expires: "desc" } });
const found = last && (await auth.getSessionAndUser(last.sessionToken));
const signedIn = Boolean(found?.user.email);

console.log(JSON.stringify({ sessions, live, signedIn, auditLog }));
await prisma.$disconnect();
