// The panel: one socket, one page; everything it shows comes from the declaration it is sent.

import { control, Fader, label, make, shown } from "./controls.js";
import { Graph } from "./graphs.js";
import { Modulators } from "./modulators.js";
import { Motifs } from "./motifs.js";

const byId = (id) => document.getElementById(id);
if (location.search) history.replaceState(null, "", "/"); // the token is in a cookie by now

let socket = null;
let hello = null;
let state = null;
let wait = 500;
const controls = new Map();
const graphs = new Map();
const parts = {};

const send = (message) => { if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };
// While a finger moves: the newest of each kind, once per picture of the screen.
const soon = new Map();
send.soon = (message) => {
  if (!soon.size) requestAnimationFrame(() => { for (const one of soon.values()) send(one); soon.clear(); });
  soon.set(message.set ?? Object.keys(message)[0], message);
};

const TRANSPORT = [["freeze", "Freeze", "space"], ["blackout", "Blackout", "B"], ["reset", "Reset", "R"], ["tap", "Tap", "T"],
  ["previous", "Previous", "←"], ["next", "Next", "→"], ["program", "Program", "O"], ["home", "Home", "as started"]];
const PAGES = { presets: "Presets", motifs: "Motifs", dream: "Dream", look: "Look", move: "Move", system: "System" };
const ON_PAGE = { dream: ["dream", "detail"], look: ["look", "travel"] }; // other groups stand under System

const buildTransport = () => {
  byId("transport").replaceChildren(...TRANSPORT.map(([name, title, key]) =>
    make("button", { class: name === "blackout" ? "key alarm" : "key", "data-act": name, "data-name": `act:${name}`, title: hello.actions[name], "aria-pressed": "false",
      onclick: () => send({ act: name }) }, title, make("small", {}, key))));
};

const group = (name, parameters) => parameters.length
  ? make("section", {}, make("h2", {}, label(name)), make("div", { class: "faders" }, ...parameters.map((one) => {
    const made = control(one, send);
    controls.set(one.name, [...(controls.get(one.name) ?? []), made]);
    return made.node;
  }))) : null;

const buildPresets = () => {
  const remembered = Number(localStorage.getItem("crossfade") ?? -1);
  parts.seconds = remembered >= 0 ? remembered : null;
  const fader = new Fader({ name: "crossfade", title: "Crossfade", unit: "s", format: (unit) => crossfade(unit).text,
    changed: (unit) => { parts.seconds = crossfade(unit).seconds; localStorage.setItem("crossfade", parts.seconds ?? -1); } ,
    typed: (value) => { setCrossfade(fader, Math.min(hello.limits.crossfade_s, Math.max(0, value))); }, reset: () => setCrossfade(fader, null) });
  setCrossfade(fader, parts.seconds);
  parts.cards = make("div", { class: "cards" });
  parts.programs = make("div", { class: "row" });
  const name = make("input", { class: "field", type: "text", placeholder: "a-name-for-it", maxlength: 40, autocapitalize: "off", spellcheck: "false", "aria-label": "name of the preset" });
  return make("div", { class: "page" }, make("section", {}, fader.node), parts.cards,
    make("section", {}, make("h2", {}, "Program"), parts.programs),
    make("section", {}, make("h2", {}, "Keep what is shown"), make("div", { class: "row" }, name,
      make("button", { class: "chip", onclick: () => {
        const plain = name.value.trim().toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
        if (plain) { send({ save: plain, title: name.value.trim() }); name.value = ""; }
      } }, "Save as preset"))));
};

// The fader's left end is "as the preset says"; then 0 to 60 s, finer where it is short.
const crossfade = (unit) => {
  if (unit < 0.02) return { seconds: null, text: "the preset's" };
  const seconds = Math.round(60 * ((unit - 0.02) / 0.98) ** 2 * 10) / 10;
  return { seconds, text: shown(seconds) };
};
const setCrossfade = (fader, seconds) => {
  parts.seconds = seconds;
  localStorage.setItem("crossfade", seconds ?? -1);
  fader.show(seconds === null ? 0 : 0.02 + 0.98 * Math.sqrt(Math.min(60, seconds) / 60), seconds === null ? "the preset's" : shown(seconds));
};

const buildSystem = (rest) => {
  parts.health = make("table", {});
  parts.stages = make("div", { class: "bars" });
  parts.governor = make("p", { class: "help" });
  const toggle = (text, name) => make("button", { class: "chip", "aria-pressed": "false", onclick: (event) => {
    const on = document.body.classList.toggle(name);
    event.target.setAttribute("aria-pressed", String(on));
    if (name === "learning" && !on) send({ learn: null });
  } }, text);
  return make("div", { class: "page" },
    make("section", {}, make("h2", {}, "Sources, outputs, hands"), parts.health),
    make("section", {}, make("h2", {}, "Milliseconds per picture"), parts.stages, parts.governor),
    make("section", {}, make("h2", {}, "Panel"), make("div", { class: "row" }, toggle("Explain every control", "helped"), hello.midi ? toggle("Learn MIDI: touch a control, then move a knob", "learning") : null)),
    ...rest,
    make("section", {}, make("h2", {}, "On a phone"), hello.phone
      ? make("div", { class: "row" }, make("img", { id: "code", alt: "the panel's address as a QR code", src: "/code.svg" }))
      : make("p", { class: "help" }, "Only this machine can reach the panel now. Started with --panel 0.0.0.0 it opens on a phone too.")));
};

const build = () => {
  controls.clear();
  buildTransport();
  const grouped = new Map();
  for (const one of hello.parameters) {
    if (!one.button && one.name !== "network" && one.name !== "objective") grouped.set(one.group, [...(grouped.get(one.group) ?? []), one]);
  }
  const masters = ["strength", "mix"].map((name) => hello.parameters.find((one) => one.name === name)).filter(Boolean);
  byId("masters").replaceChildren(...masters.map((one) => { const made = control(one, send); controls.set(one.name, [made]); return made.node; }));
  parts.motifs = new Motifs(send, hello);
  parts.modulators = new Modulators(send, hello);
  const placed = new Set(Object.values(ON_PAGE).flat());
  const page = (names) => make("div", { class: "page" }, ...names.map((name) => group(name, grouped.get(name) ?? [])).filter(Boolean));
  const rest = [...grouped.keys()].filter((name) => !placed.has(name)).map((name) => group(name, grouped.get(name))).filter(Boolean);
  const pages = { presets: buildPresets(), motifs: parts.motifs.node, dream: page(ON_PAGE.dream), look: page(ON_PAGE.look), move: parts.modulators.node, system: buildSystem(rest) };
  byId("pages").replaceChildren(...Object.entries(pages).map(([name, node]) => { node.id = `page-${name}`; node.setAttribute("role", "tabpanel"); return node; }));
  byId("tabs").replaceChildren(...Object.entries(PAGES).map(([name, title]) => make("button", { role: "tab", "data-page": name, onclick: () => turn(name) }, title)));
  for (const figure of document.querySelectorAll("[data-meter]")) {
    const digits = figure.dataset.meter.endsWith("_ms") ? 0 : 1;
    graphs.set(figure.dataset.meter, new Graph(figure, (value) => value.toFixed(digits)));
  }
  turn(location.hash.slice(1) in PAGES ? location.hash.slice(1) : "presets");
};

const turn = (name) => {
  for (const page of byId("pages").children) page.hidden = page.id !== `page-${name}`;
  for (const tab of byId("tabs").children) tab.setAttribute("aria-selected", String(tab.dataset.page === name));
  history.replaceState(null, "", `#${name}`);
  byId("pages").scrollTop = 0;
};

const restate = () => {
  const key = JSON.stringify(state.presets);
  if (key !== parts.presetKey) {
    parts.presetKey = key;
    parts.cards.replaceChildren(...state.presets.map((one) => {
      const image = make("img", { alt: "", loading: "lazy", src: `/preset/${one.name}.jpg` });
      image.addEventListener("error", () => { image.style.visibility = "hidden"; });
      return make("div", { class: "card", "data-preset": one.name, "data-name": `preset:${one.name}`, title: one.about },
        make("button", { class: "pick", type: "button", onclick: () => send({ preset: one.name, ...(parts.seconds === null ? {} : { seconds: parts.seconds }) }) },
          make("div", { class: "blank" }, image), make("div", { class: "title" }, one.title, make("small", {}, one.network))),
        one.own ? make("button", { class: "corner", "aria-label": `delete ${one.title}`, onclick: () => { if (confirm(`Delete the preset ${one.title}?`)) send({ forget: one.name }); } }, "×") : null);
    }));
  }
  for (const card of parts.cards.children) card.setAttribute("aria-pressed", String(card.dataset.preset === state.preset));
  parts.programs.replaceChildren(...state.programs.map((one) => {
    const on = one.name === state.program;
    return make("button", { class: "chip", "aria-pressed": String(on), onclick: () => send({ program: on ? null : one.name }) },
      on ? `${one.title}: ${state.step + 1} of ${one.steps}, stop` : `${one.title}, ${Math.round(one.length_s / 60)} min`);
  }));
  byId("transport").querySelector("[data-act=program]").setAttribute("aria-pressed", String(state.program !== null));
  byId("transport").querySelector("[data-act=tap] small").textContent = `${shown(state.bpm)} bpm`;
  for (const node of document.querySelectorAll(".waiting")) node.classList.remove("waiting");
  if (state.learning) for (const node of document.querySelectorAll(`[data-name="${CSS.escape(state.learning)}"]`)) node.classList.add("waiting");
  parts.motifs.restate(state);
  parts.modulators.restate(state);
};

const tellValues = (values) => {
  for (const [name, [value, unit]] of Object.entries(values)) {
    for (const made of controls.get(name) ?? []) made.told(value, unit);
    if (name === "freeze" || name === "blackout") byId("transport").querySelector(`[data-act=${name}]`).setAttribute("aria-pressed", String(value));
    if (name === "objective") parts.motifs.told(value);
    if (name === "freeze" || name === "blackout") { parts[name] = value; veil(); }
  }
};

const veil = () => {
  byId("veil").hidden = !parts.freeze && !parts.blackout;
  byId("veil").textContent = parts.blackout ? "black" : "held";
};

const tellStatus = (status) => {
  for (const [name, graph] of graphs) graph.add(status[name] ?? 0);
  const link = byId("link");
  link.className = status.state;
  const [width, height] = status.dream_size;
  link.textContent = `${status.source.name}${status.source.state === "ok" ? "" : ` ${status.source.state}`}, dream ${width}×${height}, ${Math.round(status.dream_age_ms)} ms old`;
  const row = (part) => make("tr", {}, make("td", {}, make("span", { class: `lamp ${part.state}` }), part.name), make("td", {}, part.state),
    make("td", {}, `${part.detail}${part.frames ? `, ${part.frames} frames` : ""}${part.dropped ? `, ${part.dropped} dropped` : ""}${part.reconnects ? `, back ${part.reconnects}×` : ""}`.replace(/^, /, "")));
  parts.health.replaceChildren(...[status.source, ...status.outputs, ...Object.values(status.hands)].map(row));
  const stages = Object.entries(status.stages_ms);
  const most = Math.max(1, ...stages.map(([, ms]) => ms));
  parts.stages.replaceChildren(...stages.flatMap(([name, ms]) => [make("span", {}, name), make("i", { style: `width:${(ms / most) * 100}%` }), make("span", {}, shown(ms))]));
  parts.governor.textContent = [status.governor, ...status.notes].join("; ");
  parts.modulators.hear(status.heard);
};

const tellMoved = (moved) => {
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

let faultTimer = 0;
const fault = (text) => {
  byId("fault").textContent = text;
  byId("fault").hidden = false;
  clearTimeout(faultTimer);
  faultTimer = setTimeout(() => { byId("fault").hidden = true; }, 6000);
};

const heard = (event) => {
  if (event.data instanceof Blob) { showPicture(event.data); return; }
  const told = JSON.parse(event.data);
  if (told.hello) { hello = told.hello; build(); }
  if (told.state) { state = told.state; restate(); }
  if (told.values) tellValues(told.values);
  if (told.moved) tellMoved(told.moved);
  if (told.status) tellStatus(told.status);
  if (told.drawn) for (const motif of Object.keys(told.drawn)) parts.motifs.drawn(motif);
  if (told.fault) fault(told.fault);
};

const connect = () => {
  socket = new WebSocket(`ws://${location.host}/socket`);
  socket.onopen = () => { wait = 500; };
  socket.onmessage = heard;
  socket.onclose = () => {
    byId("link").className = "gone";
    byId("link").textContent = "no connection, trying again";
    setTimeout(connect, wait);
    wait = Math.min(5000, wait * 1.6);
  };
};

// While learning MIDI, a touch chooses the control instead of moving it.
document.addEventListener("click", (event) => {
  if (!document.body.classList.contains("learning")) return;
  const node = event.target.closest("[data-name]");
  if (!node || !byId("pages").contains(node) && !byId("stage").contains(node)) return;
  event.preventDefault();
  event.stopPropagation();
  send({ learn: node.dataset.name });
}, true);

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = { " ": "freeze", b: "blackout", r: "reset", t: "tap", n: "next", p: "previous", o: "program" }[event.key];
  if (!act || (event.key === " " && event.target.matches("button"))) return;
  event.preventDefault();
  send({ act });
});

connect();
