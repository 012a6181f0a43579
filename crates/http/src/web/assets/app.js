// Pages work without this. With it they follow what happens, and forms are checked while they are filled in.
"use strict";
(() => {
  const REREAD_MS = 300, AGAIN_MS = 3000, CHECK_MS = 400, PAUSED_AFTER_MS = 30000, TICK_MS = 1000, QUICK_MS = 1500,
    PASSED_AFTER_MS = 10000;

  // Parts of a page that may change while it is open have an id and `data-live`.
  const isHeld = (part) => part.contains(document.activeElement) && document.activeElement !== document.body
    || part.querySelector("[data-pick]:checked") || part.matches("details[open]") || part.querySelector("details[open]")
    || (getSelection().rangeCount && !getSelection().isCollapsed && part.contains(getSelection().anchorNode));

  // A log is followed at its end, unless the reader scrolled up.
  const toEnd = (part) => { for (const log of part.querySelectorAll("[data-tail]")) log.scrollTop = log.scrollHeight; };
  toEnd(document);

  // A message about what goes on passes with it; what is over before it is seen passes after a while.
  const passes = () => {
    const note = document.querySelector(".flash[data-while]");
    if (!note) return;
    const goes = note.dataset.while.split(" ").some((name) => document.querySelector(`[data-going="${CSS.escape(name)}"]`));
    if (goes) note.dataset.seen = "";
    else if ("seen" in note.dataset || performance.now() > PASSED_AFTER_MS) note.remove();
  };
  passes();

  const swap = (html, all) => {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    // A part that changes may have marks that this page had no need of so far.
    for (const symbol of fresh.querySelectorAll("#sprite symbol")) {
      if (!document.getElementById(symbol.id)) document.getElementById("sprite").append(document.adoptNode(symbol));
    }
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(part.id);
      if (!other || part.innerHTML === other.innerHTML || !all && isHeld(part)) continue;
      const tail = part.querySelector("[data-tail]"), isAtEnd = !tail || tail.scrollTop + tail.clientHeight >= tail.scrollHeight - 20;
      part.replaceWith(document.adoptNode(other));
      if (isAtEnd) toEnd(other); else other.querySelector("[data-tail]")?.scrollTo(0, tail.scrollTop);
    }
    passes();
    // What is typed stays; whether it is wrong is told.
    for (const field of document.querySelectorAll("form[data-check] :is(input, textarea, select)[id]")) {
      const other = fresh.getElementById(field.id);
      if (other && other.hasAttribute("aria-invalid")) field.setAttribute("aria-invalid", "true");
      else if (other) field.removeAttribute("aria-invalid");
    }
  };

  // What the server answers; without an answer, null: a network that is away for a moment is no fault of the page.
  const ask = async (url, options) => {
    try {
      const answer = await fetch(url, { ...options, headers: { "X-Amarre-Live": "1" } });
      return { status: answer.status, html: await answer.text(), isHere: answer.ok && !answer.redirected };
    } catch {
      return null;
    }
  };

  let reading = null;
  const reread = (after) => {
    clearTimeout(reading);
    reading = setTimeout(async () => {
      const answer = await ask(location.href, {});
      if (!answer) reread(AGAIN_MS);
      else if (answer.isHere) swap(answer.html, false);
    }, after);
  };

  if (document.body.dataset.follow) {
    let lost = null;
    const source = new EventSource("/live");
    source.onmessage = () => reread(REREAD_MS);
    source.onopen = () => { clearTimeout(lost); lost = null; document.getElementById("paused").hidden = true; };
    source.onerror = () => {
      lost = lost || setTimeout(() => { document.getElementById("paused").hidden = false; }, PAUSED_AFTER_MS);
    };
    addEventListener("pagehide", () => source.close());
    // A log that grows is no event.
    setInterval(() => { if (!document.hidden && document.querySelector("[data-quick]")) reread(REREAD_MS); }, QUICK_MS);
  }

  const form = document.querySelector("form[data-check]");
  if (form) {
    let checking = null, last = 0;
    form.addEventListener("input", () => {
      clearTimeout(checking);
      checking = setTimeout(async () => {
        const mine = ++last, body = new URLSearchParams(new FormData(form));
        body.set("do", "check");
        const answer = await ask(form.action, { method: "POST", body });
        if (answer && mine === last && (answer.status === 200 || answer.status === 422)) swap(answer.html, true);
      }, CHECK_MS);
    });
  }

  // Spans go on while a page is open; the server says what time it is. What has run out, is asked for again.
  const ahead = Date.now() - Number(document.querySelector("meta[name=now]").content);
  const DAYS = document.documentElement.lang === "fr" ? "j" : "d";
  const span = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    const [n, unit] = s < 60 ? [s, "s"] : s < 3600 ? [s / 60, "min"] : s < 172800 ? [s / 3600, "h"] : [s / 86400, DAYS];
    return Math.floor(n) + "\u00a0" + unit;
  };
  const write = (part, ms) => {
    const text = (part.dataset.text || "{}").replace("{}", span(ms));
    if (part.textContent !== text) part.textContent = text;
  };
  const over = new Set();
  const tick = () => {
    passes();
    const now = Date.now() - ahead;
    for (const part of document.querySelectorAll("[data-since]")) write(part, now - Number(part.dataset.since));
    for (const part of document.querySelectorAll("[data-until]")) {
      const left = Number(part.dataset.until) - now;
      write(part, left);
      if (left > 0 || over.has(part.dataset.until)) continue;
      over.add(part.dataset.until);
      reread(REREAD_MS);
    }
  };
  setInterval(tick, TICK_MS);

  // A list is asked for as soon as its order is chosen; without scripts there is a button.
  addEventListener("change", (event) => {
    if (event.target.matches("form[role=search] select") && event.target.form.querySelector(".plain")) event.target.form.requestSubmit();
    if (event.target.matches("[data-pick-all]")) for (const one of event.target.form.querySelectorAll("[data-pick]")) one.checked = event.target.checked;
  });

  // The command of a hint goes to the clipboard; where a browser has none for pages, a click selects it.
  document.documentElement.dataset.copies = navigator.clipboard ? "on" : "off";
  addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button || !navigator.clipboard) return;
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = button.dataset.done;
    // A part that holds the focus is not read again.
    if (event.detail > 0) button.blur();
  });

  // The hours of a week are painted: what the first one becomes, all become that the pointer comes over. On a touch screen
  // that begins after a moment, because a drag at once scrolls. Arrows move, space switches.
  for (const week of document.querySelectorAll("[data-paint]")) {
    const hours = [...week.querySelectorAll("input:enabled")], HOLD_MS = 300, SLIP_PX = 8;
    if (!hours.length) continue;
    const count = document.getElementById("week-hours");
    const tally = () => { count.textContent = count.dataset.text.replace("{}", hours.filter((hour) => hour.checked).length); };
    let to = null, waiting = null, from = null, painted = false;
    const hourAt = (x, y) => { const cell = document.elementFromPoint(x, y)?.closest(".cell"); return cell && week.contains(cell) ? cell.firstElementChild : null; };
    const paint = (hour) => { if (hour && hour.checked !== to) { hour.checked = to; tally(); } };
    const begin = (hour) => { to = !hour.checked; painted = true; paint(hour); };
    const end = () => { clearTimeout(waiting); to = from = null; };
    week.addEventListener("pointerdown", (event) => {
      const hour = hourAt(event.clientX, event.clientY);
      painted = false;
      if (!hour || event.button) return;
      if (event.pointerType !== "touch") return begin(hour);
      from = event;
      waiting = setTimeout(() => begin(hour), HOLD_MS);
    });
    addEventListener("pointermove", (event) => {
      if (from && to === null && Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY) > SLIP_PX) end();
      if (to !== null) paint(hourAt(event.clientX, event.clientY));
    });
    week.addEventListener("touchmove", (event) => { if (to !== null) event.preventDefault(); }, { passive: false });
    week.addEventListener("contextmenu", (event) => { if (to !== null) event.preventDefault(); });
    for (const over of ["pointerup", "pointercancel"]) addEventListener(over, end);
    // The click that ends a drag has been counted; one of a key has not.
    week.addEventListener("click", (event) => { if (painted && event.detail) event.preventDefault(); });
    week.addEventListener("change", tally);
    const reach = (hour) => { for (const other of hours) other.tabIndex = other === hour ? 0 : -1; };
    reach(hours[0]);
    week.addEventListener("focusin", (event) => reach(event.target));
    week.addEventListener("keydown", (event) => {
      // On a narrow page days stand across.
      const across = getComputedStyle(week).gridAutoFlow.startsWith("column"), [side, down] = across ? [24, 1] : [1, 24];
      const step = { ArrowRight: side, ArrowLeft: -side, ArrowDown: down, ArrowUp: -down }[event.key];
      const next = step && hours[hours.indexOf(event.target) + step];
      if (step) event.preventDefault();
      if (next) next.focus();
    });
  }

  // Keys, as /keys lists them; they can be switched off there. Nothing that deletes, suspends or rolls back has one.
  let before = "";
  const open = (link) => link && link.click();
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.documentElement.dataset.keys === "off") return;
    const field = event.target.closest("input, textarea, select");
    if (event.key === "Escape" && field) return field.blur();
    if (field) return;
    const go = before === "g" && { s: "/", i: "/instances", p: "/pools", a: "/runs", n: "/network", c: "/certificates" }[event.key];
    before = event.key;
    if (go) { location.href = go; return; }
    const rows = [...document.querySelectorAll("td.name a")], at = rows.indexOf(document.activeElement);
    const tabs = document.querySelectorAll("nav.tabs a");
    switch (event.key) {
      case "/": { const search = document.getElementById("q"); if (search) { event.preventDefault(); search.focus(); } break; }
      case "n": location.href = "/new"; break;
      case "?": location.href = "/keys"; break;
      case "j": case "k": {
        const next = event.key === "j" ? Math.min(at + 1, rows.length - 1) : Math.max(at - 1, 0);
        if (rows[next]) rows[next].focus();
        break;
      }
      case "1": case "2": case "3": case "4": case "5": open(tabs[event.key - 1]); break;
      case "e": open(document.querySelector('a.btn[href$="/edit"]')); break;
      case "r": open(document.querySelector('form[action$="/reconcile"] button')); break;
    }
  });
})();
