"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const one = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const tip = one("#tip");
  const make = (tag, text = "", style = "") => {
    const node = document.createElement(tag);
    node.textContent = text;
    if (style) node.className = style;
    return node;
  };
  const draw = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };

  // Colors
  const theme = one("#theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { one("span", theme).textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  dark.addEventListener("change", nameTheme);
  nameTheme();

  // Sections
  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  const inView = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) entry.isIntersecting ? inView.add(entry.target.id) : inView.delete(entry.target.id);
    const current = [...links.keys()].find((id) => inView.has(id));
    for (const [id, link] of links) id === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }, { rootMargin: "-20% 0px -60% 0px" });
  for (const section of all("main > section")) observer.observe(section);

  // Readouts of charts: by pointer, touch and arrow keys
  for (const chart of all("svg[data-readout]")) {
    const readout = JSON.parse(chart.dataset.readout);
    const cursor = draw("g", { hidden: "" });
    const box = make("div", "", "readout");
    box.hidden = true;
    box.setAttribute("aria-live", "polite");
    chart.append(cursor);
    chart.after(box);
    let position = -1;
    const hide = () => { box.hidden = true; cursor.replaceChildren(); position = -1; };
    const show = (next) => {
      position = Math.max(0, Math.min(readout.x.length - 1, next));
      const x = readout.x[position];
      cursor.replaceChildren(draw("path", { d: `M${x} 26V224`, class: "cursor" }));
      box.replaceChildren(make("b", readout.at[position]));
      for (const series of readout.series) {
        const y = series.y[position];
        if (y !== null) cursor.append(draw("circle", { cx: x, cy: y, r: 4, class: `ring ${series.style}` }));
        const line = make("div", "", series.style);
        line.append(make("i"), `${series.name} ${series.text[position]}`);
        box.append(line);
      }
      box.hidden = false;
      const width = chart.clientWidth || chart.getBoundingClientRect().width;
      const left = (x / chart.viewBox.baseVal.width) * width;
      box.style.top = "8px";
      box.style.left = left > width / 2 ? "" : `${left + 12}px`;
      box.style.right = left > width / 2 ? `${width - left + 12}px` : "";
    };
    chart.addEventListener("pointermove", (event) => {
      const bounds = chart.getBoundingClientRect();
      const x = ((event.clientX - bounds.left) / bounds.width) * chart.viewBox.baseVal.width;
      show(readout.x.reduce((best, value, index) => Math.abs(value - x) < Math.abs(readout.x[best] - x) ? index : best, 0));
    });
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("blur", hide);
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
      if (event.key === "Escape") hide();
      if (step === undefined) return;
      event.preventDefault();
      show(position + step);
    });
  }

  // Threshold
  const threshold = one("#threshold");
  if (threshold && data.similarities) {
    const { low, high, matching, others, chosen } = data.similarities;
    const chart = one("#similarities svg.chart");
    const [from, to, left, right] = ["from", "to", "left", "right"].map((name) => Number(chart.dataset[name === "from" || name === "to" ? `x${name[0].toUpperCase()}${name.slice(1)}` : name]));
    const line = draw("path", { class: "mark" });
    chart.append(line);
    const input = one("input", threshold);
    const sum = (counts, start = 0) => counts.slice(start).reduce((total, count) => total + count, 0);
    const share = (part, whole) => whole ? `${((100 * part) / whole).toPrecision(3)} %` : "–";
    const update = () => {
      const bin = Number(input.value);
      const value = low + ((high - low) * bin) / matching.length;
      const hits = sum(matching, bin), accepted = sum(others, bin);
      const x = left + ((value - from) / (to - from)) * (right - left);
      line.setAttribute("d", `M${x} 26V224`);
      one("output", threshold).textContent =
        `At a similarity of ${value.toFixed(3)}: ${share(sum(matching) - hits, sum(matching))} of the matching pairs are missed, ` +
        `${share(accepted, sum(others))} of the other pairs are accepted, and ${share(hits, hits + accepted)} of the accepted pairs match.`;
    };
    Object.assign(input, { min: 0, max: matching.length, step: 1, value: chosen });
    input.addEventListener("input", update);
    threshold.hidden = false;
    update();
  }

  // Map
  const map = one("#cloud");
  if (map) {
    const { objects, groups, names, colored, maps, places, sprites } = data.map;
    const inspector = one("#inspector"), ring = one("#chosen"), overlay = one("#chosen-group"), points = one("#points");
    let system = Object.keys(maps)[0], chosen = -1, group = "";
    const paths = (members) => members.map((n) => `M${maps[system].x[n]} ${maps[system].y[n]}h0`).join("");
    const members = (wanted) => [...objects.keys()].filter((n) => String(groups[n] ?? -1) === wanted);
    const drawAll = () => {
      const byColor = new Map();
      for (const n of objects.keys()) {
        const color = groups[n] >= 0 && groups[n] < colored ? groups[n] : -1;
        byColor.has(color) ? byColor.get(color).push(n) : byColor.set(color, [n]);
      }
      points.replaceChildren(...[...byColor].sort((a, b) => a[0] - b[0]).map(([color, list]) =>
        draw("path", { d: paths(list), class: color < 0 ? "points none" : `points g${color}` })));
    };
    const mark = () => {
      overlay.setAttribute("d", group === "" ? "" : paths(members(group)));
      overlay.setAttribute("class", Number(group) < colored ? `g${group}` : "");
      overlay.style.setProperty("--c", group === "" || Number(group) >= colored ? "var(--accent)" : `var(--g${group})`);
      map.classList.toggle("choosing", group !== "");
      for (const button of all("#groups button")) button.setAttribute("aria-pressed", String(button.dataset.group === group));
      const select = one("#other-groups");
      if (select) select.value = Number(group) >= colored ? group : "";
    };
    const thumbnail = (n) => {
      const place = places[n];
      if (!place) return null;
      const node = make("span", "", `thumb sprite${place[0]}`);
      node.style.setProperty("--x", place[1] % sprites[place[0]]);
      node.style.setProperty("--y", Math.floor(place[1] / sprites[place[0]]));
      return node;
    };
    const describe = (n) => {
      const parts = [];
      const image = thumbnail(n);
      if (image) parts.push(image);
      parts.push(make("p", objects[n]));
      if (groups[n] >= 0) parts.push(make("small", names[groups[n]]));
      return parts;
    };
    const choose = (n) => {
      chosen = n;
      ring.setAttribute("cx", maps[system].x[n]);
      ring.setAttribute("cy", maps[system].y[n]);
      ring.removeAttribute("hidden");
      inspector.replaceChildren(...describe(n));
    };
    const locate = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    const nearest = (x, y, limit) => {
      let best = -1, least = limit ** 2;
      for (const n of objects.keys()) {
        if (group !== "" && String(groups[n]) !== group) continue;
        const distance = (maps[system].x[n] - x) ** 2 + (maps[system].y[n] - y) ** 2;
        if (distance < least) [best, least] = [n, distance];
      }
      return best;
    };
    map.addEventListener("pointermove", (event) => {
      const at = locate(event);
      const n = nearest(at.x, at.y, 30);
      tip.hidden = n < 0;
      if (n < 0) return;
      if (n !== chosen) choose(n);
      tip.replaceChildren(...describe(n));
      const isRight = event.clientX > innerWidth / 2;
      tip.style.left = isRight ? "" : `${event.pageX + 14}px`;
      tip.style.right = isRight ? `${document.documentElement.clientWidth - event.pageX + 14}px` : "";
      tip.style.top = `${event.pageY + 14}px`;
    });
    map.addEventListener("pointerleave", () => { tip.hidden = true; });
    map.addEventListener("keydown", (event) => {
      const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Escape") { group = ""; mark(); }
      if (!way) return;
      event.preventDefault();
      tip.hidden = true;
      if (chosen < 0) { choose(Math.max(0, nearest(500, 500, 2000))); return; }
      // The nearest point in a cone around the direction.
      const { x, y } = maps[system];
      let best = -1, least = Infinity;
      for (const n of objects.keys()) {
        if (n === chosen || (group !== "" && String(groups[n]) !== group)) continue;
        const dx = x[n] - x[chosen], dy = y[n] - y[chosen];
        const ahead = dx * way[0] + dy * way[1], aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
        if (ahead <= 0 || aside > ahead) continue;
        if (ahead + 2 * aside < least) [best, least] = [n, ahead + 2 * aside];
      }
      if (best >= 0) choose(best);
    });
    for (const button of all("#groups button")) {
      button.addEventListener("click", () => { group = group === button.dataset.group ? "" : button.dataset.group; mark(); });
    }
    one("#other-groups")?.addEventListener("change", (event) => { group = event.target.value; mark(); });
    const choice = one("#map-systems");
    if (choice) {
      choice.hidden = false;
      choice.addEventListener("change", (event) => {
        system = event.target.value;
        drawAll();
        mark();
        if (chosen >= 0) choose(chosen);
      });
    }
  }

  // Gallery
  const filters = one("#filters");
  if (filters) {
    filters.hidden = false;
    const search = one("input", filters), buttons = all("[data-outcome]", filters), queries = all("details.query");
    let outcome = "";
    const update = () => {
      const words = search.value.trim().toLowerCase();
      let shown = 0;
      for (const query of queries) {
        query.hidden = (outcome && query.dataset.outcome !== outcome) || !query.textContent.toLowerCase().includes(words);
        shown += !query.hidden;
      }
      one("#no-queries").hidden = shown > 0;
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.outcome === outcome));
    };
    const unfold = one("#unfold");
    unfold.addEventListener("click", () => {
      const isOpen = unfold.textContent === "Close all";
      for (const query of queries) query.open = !isOpen;
      unfold.textContent = isOpen ? "Open all" : "Close all";
    });
    search.addEventListener("input", update);
    for (const button of buttons) button.addEventListener("click", () => { outcome = button.dataset.outcome; update(); });
  }
})();
