// The panel: one socket, one page; everything it shows comes from the declaration it is sent.

import { announce, control, dropSilent, duration, Fader, label, make, press, refusal, shown, whyClosed } from "./controls.js";
import { Graph } from "./graphs.js";
import { Modulators } from "./modulators.js";
import { Motifs } from "./motifs.js";
import { Overlay } from "./overlay.js";
import { Studio } from "./studio.js";
import { Wall } from "./wall.js";

const byId = (id) => document.getElementById(id);
if (location.search) history.replaceState(null, "", "/"); // the token is in a cookie by now

let socket = null;
let hello = null;
let state = null;
let wait = 500;
const controls = new Map(); // by the parameter's name, all that show it
const graphs = new Map();
const parts = {};

// While a slider is dragged: the newest value of each, once per frame of the display. What is sent at
// once is newer than what waits.
const waiting = new Map();
const subject = (message) => message.set ?? message.default ?? Object.keys(message)[0];
const send = (message) => {
  waiting.delete(subject(message));
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  else if (!message.ready) fault("No connection: nothing was changed.");
};
send.soon = (message) => {
  if (!waiting.size) requestAnimationFrame(() => { for (const one of [...waiting.values()]) send(one); });
  waiting.set(subject(message), message);
};

const TRANSPORT = [["freeze", "Freeze", "space"], ["blackout", "Blackout", "B"], ["previous", "Previous", "P"], ["next", "Next", "N"]];
const MORE = [["reset", "Clear dream", "R"], ["tap", "Tap", "T"], ["program", "Program", "O"], ["home", "Reset all", "parameters"]];
const RESET = "Set everything back to how the show started, without preset and modulators? A running program goes on.";
const STUDIO = "studio" in document.body.dataset; // where shows are set up on the page, too
const PAGES = { ...(STUDIO ? { show: "Show" } : {}), presets: "Presets", motifs: "Motifs", dream: "Dream", grade: "Grade", modulate: "Modulate", system: "System" };
const ON_PAGE = { dream: ["dream", "where", "detail"], grade: ["grade", "travel"], presets: ["presets", "programs"] }; // other groups stand under System

const key = (name) => document.querySelector(`.key[data-act=${name}]`);

const buildKeys = () => {
  for (const [id, keys] of [["transport", TRANSPORT], ["more", MORE]]) {
    byId(id).replaceChildren(...keys.map(([name, title, hint]) =>
      make("button", { class: name === "blackout" ? "key alarm" : "key", "data-act": name, "data-name": `act:${name}`, title: hello.actions[name],
        "aria-pressed": "false", onclick: () => { if (name !== "home" || confirm(RESET)) send({ act: name }); } }, title, make("small", {}, hint))));
  }
};

const place = (one) => {
  const made = control(one, send);
  controls.set(one.name, [...(controls.get(one.name) ?? []), made]);
  return made.node;
};

const faders = (parameters) => make("div", { class: "faders" }, ...parameters.map(place));

const group = (name, parameters) => {
  const advanced = parameters.filter((one) => one.advanced);
  const usual = parameters.filter((one) => !one.advanced);
  return parameters.length ? make("section", {}, make("h2", {}, label(name)), usual.length ? faders(usual) : null, name === "where" ? parts.overlay.node : null,
    advanced.length ? make("details", {}, make("summary", {}, "Advanced"), faders(advanced)) : null) : null;
};

const buildPresets = (presets, programs) => {
  const remembered = Number(localStorage.getItem("crossfade") ?? -1);
  const fader = new Fader({ name: "crossfade", title: "Crossfade", unit: "s", format: (unit) => crossfade(unit).text,
    changed: (unit) => { parts.seconds = crossfade(unit).seconds; localStorage.setItem("crossfade", parts.seconds ?? -1); },
    typed: (value) => { setCrossfade(fader, Math.min(hello.limits.crossfade_s, Math.max(0, value))); }, reset: () => setCrossfade(fader, null) });
  setCrossfade(fader, remembered >= 0 ? remembered : null);
  parts.cards = make("div", { class: "cards" });
  parts.programs = make("div", { class: "row" });
  parts.broken = make("section", { hidden: true });
  parts.saveRefused = refusal();
  const name = make("input", { class: "field", type: "text", placeholder: "preset name", maxlength: 40, autocapitalize: "off", spellcheck: "false", "aria-label": "preset name" });
  name.addEventListener("keydown", (event) => { if (event.key === "Enter") save(name); });
  return make("div", { class: "page" }, make("section", {}, make("div", { class: "faders" }, fader.node, ...presets.map(place))), parts.cards,
    make("section", {}, make("h2", {}, "Programs"), parts.programs, faders(programs)),
    make("section", {}, make("h2", {}, "Save as a preset"), make("div", { class: "row" }, name, make("button", { class: "chip", onclick: () => save(name) }, "Save")), parts.saveRefused.node),
    parts.broken);
};

const save = (field) => {
  const title = field.value.trim();
  const plain = title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  if (!plain) { parts.saveRefused.show(title ? "The name needs a letter from a to z, or a digit." : ""); return; }
  const taken = state.presets.find((one) => one.name === plain);
  const question = taken?.own ? `Replace your preset “${taken.title}”?`
    : taken ? `“${taken.title}” is a built-in preset. Yours will take its place until you delete it. Save it under this name?` : "";
  if (question && !confirm(question)) return;
  parts.saveRefused.show("");
  send({ save: plain, title });
  field.value = "";
};

// The fader's left end is "as the preset says"; then 0 to 60 s, finer where it is short.
const crossfade = (unit) => {
  if (unit < 0.02) return { seconds: null, text: "from preset" };
  const seconds = Math.round(60 * ((unit - 0.02) / 0.98) ** 2 * 10) / 10;
  return { seconds, text: shown(seconds) };
};
const setCrossfade = (fader, seconds) => {
  parts.seconds = seconds;
  localStorage.setItem("crossfade", seconds ?? -1);
  fader.show(seconds === null ? 0 : 0.02 + 0.98 * Math.sqrt(Math.min(60, seconds) / 60), seconds === null ? "from preset" : shown(seconds));
};

const buildSystem = (rest) => {
  parts.health = make("table", {});
  parts.stages = make("div", { class: "bars" });
  parts.governor = make("p", { class: "help" });
  const toggle = (text, name) => make("button", { class: "chip", "aria-pressed": String(document.body.classList.contains(name)), onclick: (event) => {
    const on = document.body.classList.toggle(name);
    event.target.setAttribute("aria-pressed", String(on));
    if (name === "learning" && !on) send({ learn: null });
  } }, text);
  return make("div", { class: "page" },
    make("section", {}, make("h2", {}, "Source, outputs, controllers"), parts.health),
    make("section", {}, make("h2", {}, "Milliseconds per frame"), parts.stages, parts.governor),
    parts.wall.node,
    make("section", {}, make("h2", {}, "Panel"), make("div", { class: "row" }, toggle("Show help for every control", "helped"), hello.midi ? toggle("Learn MIDI: click a control, then move a knob", "learning") : null)),
    ...rest,
    make("section", {}, make("h2", {}, "On a phone"), hello.phone
      ? make("div", { class: "row" }, make("img", { id: "code", alt: "the panel's address as a QR code", src: "/code.svg" }))
      : make("p", { class: "help" }, "Only this machine can reach the panel now. Start livedream with --panel 0.0.0.0 to open it on a phone too.")));
};

const build = () => {
  controls.clear();
  parts.presets = null;
  buildKeys();
  const grouped = new Map();
  for (const one of hello.parameters) {
    if (!one.button && one.name !== "network" && one.name !== "objective") grouped.set(one.group, [...(grouped.get(one.group) ?? []), one]);
  }
  byId("masters").replaceChildren(...["strength", "mix"].map((name) => hello.parameters.find((one) => one.name === name)).filter(Boolean).map(place));
  parts.motifs = new Motifs(send, hello);
  parts.modulators = new Modulators(send, hello);
  parts.overlay = new Overlay(send, hello);
  parts.wall = new Wall(send, hello.wall, controls);
  const placed = new Set(Object.values(ON_PAGE).flat());
  const page = (names) => make("div", { class: "page" }, ...names.map((name) => group(name, grouped.get(name) ?? [])).filter(Boolean));
  const rest = [...grouped.keys()].filter((name) => !placed.has(name)).map((name) => group(name, grouped.get(name))).filter(Boolean);
  document.body.classList.remove("idle");
  if (!hello.midi) document.body.classList.remove("learning"); // the show before had it
  const pages = { ...(studio ? { show: studio.node } : {}), presets: buildPresets(grouped.get("presets") ?? [], grouped.get("programs") ?? []), motifs: parts.motifs.node, dream: page(ON_PAGE.dream), grade: page(ON_PAGE.grade), modulate: parts.modulators.node, system: buildSystem(rest) };
  byId("pages").replaceChildren(...Object.entries(pages).map(([name, node]) => { node.id = `page-${name}`; node.setAttribute("role", "tabpanel"); return node; }));
  byId("tabs").replaceChildren(...Object.entries(PAGES).map(([name, title]) => make("button", { role: "tab", "data-page": name, onclick: () => turn(name) }, title)));
  for (const figure of document.querySelectorAll("[data-meter]")) {
    const digits = figure.dataset.meter.endsWith("_ms") ? 0 : 1;
    graphs.set(figure.dataset.meter, new Graph(figure, (value) => value.toFixed(digits)));
  }
  turn(location.hash.slice(1) in PAGES ? location.hash.slice(1) : Object.keys(PAGES)[0]);
};

// Each page is where it was left: on a laptop in its own frame, on a phone in the window.
const scrolled = new Map();
const scrollPages = ([inside, whole]) => { byId("pages").scrollTop = inside; scrollTo(0, whole); };
const leavePage = () => scrolled.set(document.body.classList.contains("idle") ? "show" : document.body.dataset.page, [byId("pages").scrollTop, scrollY]);

const turn = (name) => {
  if (name !== document.body.dataset.page) leavePage();
  for (const page of byId("pages").children) page.hidden = page.id !== `page-${name}`;
  for (const tab of byId("tabs").children) tab.setAttribute("aria-selected", String(tab.dataset.page === name));
  document.body.dataset.page = name; // a phone shows some of what is always on a laptop with one page only
  history.replaceState(null, "", `#${name}`);
  scrollPages(scrolled.get(name) ?? [0, 0]);
};

// The page to set up a show has another width beside a show than without one: what stands at its top stays there.
const rearrange = (change) => {
  const shown = studio?.node.isConnected && !studio.node.hidden;
  const edge = Math.max(0, byId("pages").getBoundingClientRect().top);
  const top = shown && [...studio.form.querySelectorAll(".plate, .choice")].find((node) => node.getBoundingClientRect().top >= edge);
  leavePage();
  change();
  if (top && !studio.node.hidden) top.scrollIntoView({ block: "start" });
};

// own: the user's, which may be another by now than the browser has kept.
const presetPicture = (name, own) => `/preset/${name}.jpg?${own ? Date.now() : ""}`;

const presetCard = (one) => {
  const image = make("img", { alt: "", loading: "lazy", src: presetPicture(one.name, one.own) });
  image.addEventListener("error", () => { image.style.visibility = "hidden"; });
  image.addEventListener("load", () => { image.style.visibility = ""; });
  const shadows = one.own && hello.builtin.includes(one.name);
  const forget = () => { if (confirm(`Delete your preset “${one.title}”?${shadows ? " The built-in one of this name comes back." : ""}`)) send({ forget: one.name }); };
  return make("div", { class: "card", "data-preset": one.name, "data-name": `preset:${one.name}`, title: one.about },
    make("button", { class: "pick", type: "button", onclick: () => send({ preset: one.name, ...(parts.seconds === null ? {} : { seconds: parts.seconds }) }) },
      make("div", { class: "blank" }, image),
      make("div", { class: "title" }, one.title, make("small", {}, `${one.network}${shadows ? ", yours, replaces the built-in" : one.own ? ", yours" : ""}`))),
    one.own ? make("button", { class: "corner", "aria-label": `delete ${one.title}`, onclick: forget }, "×") : null);
};

const restate = () => {
  const presets = JSON.stringify(state.presets);
  if (presets !== parts.presets) {
    parts.presets = presets;
    parts.cards.replaceChildren(...state.presets.map(presetCard));
  }
  const waits = (kind, name) => state.queued?.[kind] === name;
  for (const card of parts.cards.children) {
    press(card, card.dataset.preset === state.preset);
    card.classList.toggle("queued", waits("preset", card.dataset.preset));
  }
  const step = (one) => `${one.title}, ${state.step + 1} of ${one.steps}`;
  parts.programs.replaceChildren(...state.programs.map((one) => {
    const on = one.name === state.program;
    return make("button", { class: waits("program", one.name) ? "chip queued" : "chip", "data-name": `program:${one.name}`, "aria-pressed": String(on), onclick: () => send({ program: on ? null : one.name }) },
      on ? `${step(one)}: stop` : `${one.title}, ${duration(one.length_s)}`);
  }));
  parts.broken.hidden = !state.broken.length;
  parts.broken.replaceChildren(make("h2", {}, "Broken files"), ...state.broken.map((reason) => make("p", { class: "refused" }, reason)));
  const program = state.programs.find((one) => one.name === state.program);
  byId("preset").textContent = state.presets.find((one) => one.name === state.preset)?.title ?? (state.preset || "no preset");
  byId("now").classList.toggle("none", !state.preset);
  byId("queued").textContent = state.queued ? `next: ${state.queued.title}` : "";
  byId("program").textContent = program ? step(program) : state.program ?? "";
  key("program").setAttribute("aria-pressed", String(state.program !== null));
  for (const node of document.querySelectorAll(".waiting")) node.classList.remove("waiting");
  if (state.learning) for (const node of document.querySelectorAll(`[data-name="${CSS.escape(state.learning)}"]`)) node.classList.add("waiting");
  parts.motifs.restate(state);
  parts.overlay.restate(state);
  parts.modulators.restate(state);
};

const showValues = (values) => {
  for (const [name, [value, unit]] of Object.entries(values)) {
    for (const made of controls.get(name) ?? []) made.update(value, unit);
    if (name === "objective") parts.motifs.update(value);
    if (name === "prompt") parts.motifs.prompted(value);
    if (name === "where") parts.overlay.update(value);
    if (name !== "freeze" && name !== "blackout") continue;
    key(name).setAttribute("aria-pressed", String(value));
    parts[name] = value;
    byId("veil").hidden = !parts.freeze && !parts.blackout;
    byId("veil").textContent = parts.blackout ? "blackout" : "frozen";
  }
};

const showStatus = (status) => {
  for (const [name, graph] of graphs) graph.add(status[name] ?? 0);
  const link = byId("link");
  link.className = status.state;
  const [width, height] = status.dream_size;
  announce(link, `${status.source.name}${status.source.state === "ok" ? "" : ` ${status.source.state}`}`, `, dream ${width}×${height}, ${Math.round(status.dream_age_ms)} ms old`);
  const row = (part) => make("tr", {}, make("td", {}, make("span", { class: `lamp ${part.state}` }), part.name), make("td", {}, part.state),
    make("td", {}, [part.detail, part.frames ? `${part.frames} frames` : "", part.dropped ? `${part.dropped} dropped` : "", part.reconnects ? `reconnected ${part.reconnects}×` : ""].filter(Boolean).join(", ")));
  parts.health.replaceChildren(...[status.source, ...status.beside, ...status.outputs, ...Object.values(status.controllers), ...status.threads.filter((one) => one.state !== "ok")].map(row));
  const stages = Object.entries(status.stages_ms);
  const most = Math.max(1, ...stages.map(([, ms]) => ms));
  parts.stages.replaceChildren(...stages.flatMap(([name, ms]) => [make("span", {}, name), make("i", { style: `width:${(ms / most) * 100}%` }), make("span", {}, shown(ms))]));
  parts.governor.textContent = [status.governor, ...status.notes].join("; ");
  studio?.hear(status);
  parts.modulators.hear(status.heard);
  parts.modulators.follow(status.tempo);
  key("tap").querySelector("small").textContent = `${shown(status.tempo.bpm)} bpm`;
};

const showMoved = (moved) => {
  for (const [name, made] of controls) for (const one of made) one.moved?.(moved[name]);
};

const preview = byId("preview");
const showPicture = async (blob) => {
  try {
    const bitmap = await createImageBitmap(blob);
    if (preview.width !== bitmap.width || preview.height !== bitmap.height) Object.assign(preview, { width: bitmap.width, height: bitmap.height });
    preview.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  } finally {
    send({ ready: true });
  }
};

// A refusal is shown where it was entered; what has no place of its own, over the page.
let faultTimer = 0;
const fault = (text, at) => {
  const places = { objective: [parts.motifs], network: [parts.motifs], modulators: [parts.modulators], bpm: [{ refuse: parts.modulators.tempoWhy.show }], save: [{ refuse: parts.saveRefused.show }], keep: [parts.overlay] };
  const found = places[at] ?? controls.get(at);
  for (const one of found ?? []) one.refuse(text);
  byId("fault").textContent = text;
  byId("fault").hidden = Boolean(found);
  clearTimeout(faultTimer);
  faultTimer = setTimeout(() => { byId("fault").hidden = true; }, 6000);
};

const drawn = (name, there) => {
  if (!name.startsWith("preset:")) { parts.motifs.drawn(name, there); return; }
  const image = parts.cards.querySelector(`[data-name="${name}"] img`);
  if (image) image.src = presetPicture(image.closest(".card").dataset.preset, true);
};

const received = (event) => {
  if (event.data instanceof Blob) { showPicture(event.data); return; }
  const message = JSON.parse(event.data);
  if (message.hello) { hello = message.hello; hello.phone ||= Boolean(studio?.phone); rearrange(build); }
  if (message.wall) parts.wall.show(message.wall);
  if (message.state) { state = message.state; restate(); }
  if (message.values) showValues(message.values);
  if (message.moved) showMoved(message.moved);
  if (message.status) showStatus(message.status);
  if (message.region !== undefined) parts.overlay.show(message.region);
  for (const [name, there] of Object.entries(message.drawn ?? {})) drawn(name, there);
  if (message.fault) fault(message.fault, message.at);
};

const connect = () => {
  socket = new WebSocket(`ws://${location.host}/socket`);
  socket.onopen = heard;
  socket.onmessage = (event) => { wait = 500; heard(); received(event); };
  socket.onclose = (event) => {
    socket = null;
    if (studio && hello) rearrange(idle);
    if (!studio) {
      byId("link").className = "gone";
      announce(byId("link"), `${whyClosed(event) || "no connection"}, trying again`);
    }
    setTimeout(attend, wait);
    wait = Math.min(5000, wait * 1.6);
  };
};

const heard = dropSilent(() => socket);

// In the studio only while a show runs; it may be connected already.
const attend = () => { if (!socket && (!studio || studio.show.state === "running")) connect(); };

// While learning MIDI, a click chooses the control instead of moving it.
document.addEventListener("click", (event) => {
  if (!document.body.classList.contains("learning")) return;
  const node = event.target.closest("[data-name]");
  if (!node || !byId("pages").contains(node) && !byId("stage").contains(node)) return;
  event.preventDefault();
  event.stopPropagation();
  send({ learn: node.dataset.name });
}, true);

// Wherever the focus is, except in a text. Space would press a focused button, when it is let go too.
const typing = (event) => event.target.matches("input, textarea") || event.ctrlKey || event.metaKey || event.altKey;
document.addEventListener("keydown", (event) => {
  if (!state || typing(event) || (event.key !== " " && event.target.matches("select"))) return;
  const act = hello.keys[event.key === " " ? "space" : event.key.toLowerCase()];
  const preset = state.presets[Number(event.key) - 1]?.name;
  if (!act && !preset) return;
  event.preventDefault();
  if (!event.repeat) send(act ? { act } : { preset });
}, true);
document.addEventListener("keyup", (event) => { if (event.key === " " && !typing(event)) event.preventDefault(); }, true);

// No show: there is only the page to set one up.
const idle = () => {
  hello = state = null;
  document.body.classList.add("idle");
  byId("tabs").replaceChildren();
  byId("pages").replaceChildren(studio.node);
  if (studio.node.hidden) scrollPages(scrolled.get("show") ?? [0, 0]);
  studio.node.hidden = false;
};

const studio = STUDIO ? new Studio(attend) : null;
if (studio) idle();
else attend();
