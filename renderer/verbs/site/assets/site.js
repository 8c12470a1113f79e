// The search of all apps, and the comparison of two steps. Without it the pages can be read all the same.
"use strict";
var rollstep = {};

(function () {
  const MOST = 50;
  const root = () => document.body.dataset.root;

  function element(name, text, kind) {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  // The list of apps is large, so it is loaded when somebody begins to search.
  function load(then) {
    if (rollstep.apps) return then();
    if (rollstep.loading) return;
    rollstep.loading = true;
    const script = document.createElement("script");
    script.src = root() + "search.js";
    script.addEventListener("load", then);
    document.head.append(script);
  }

  function find(words) {
    const found = [];
    let count = 0;
    for (const row of rollstep.apps) {
      const text = row.join(" ").toLowerCase();
      if (!words.every((word) => text.includes(word))) continue;
      count += 1;
      if (found.length < MOST) found.push(row);
    }
    return { found, count };
  }

  function item(row) {
    const [environment, app, versions, state, ...tags] = row;
    const link = element("a", `${app} in ${environment}`);
    link.href = `${root()}apps/${encodeURIComponent(environment)}/${encodeURIComponent(app)}/index.html`;
    const made = document.createElement("li");
    made.append(link, " ", element("span", [versions, state, ...tags].filter(Boolean).join(", "), "of"));
    return made;
  }

  function search() {
    const query = document.getElementById("query").value.trim().toLowerCase();
    const results = document.getElementById("results");
    const status = document.getElementById("found");
    results.replaceChildren();
    status.textContent = "";
    if (!query) return;
    const { found, count } = find(query.split(/\s+/));
    results.append(...found.map(item));
    const more = count > found.length ? `, the first ${found.length} shown` : "";
    status.textContent = `${count} ${count === 1 ? "app" : "apps"}${more}`;
  }

  function startSearch() {
    const query = document.getElementById("query");
    document.getElementById("search").hidden = false;
    query.addEventListener("focus", () => load(search), { once: true });
    query.addEventListener("input", () => load(search));
    query.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        query.value = "";
        search();
      }
    });
    document.addEventListener("keydown", (event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        query.focus();
      }
    });
  }

  const KINDS = { "+": "added", "-": "removed", "@": "place" };

  function block(text) {
    const made = element("pre", "", "diff");
    made.tabIndex = 0;
    const code = document.createElement("code");
    for (const line of text.replace(/\n$/, "").split("\n")) {
      const kind = /^(\+\+\+|---) /.test(line) ? "file" : KINDS[line[0]];
      code.append(element("span", line, kind), "\n");
    }
    made.append(code);
    return made;
  }

  function compare() {
    const { steps, diffs } = rollstep.diffs;
    const [old, now] = ["from", "to"].map((id) => steps[document.getElementById(id).value]);
    const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort();
    const found = names.map((name) => (diffs[name] || {})[`${old[name] || 0}-${now[name] || 0}`]).filter(Boolean);
    const place = document.getElementById("compared");
    place.replaceChildren(...found.map(block));
    if (!found.length) place.append(element("p", "No manifest differs between these steps."));
  }

  function startCompare() {
    const section = document.getElementById("compare");
    if (!section || !rollstep.diffs) return;
    section.hidden = false;
    for (const id of ["from", "to"]) document.getElementById(id).addEventListener("change", compare);
    compare();
  }

  document.addEventListener("DOMContentLoaded", () => {
    startSearch();
    startCompare();
  });
})();
