// Ticks the clocks, shows how far runs are, and fetches the page anew when something else has changed. Everything is
// there without it, too.
"use strict";

(() => {
  const main = () => document.querySelector("main");
  const parse = (text) => new DOMParser().parseFromString(text, "text/html");
  const ask = (path) => fetch(path, { cache: "no-store", headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });

  // A link from another site comes without the cookie. This request does not.
  const login = document.querySelector("main[data-login]");
  if (login) {
    ask("/live").then((answer) => {
      if (answer.status === 200) location.replace(login.dataset.login);
    }, () => {});
    return;
  }
  if (!main().dataset.version) return;

  const skew = Date.now() - Number(main().dataset.now);

  // As words.rs does.
  const span = (millis) => {
    const seconds = Math.max(0, Math.floor(millis / 1000));
    const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
    const two = (large, unit, small, of) => (small ? `${large} ${unit} ${small} ${of}` : `${large} ${unit}`);
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 600) return two(minutes, "min", seconds % 60, "s");
    if (seconds < 3600) return `${minutes} min`;
    if (seconds < 86400) return two(hours, "h", minutes % 60, "min");
    return two(days, "d", hours % 24, "h");
  };

  const tick = () => {
    const now = Date.now() - skew;
    let isDue = false;
    for (const time of document.querySelectorAll("time[data-ago], time[data-until]")) {
      const at = Date.parse(time.dateTime);
      const ahead = at > now ? `in ${span(at - now)}` : "now";
      const text = "until" in time.dataset ? ahead : `${span(now - at)} ago`;
      if (time.textContent === text) continue;
      isDue ||= text === "now";
      time.textContent = text;
    }
    if (isDue) soon(1000);
  };

  const renew = async () => {
    const answer = await ask(location.pathname);
    // Logged out, or the job is gone. Anything else may be over in a moment.
    if (answer.redirected || answer.status === 404) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    const page = parse(await answer.text());
    const [before, after] = [main(), page.querySelector("main")];
    // What a button came to has been told once, and is still to be read.
    for (const notice of before.querySelectorAll("article > .notice")) {
      page.getElementById(notice.parentNode.id)?.prepend(notice);
    }
    const say = [...after.querySelectorAll("[data-say]")].map((job) => job.dataset.say);
    const known = new Set([...before.querySelectorAll("[data-say]")].map((job) => job.dataset.say));
    const focus = document.activeElement?.id;
    before.replaceWith(after);
    document.title = page.title;
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
    const news = say.filter((text) => !known.has(text)).join(". ");
    if (news) document.getElementById("said").textContent = news;
  };

  const look = async () => {
    const answer = await ask("/live");
    if (answer.status === 204) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    const live = parse(await answer.text()).getElementById("live");
    if (live.dataset.version !== main().dataset.version) return renew();
    for (const part of [...live.children]) document.getElementById(part.id)?.replaceWith(part);
  };

  let failures = 0;
  let timer;
  const soon = (millis) => {
    clearTimeout(timer);
    timer = setTimeout(poll, millis);
  };
  const poll = async () => {
    try {
      if (!document.hidden) await look();
      failures = 0;
    } catch {
      failures += 1;
    }
    const offline = document.getElementById("offline");
    const text = failures ? "sweepd does not answer, so what is shown may be old. Trying again…" : "";
    offline.hidden = failures === 0;
    if (offline.textContent !== text) offline.textContent = text;
    const pause = main().dataset.active === "true" ? 1000 : 15000;
    soon(failures ? Math.min(1000 * 2 ** failures, 30000) : pause);
  };

  document.addEventListener("visibilitychange", () => document.hidden || soon(0));
  setInterval(tick, 1000);
  soon(1000);
})();
