// Pages work without this. With it they follow what happens, and forms are checked while they are filled in.
"use strict";
(() => {
  const REREAD_MS = 300, CHECK_MS = 400, PAUSED_AFTER_MS = 30000;

  // Parts of a page that may change while it is open have an id and `data-live`.
  const isHeld = (part) => part.contains(document.activeElement) && document.activeElement !== document.body
    || part.matches("details[open]") || part.querySelector("details[open]")
    || (getSelection().rangeCount && !getSelection().isCollapsed && part.contains(getSelection().anchorNode));

  const swap = (html, all) => {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(part.id);
      if (other && part.innerHTML !== other.innerHTML && (all || !isHeld(part))) part.replaceWith(document.adoptNode(other));
    }
  };

  let reading = null;
  const reread = () => {
    clearTimeout(reading);
    reading = setTimeout(async () => {
      const answer = await fetch(location.href, { headers: { "X-Amarre-Live": "1" } });
      if (answer.ok && !answer.redirected) swap(await answer.text(), false);
    }, REREAD_MS);
  };

  if (document.body.dataset.follow) {
    let lost = null;
    const source = new EventSource("/live");
    source.onmessage = reread;
    source.onopen = () => { clearTimeout(lost); lost = null; document.getElementById("paused").hidden = true; };
    source.onerror = () => {
      lost = lost || setTimeout(() => { document.getElementById("paused").hidden = false; }, PAUSED_AFTER_MS);
    };
    addEventListener("pagehide", () => source.close());
  }

  const form = document.querySelector("form[data-check]");
  if (form) {
    let checking = null, last = 0;
    form.addEventListener("input", () => {
      clearTimeout(checking);
      checking = setTimeout(async () => {
        const mine = ++last, body = new URLSearchParams(new FormData(form));
        body.set("do", "check");
        const answer = await fetch(form.action, { method: "POST", body, headers: { "X-Amarre-Live": "1" } });
        if (mine === last && (answer.ok || answer.status === 422)) swap(await answer.text(), true);
      }, CHECK_MS);
    });
  }

  // Keys, as the list in the documentation has them.
  let before = "";
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const field = event.target.closest("input, textarea, select");
    if (event.key === "Escape" && field) return field.blur();
    if (field) return;
    const go = { s: "/", r: "/runs", n: "/network", c: "/certificates" }[event.key];
    if (before === "g" && go) location.href = go;
    else if (event.key === "/") { const search = document.getElementById("q"); if (search) { event.preventDefault(); search.focus(); } }
    else if (event.key === "n" && before !== "g") location.href = "/new";
    before = event.key;
  });
})();
