// What the pages do beyond HTML; without it they work all the same. Only the server builds HTML from text.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Moments in the reader's own time; UTC stays on the pointer.
  const day = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
  const showTimes = (root = document) => {
    for (const time of all('time[data-show="moment"]', root)) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = time.title || at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
      time.textContent = day.format(at);
    }
  };

  // One click copies. The clipboard needs TLS or this machine; elsewhere a selection does.
  const showCopies = (root = document) => {
    for (const button of all("[data-copy]", root)) button.hidden = false;
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = document.createElement("textarea");
      field.value = text;
      field.className = "visually-hidden";
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    event.preventDefault();
    await copy(button.dataset.copy);
    button.classList.add("done");
    const said = button.title;
    button.title = "Copied";
    button.setAttribute("aria-label", "Copied");
    setTimeout(() => {
      button.classList.remove("done");
      button.title = said;
      button.setAttribute("aria-label", `${said} ${button.dataset.copy}`);
    }, 1500);
  });

  // What cannot be undone asks first.
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
    // A second click would hide the answer to the first.
    const form = event.target;
    if (form.dataset.once === undefined) return;
    if (form.dataset.once === "sent") event.preventDefault();
    form.dataset.once = "sent";
  });
  window.addEventListener("pageshow", () => { for (const form of all("form[data-once]")) form.dataset.once = ""; });

  // Keys: / to the search, j and k along the rows, Enter opens the row.
  let at = -1;
  const move = (by) => {
    const rows = all("[data-href]");
    if (!rows.length) return;
    rows[at]?.classList.remove("at");
    at = Math.min(Math.max(at + by, 0), rows.length - 1);
    rows[at].classList.add("at");
    rows[at].scrollIntoView({ block: "nearest" });
    rows[at].querySelector("a")?.focus({ preventScroll: true });
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && typing) return typing.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      move(event.key === "j" ? 1 : -1);
    } else if (event.key === "Enter" && at >= 0 && (event.target === document.body || event.target.closest("[data-href].at"))) {
      const row = all("[data-href]")[at];
      if (!row || event.target.closest("button") || (event.target.closest("a") && event.target.closest("a") !== row.querySelector("a"))) return;
      event.preventDefault();
      location.href = row.dataset.href;
    }
  });

  showTimes();
  showCopies();
  // For parts of the page that come later.
  window.portal = { showTimes, showCopies };
})();

// Logs: the live tail. Rows come as the HTML that the server has for the page, escaped as there.
(() => {
  const pad = (number) => String(number).padStart(2, "0");
  const dayOf = (at) => `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  const clockOf = (at) => `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;

  // Times of rows in the reader's own time, buttons that need scripts.
  function dress(root) {
    for (const time of root.querySelectorAll('time[data-show="stamp"]')) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.querySelector(".clock").textContent = clockOf(at);
      time.querySelector(".day").textContent = dayOf(at);
    }
    window.portal.showTimes(root);
    window.portal.showCopies(root);
  }

  // Fields for a time are in UTC for the server and in the reader's own time for the reader.
  function localTimes(form) {
    const fields = form.querySelectorAll("input[data-utc]");
    for (const field of fields) {
      const at = new Date(`${field.value}Z`);
      if (!Number.isNaN(at.getTime())) field.value = `${dayOf(at)}T${clockOf(at)}`;
    }
    form.querySelectorAll("span[data-utc]").forEach((said) => said.remove());
    form.addEventListener("formdata", (event) => {
      for (const field of fields) {
        const at = new Date(field.value);
        if (!Number.isNaN(at.getTime())) event.formData.set(field.name, at.toISOString().slice(0, 19));
      }
      // Short addresses: what is not chosen need not be said.
      for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
    });
    form.querySelectorAll("[data-submits]").forEach((field) => field.addEventListener("change", () => form.requestSubmit()));
  }

  // Rows kept on the page while it is live; what is older is behind "Older".
  const MOST_ROWS = 2000;
  // Rows held back while the tail is paused; beyond them, "Jump to latest" loads the page anew.
  const MOST_WAITING = 500;

  function liveTail(bar) {
    const log = document.querySelector("[data-log]");
    const state = bar.querySelector("[data-live-state]");
    const pause = bar.querySelector("[data-live-pause]");
    const jump = bar.querySelector("[data-live-jump]");
    let source = null, paused = false, over = "", waiting = [], overflowed = false, last = "";

    const atTop = () => log.getBoundingClientRect().top > -80;
    const say = (text, look) => {
      if (state.textContent !== text) state.textContent = text;
      bar.dataset.look = look;
    };
    const show = () => {
      const count = waiting.length;
      if (over) say(over, "over");
      else if (paused) say("Paused", "paused");
      else if (source && source.readyState === EventSource.OPEN) say("Live", "live");
      else say("Connecting…", "paused");
      pause.textContent = over || paused ? "Resume" : "Pause";
      bar.classList.toggle("away", !atTop());
      jump.hidden = !count && atTop();
      jump.textContent = count ? `Jump to latest (${overflowed ? "over " : ""}${count} new)` : "Jump to latest";
    };
    // The server escapes whatever chargers and backoffices said, here as on the page.
    const element = (text) => {
      const template = document.createElement("template");
      template.innerHTML = text;
      return template.content.firstElementChild;
    };
    const insert = (row) => {
      const same = row.id && document.getElementById(row.id);
      if (same) {
        const open = same.querySelector("details[open]");
        if (open) row.querySelector("details").open = true;
        same.replaceWith(row);
        return;
      }
      row.classList.add("fresh");
      log.prepend(row);
      while (log.childElementCount > MOST_ROWS) log.lastElementChild.remove();
      document.querySelectorAll(".empty").forEach((empty) => empty.remove());
    };
    const flush = () => {
      waiting.splice(0).forEach(insert);
      const oldest = [...log.querySelectorAll("[data-before]")].pop();
      const older = document.querySelector("[data-older]");
      if (oldest && older) {
        const address = new URL(older.href);
        address.searchParams.set("before", oldest.dataset.before);
        older.href = address;
      }
    };
    const hear = (event) => {
      last = event.lastEventId || last;
      const row = element(event.data);
      if (!row) return;
      dress(row);
      const known = row.id && document.getElementById(row.id);
      const held = row.id ? waiting.findIndex((other) => other.id === row.id) : -1;
      if (held >= 0) waiting[held] = row;
      else if (known || (!paused && atTop())) insert(row);
      else if (waiting.length < MOST_WAITING) waiting.push(row);
      else overflowed = true;
      if (!paused && atTop()) flush();
      show();
    };
    const stop = (why) => {
      if (source) source.close();
      source = null;
      over = why;
      show();
    };
    const start = () => {
      const address = new URL(bar.dataset.live, location.href);
      if (last) address.searchParams.set("after", last);
      over = "";
      source = new EventSource(address);
      source.addEventListener("row", hear);
      source.addEventListener("over", (event) => stop(event.data));
      source.onopen = show;
      source.onerror = () => {
        if (source && source.readyState === EventSource.CLOSED) stop("Not live: too many look on, or you are logged out.");
        else show();
      };
      show();
    };

    pause.addEventListener("click", () => {
      if (over) { paused = false; start(); flush(); return; }
      paused = !paused;
      if (!paused) flush();
      show();
    });
    jump.addEventListener("click", () => {
      if (overflowed) { location.reload(); return; }
      paused = false;
      flush();
      window.scrollTo({ top: 0 });
      if (over) start();
      show();
    });
    window.addEventListener("scroll", () => {
      if (!paused && waiting.length && atTop()) flush();
      show();
    }, { passive: true });
    window.addEventListener("pagehide", () => source && source.close());
    window.addEventListener("pageshow", (event) => event.persisted && !over && start());
    bar.hidden = false;
    document.querySelectorAll("a.newer").forEach((link) => { link.hidden = true; });
    start();
  }



  dress(document);
  document.querySelectorAll(".logsearch").forEach(localTimes);
  document.querySelectorAll("[data-live]").forEach(liveTail);
})();
