// What the pages do beyond HTML; without it they work all the same. No part builds HTML from text.
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
  });

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
