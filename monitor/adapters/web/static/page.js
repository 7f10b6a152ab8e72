"use strict";

// The server renders; this swaps what it sends in, keeps what the reader did, and counts times on.
(() => {
  const main = document.getElementById("status");
  const live = document.getElementById("live");
  const liveText = document.getElementById("live-text");
  let words = "";

  const say = (on, text) => {
    live.classList.toggle("on", on);
    if (liveText.textContent !== text) liveText.textContent = text;
  };

  const span = (seconds) => {
    const sizes = [[86400, "d"], [3600, "h"], [60, "min"]];
    for (const [size, unit] of sizes) if (seconds >= size) return `${Math.round(seconds / size)} ${unit}`;
    return `${Math.max(0, Math.round(seconds))} s`;
  };

  const times = () => {
    const now = Date.now();
    for (const node of document.querySelectorAll("time")) {
      const at = Date.parse(node.dateTime);
      if (Number.isNaN(at)) continue;
      node.title = new Date(at).toLocaleString();
      const text = span((now - at) / 1000);
      const shown = "span" in node.dataset ? text : now - at < 10000 ? "just now" : `${text} ago`;
      if (node.textContent !== shown) node.textContent = shown;
    }
  };

  const filter = () => {
    let left = 0;
    for (const card of document.querySelectorAll(".card")) {
      card.hidden = !card.dataset.words.toLowerCase().includes(words);
      left += card.hidden ? 0 : 1;
    }
    const none = document.getElementById("none-left");
    if (none) none.hidden = left > 0 || !words;
  };

  const listen = () => {
    const input = document.getElementById("filter");
    if (!input) return;
    input.value = words;
    input.addEventListener("input", () => {
      words = input.value.trim().toLowerCase();
      filter();
    });
  };

  const looked = (at) => {
    const seen = main.querySelector("time[data-live]");
    if (seen) seen.dateTime = at;
    times();
  };

  // What the reader opened and where the focus is outlives a change of what lies below.
  const keeping = (change) => {
    const open = [...main.querySelectorAll("details[open]")].map((node) => node.id);
    const active = document.activeElement;
    const within = active && active.closest("details");
    const focus = active && main.contains(active) ? active.id || (within && within.id) : "";
    const caret = active && active.id === "filter" ? active.selectionStart : null;
    change();
    for (const id of open) {
      const node = document.getElementById(id);
      if (node) node.open = true;
    }
    filter();
    const again = focus && document.getElementById(focus);
    if (again && again !== document.activeElement) {
      (again.tagName === "DETAILS" ? again.querySelector("summary") : again).focus({ preventScroll: true });
      if (caret !== null) again.setSelectionRange(caret, caret);
    }
  };

  const swap = (html) => keeping(() => {
    main.innerHTML = html;
    listen();
  });

  const patch = (parts) => keeping(() => {
    for (const [name, html] of Object.entries(parts)) {
      const node = main.querySelector(`[data-part="${name}"]`);
      if (node) node.outerHTML = html;
    }
  });

  const connect = () => {
    const source = new EventSource("events");
    source.addEventListener("open", () => say(true, "live"));
    source.addEventListener("status", (event) => {
      const sent = JSON.parse(event.data);
      say(true, "live");
      swap(sent.html);
      looked(sent.at);
    });
    source.addEventListener("parts", (event) => {
      const sent = JSON.parse(event.data);
      patch(sent.parts);
      looked(sent.at);
    });
    source.addEventListener("look", (event) => looked(JSON.parse(event.data).at));
    source.addEventListener("error", () => {
      say(false, "not live, trying again");
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
    });
  };

  listen();
  times();
  setInterval(times, 1000);
  connect();
})();
