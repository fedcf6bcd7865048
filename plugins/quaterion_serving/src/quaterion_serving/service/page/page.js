"use strict";

const at = (id) => document.getElementById(id);
const PICTURE = /\.(png|jpe?g|webp|gif|bmp)$/i;
const filters = [];
let image = null; // the image that is searched for, if any
let turn = 0; // of the latest search: answers to earlier ones are dropped

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function request(path, options = {}) {
  const key = sessionStorage.getItem("key");
  const headers = { ...options.headers };
  if (key) headers.Authorization = `Bearer ${key}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Refusal(0, "The service cannot be reached.");
  }
  if (answer.ok) return answer;
  let message = `The service answered ${answer.status}.`;
  try {
    message = (await answer.json()).error.message;
  } catch { /* it is no error of the service itself */ }
  if (answer.status === 401) at("key").hidden = false;
  throw new Refusal(answer.status, message);
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(text, isBad = false) {
  at("status").textContent = text;
  at("status").classList.toggle("bad", isBad);
}

function options() {
  const chosen = { top: Number(at("top").value), where: filters };
  if (at("lexical").checked && !image) chosen.lexical = true;
  if (at("probability").value && !chosen.lexical) {
    chosen.min_probability = Number(at("probability").value);
  }
  return chosen;
}

async function ask() {
  if (image) {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(options())) {
      for (const one of [value].flat()) parameters.append(name, one);
    }
    return request(`search/image?${parameters}`, { method: "POST", body: image });
  }
  return request("search", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query: at("query").value, ...options() }),
  });
}

async function search() {
  const mine = ++turn;
  if (!image && !at("query").value.trim()) return;
  remember();
  say("Searching …");
  const begin = performance.now();
  try {
    const found = await (await ask()).json();
    if (mine !== turn) return;
    show(found.results);
    const seconds = ((performance.now() - begin) / 1000).toFixed(2);
    const count = found.results.length;
    say(count ? `${count} result${count === 1 ? "" : "s"} in ${seconds} s` : "No match.");
  } catch (error) {
    if (mine !== turn) return;
    show([]);
    say(error.message, true);
  }
}

function show(results) {
  const list = at("results");
  for (const picture of list.querySelectorAll("img")) URL.revokeObjectURL(picture.src);
  const isPicture = (hit) => typeof hit.object === "string" && PICTURE.test(hit.object);
  list.classList.toggle("pictures", results.length > 0 && results.every(isPicture));
  list.replaceChildren(...results.map((hit) => card(hit, isPicture(hit))));
}

function card(hit, isPicture) {
  const item = element("li");
  item.tabIndex = 0;
  const shown = hit.object ?? hit.id;
  if (isPicture) {
    addPicture(item, hit.id);
    item.append(element("p", "text", shown.split(/[\\/]/).slice(-2).join("/")));
    item.title = shown;
  } else {
    item.append(element("p", "text", shown));
  }
  const facts = element("div", "facts");
  facts.append(element("span", "score", hit.score.toFixed(3)));
  if (hit.probability !== null) {
    facts.append(element("span", "", `${Math.round(hit.probability * 100)} % match`));
  }
  for (const [field, value] of Object.entries(hit.payload)) {
    if (value === null || typeof value === "object") continue;
    const chip = element("button", "chip", `${field}: ${value}`);
    chip.type = "button";
    chip.title = `Only results with ${field} = ${value}`;
    const written = typeof value === "string" ? `"${value}"` : value;
    if (!String(value).includes('"')) chip.onclick = () => addFilter(`${field}=${written}`);
    facts.append(chip);
  }
  item.append(facts);
  return item;
}

async function addPicture(item, id) {
  try {
    const answer = await request(`thumbnail?id=${encodeURIComponent(id)}`);
    const picture = element("img");
    picture.alt = "";
    picture.src = URL.createObjectURL(await answer.blob());
    item.prepend(picture);
  } catch { /* the path is shown */ }
}

function addFilter(text) {
  if (!filters.includes(text)) filters.push(text);
  drawFilters();
  search();
}

function drawFilters() {
  at("filters").replaceChildren(...filters.map((text) => {
    const chip = element("button", "chip", `${text} ×`);
    chip.type = "button";
    chip.setAttribute("aria-label", `Remove the filter ${text}`);
    chip.onclick = () => {
      filters.splice(filters.indexOf(text), 1);
      drawFilters();
      search();
    };
    const item = element("li");
    item.append(chip);
    return item;
  }));
}

function useImage(file) {
  if (!file) return;
  image = file;
  at("query").value = "";
  const picture = element("img");
  picture.alt = "The image that is searched for";
  picture.src = URL.createObjectURL(file);
  at("asked").replaceChildren(picture);
  at("asked").hidden = false;
  search();
}

function dropImage() {
  image = null;
  at("file").value = "";
  at("asked").hidden = true;
  at("asked").replaceChildren();
}

function remember() {
  const parameters = new URLSearchParams();
  if (at("query").value) parameters.set("q", at("query").value);
  for (const text of filters) parameters.append("where", text);
  history.replaceState(null, "", `?${parameters}`);
}

function move(step) {
  const items = [...at("results").children];
  if (!items.length) return;
  const place = items.indexOf(document.activeElement) + step;
  if (place < 0) at("query").focus();
  else items[Math.min(place, items.length - 1)].focus();
}

document.addEventListener("keydown", (event) => {
  const isWriting = event.target.matches("input, select");
  if (event.key === "/" && !isWriting) {
    event.preventDefault();
    at("query").select();
  } else if (event.key === "ArrowDown" && !event.target.matches("select")) {
    event.preventDefault();
    move(1);
  } else if (event.key === "ArrowUp" && !event.target.matches("select")) {
    event.preventDefault();
    move(-1);
  } else if (event.key === "Enter" && event.target.matches("#results > li")) {
    event.target.classList.toggle("open");
  } else if (event.key === "Escape") {
    turn++;
    dropImage();
    filters.length = 0;
    drawFilters();
    at("query").value = "";
    show([]);
    say("");
    remember();
    at("query").focus();
  }
});

at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("filter").value.trim();
  if (at("query").value) dropImage();
  if (text) {
    at("filter").value = "";
    addFilter(text);
  } else {
    search();
  }
});
for (const id of ["top", "lexical", "probability"]) at(id).addEventListener("change", search);
at("file").addEventListener("change", () => useImage(at("file").files[0]));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (!at("upload").hidden) useImage(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (file && !at("upload").hidden) useImage(file);
});
at("key").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", at("secret").value);
  at("key").hidden = true;
  begin();
});

async function begin() {
  try {
    const info = await (await request("info")).json();
    const objects = info.objects === null ? "no index" : `${info.objects.toLocaleString("en")} objects`;
    at("about").textContent = `${info.model}, ${objects}`;
    at("upload").hidden = !info.accepts.includes("image");
    at("words").hidden = !info.lexical;
    at("confidence").hidden = !info.calibrated;
    at("query").disabled = !info.accepts.includes("text");
    if (at("query").disabled) at("query").placeholder = "Choose, drop or paste an image";
    say(info.objects === null ? "There is no index to search: start the service with --index." : "");
  } catch (error) {
    say(error.message, true);
    return;
  }
  const parameters = new URLSearchParams(location.search);
  filters.splice(0, filters.length, ...parameters.getAll("where"));
  drawFilters();
  at("query").value = parameters.get("q") ?? at("query").value;
  search();
}

begin();
