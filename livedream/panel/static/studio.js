// The page on which a show is set up, started and stopped. Its fields are the options of `livedream live`.

import { announce, dropSilent, duration, inWords, label, make, refusal, whyClosed } from "./controls.js";

const NAMES = { osc: "OSC", midi: "MIDI", obs: "OBS", fps: "Frame rate", camera_fps: "Camera frame rate", display: "Screen", link: "Ableton Link" };
const BESIDE = ["display", "fullscreen", "overlap"]; // of the window
const PLAIN = ["display", "fullscreen"]; // understood without their help
const PLACED = ["source", "sinks", "record", ...BESIDE]; // what has a place of its own; the rest follows by group
const titled = (name) => NAMES[name] ?? label(name);
const EXAMPLES = { SINK: "ndi:matte" };
const capital = (text) => text[0].toUpperCase() + text.slice(1);
// A help text ends with what goes without a value: "... (default: the source's)".
const usual = ({ help }) => help.match(/ \(default: ([^)]+)\)/)?.[1] ?? "";
const tip = ({ help, low, high }) => {
  const range = low !== null && high !== null && !help.includes(`to ${high}`) ? ` (${low} to ${high})` : "";
  return capital(help.replace(/ \((default:|see `|--)[^)]+\)/g, "")) + range;
};
const WINDOW = "window?hud=0"; // the page has the figures
const called = (node) => node.getAttribute("aria-label") ?? node.firstChild?.textContent;
const isWindow = (sink) => /^window([?:]|$)/.test(sink);

const toggle = (title, on, changed, more = {}) => make("button", { class: "switch", role: "switch", type: "button",
  "aria-checked": String(on), "aria-label": title, onclick: (event) => changed(event.target.getAttribute("aria-checked") !== "true"), ...more });

export class Studio {
  // running: called when a show's panel is there.
  constructor(running) {
    this.running = running;
    this.lists = new Map(); // of folders, by the field's name: one that is open stays, whatever is drawn
    this.fields = []; this.filled = null; this.began = ""; this.offers = null; this.show = { state: "stopped" }; this.whys = new Map();
    this.form = make("div", { class: "page" });
    this.said = make("p", { role: "status" });
    this.start = make("button", { class: "key go", type: "button", hidden: true, onclick: () => this.begin() }, "Start");
    this.stop = make("button", { class: "key", type: "button", hidden: true, onclick: () => this.send({ stop: true }) }, "Stop");
    this.quit = make("button", { class: "chip", type: "button", hidden: true, onclick: () => this.leave() }, "Quit livedream");
    this.node = make("div", { class: "show" },
      make("div", { class: "welcome" }, make("h1", {}, "livedream"), make("p", {}, "Choose a source and where it goes, then press Start.")),
      this.form, make("div", { class: "row after" }, this.quit), make("div", { class: "bar" }, this.said, this.stop, this.start));
    this.heard = dropSilent(() => this.socket);
    this.connect();
    setInterval(() => { if (this.missed) this.redraw(); this.drawBar(); }, 1000);
  }

  connect() {
    this.socket = new WebSocket(`ws://${location.host}/studio`);
    this.socket.onopen = this.heard;
    this.socket.onmessage = (event) => { this.heard(); this.received(JSON.parse(event.data)); };
    this.socket.onclose = (event) => {
      const why = whyClosed(event);
      this.gone = why ? `${capital(why)}, trying again.` : "No connection: livedream has quit or cannot be reached.";
      this.drawBar();
      setTimeout(() => this.connect(), 1000);
    };
  }

  // Whether it was.
  send(message) {
    const open = this.socket.readyState === WebSocket.OPEN;
    if (open) this.socket.send(JSON.stringify(message));
    return open;
  }

  received(message) {
    this.gone = "";
    if (message.fields) { this.fields = message.fields; this.phone = message.phone; }
    if (message.folder) this.drawFolder(message.folder);
    if (message.fault) this.refuse(message.fault, message.at);
    if (!message.show) return;
    this.left = false;
    const { show, filled, offers, looking, look } = message;
    const begun = JSON.stringify(filled);
    const redraw = begun !== this.began || JSON.stringify([offers, looking, look]) !== this.offered;
    this.offered = JSON.stringify([offers, looking, look]);
    // What was begun by somebody is what is shown; what only this page has changed stays until then.
    if (begun !== this.began || !this.filled) this.filled = JSON.parse(begun);
    this.began = begun; this.offers = offers; this.looking = looking; this.look = look;
    const another = this.show.number !== show.number;
    const refused = show.refused && (another || this.show.error !== show.error); // and not known already
    if (another) { this.clear(); this.trouble = ""; }
    this.show = { ...show, at: performance.now() - show.seconds * 1000 };
    if (redraw) this.redraw();
    if (refused) this.refuse(show.error, show.field);
    this.drawBar();
    if (show.state === "running") this.running();
  }

  // Not under somebody's fingers: what is pressed, typed into or open is left, and drawn later.
  // own: what was changed here, by who types no more.
  redraw(own = false) {
    this.missed = this.form.querySelector(own ? ":active, select.open" : ":active, select.open, input:focus") !== null;
    if (!this.missed) this.draw();
    else if (own) setTimeout(() => this.redraw(true), 50);
  }

  // What the show says of its source and outputs.
  hear({ source, outputs, dreams_per_s, level }) {
    this.preparing = !dreams_per_s && !level;
    this.trouble = [source, ...outputs].filter((one) => ["lost", "failed"].includes(one.state)).map((one) => (one.detail.startsWith(one.name) ? one.detail : `${one.name}: ${one.detail || one.state}`)).join("; ");
    this.drawBar();
  }

  value(name) { return this.filled[name] ?? null; }

  set(name, value, redraw = false) {
    this.filled[name] = value;
    this.whys.get(name)?.show("");
    this.bad = "";
    if (redraw) setTimeout(() => this.redraw(true)); // after the press, or the step of the focus, that ended the typing
    this.drawBar();
  }

  get sinks() { return this.value("sinks") ?? [WINDOW]; }

  // At first a camera, where there is none a test picture.
  get source() {
    const first = (group) => this.offers.source.find((one) => one.value && one.group === group)?.value;
    return this.value("source") ?? first("Cameras") ?? first("Test pictures");
  }

  begin() {
    this.clear();
    if (!this.sinks.length) { this.refuse("Choose at least one output.", "sinks"); return; }
    this.send({ start: { ...this.filled, source: this.source, sinks: this.sinks } });
    this.pressed = performance.now();
    this.drawBar();
  }

  leave() {
    if (this.show.state !== "stopped" && !confirm("This ends the show. Quit?")) return;
    this.left = this.send({ quit: true });
  }

  clear() {
    this.bad = "";
    for (const why of this.whys.values()) why.show("");
  }

  refuse(text, name) {
    this.pressed = 0;
    this.bad = text;
    const why = this.whys.get(name);
    why?.show(text, 0);
    why?.node.closest("details")?.setAttribute("open", "");
    why?.node.scrollIntoView({ block: "center" });
    this.drawBar();
  }

  changed() {
    const now = { ...this.filled, source: this.source, sinks: this.sinks };
    const then = JSON.parse(this.began || "{}");
    const said = (value) => JSON.stringify(value === false ? null : value ?? null); // "" is an option without a value
    return [...new Set([...Object.keys(now), ...Object.keys(then)])].some((name) => said(now[name]) !== said(then[name]));
  }

  drawBar() {
    if (!this.filled) { announce(this.said, this.gone || ""); return; }
    const { state, line, error, at } = this.show;
    const seconds = (performance.now() - at) / 1000;
    const asked = this.pressed && performance.now() - this.pressed < 15000 && state === "stopped";
    if (state !== "stopped") this.pressed = 0;
    const words = {
      stopped: this.bad || (error ? `The show ended: ${error}` : asked ? "Starting" : this.show.number ? "Stopped" : ""), starting: `Starting${line ? `: ${line}` : ""}`, stopping: "Stopping",
      running: this.bad || this.trouble || (this.preparing ? "Preparing the first dream" : "Running"), waiting: `The show crashed and is restarting: ${error}`,
    };
    const text = !this.gone ? words[state] : this.left ? "livedream has quit. You can close this tab." : this.gone;
    const restart = state === "running" && this.changed();
    announce(this.said, text, text === "Running" ? ` for ${duration(seconds)}${restart ? ". Restarting stops the dream for a few seconds; a fullscreen display is black meanwhile." : ""}` : "");
    this.said.className = this.left ? "" : this.gone || this.bad || (state === "running" && this.trouble) || error ? "bad" : "";
    const stopped = state === "stopped";
    this.stop.hidden = stopped;
    this.quit.hidden = this.form.inert = this.left;
    this.stop.disabled = state === "stopping" || Boolean(this.gone);
    this.quit.disabled = Boolean(this.gone);
    this.start.hidden = !stopped && !this.changed();
    this.start.disabled = Boolean(asked || this.gone) || state === "stopping";
    this.start.textContent = stopped ? "Start" : "Restart with this";
  }

  why(name) {
    if (!this.whys.has(name)) this.whys.set(name, refusal());
    return this.whys.get(name).node;
  }

  draw() {
    const groups = new Map();
    for (const field of this.fields) if (!PLACED.includes(field.name)) groups.set(field.group, [...(groups.get(field.group) ?? []), field]);
    const controllers = groups.get("controllers") ?? [];
    groups.delete("controllers");
    const open = this.form.querySelector("details")?.open;
    // The focus stays: on what is called the same, and stands in the same place among all that are.
    const focus = this.form.querySelector(":focus");
    const alike = () => [...this.form.querySelectorAll("button, input, select, summary")].filter((one) => called(one) === called(focus));
    const index = focus && alike().indexOf(focus);
    const more = [...groups].map(([name, fields]) => make("section", {}, make("h2", {}, capital(name)), this.controls(fields)));
    this.form.replaceChildren(this.drawSource(), this.drawOutputs(),
      make("section", {}, make("h2", {}, "Sound, controllers, presets"), this.controls(controllers)),
      make("details", { open }, make("summary", {}, "More"), make("div", { class: "page" }, ...more)));
    const again = focus && alike()[index];
    again?.focus({ preventScroll: true });
    if (again?.type === "text") again.setSelectionRange(focus.selectionStart, focus.selectionEnd);
  }

  field(name) { return this.fields.find((one) => one.name === name); }

  controls(fields) { return make("div", { class: "faders" }, ...fields.map((field) => this.control(field))); }

  text(field, changed, more = {}) {
    const input = make("input", { class: "field", type: "text", spellcheck: "false", autocapitalize: "off", autocomplete: "off",
      placeholder: usual(field) || EXAMPLES[field.metavar] || (field.metavar.length > 1 && field.metavar !== "TEXT" ? field.metavar.toLowerCase() : ""), value: this.value(field.name) ?? "", "aria-label": titled(field.name), ...more });
    input.addEventListener("change", () => changed(input.value.trim()));
    return input;
  }

  select(field, choices) {
    const now = this.value(field.name);
    const node = make("select", { "aria-label": titled(field.name) },
      ...choices.map(({ value, title }) => make("option", { value: JSON.stringify(value), selected: value === now }, title)));
    if (field.kind !== "choice") node.append(make("option", { value: "other" }, "other…"));
    for (const type of ["pointerdown", "keydown"]) node.addEventListener(type, () => node.classList.add("open"));
    for (const type of ["change", "blur"]) node.addEventListener(type, () => node.classList.remove("open"));
    node.addEventListener("change", () => {
      if (node.value !== "other") { this.set(field.name, JSON.parse(node.value), true); return; }
      const typed = this.text(field, (text) => this.set(field.name, text || null, true));
      node.replaceWith(typed);
      typed.focus();
    });
    return node;
  }

  // With which look the show goes on, whatever the form says of the preset to begin with.
  get lookTitle() { return this.offers.preset.find((one) => one.value === this.look)?.title ?? this.look; }

  // Whether the empty choice of a preset goes on with it: one that names another beginning does not.
  get keepsLook() { return this.look && !JSON.parse(this.began || "{}").preset; }

  leftAs() {
    return this.look ? `. The next show goes on as the last one was left, with ${this.lookTitle}; choose another preset to begin with that` : "";
  }

  // One option, made from its declaration.
  control(field) {
    const { name, kind } = field;
    const title = titled(name);
    const value = this.value(name);
    const offered = (this.offers[name] ?? []).filter((one) => one.value);
    if (name === "display" && !offered.length && this.looking) {
      const now = value ?? "0";
      offered.push({ value: now, title: /^\d+$/.test(now) ? `Screen ${Number(now) + 1}` : now });
    }
    const named = (one) => ({ value: one.value, title: one.note && one.note.length < 24 ? `${one.title}, ${one.note}` : inWords(one.title, name) });
    const plate = (...nodes) => make("div", {}, make("label", { class: "plate", "data-field": name }, make("span", {}, title), ...nodes),
      PLAIN.includes(name) ? null : make("p", { class: "tip" }, tip(field) + (name === "preset" ? this.leftAs() : "")), this.why(name));
    if (kind === "switch") return plate(toggle(title, value === true, (on) => this.set(name, on, true)));
    if (offered.length && kind !== "list") {
      const none = kind === "optional" ? [{ value: null, title: "off" }, { value: "", title: "the default" }] : [{ value: null, title: name === "preset" && this.keepsLook ? `as it was left: ${this.lookTitle}` : inWords(usual(field), name) || "none" }];
      const kept = value && !offered.some((one) => one.value === value) ? [{ value, title: inWords(value, name) }] : [];
      return plate(this.select(field, [...(name === "display" ? [] : none), ...offered.map(named), ...kept]));
    }
    if (kind === "choice") return plate(this.select(field, [{ value: null, title: usual(field) || "default" }, ...field.choices.filter((choice) => choice !== usual(field)).map((choice) => ({ value: choice, title: choice }))]));
    if (field.metavar === "FOLDER") {
      const input = this.text(field, (text) => this.set(name, text || null));
      const found = this.browser(name, () => input.value, { inside: "Record into this folder" });
      return make("div", {}, plate(input, found.button), found.list);
    }
    if (kind !== "optional") return plate(this.text(field, (text) => this.set(name, text || null), kind === "number" ? { inputmode: "decimal" } : {}));
    return plate(value === null ? null : this.text(field, (text) => this.set(name, text)), toggle(title, value !== null, (on) => this.set(name, on ? "" : null, true)));
  }

  drawSource() {
    const field = this.field("source");
    // What is searched for has its place already: nothing moves under a pointer when it is found.
    const groups = new Map([["Cameras", []], ...(this.looking ? [["Screens", []], ["Windows", []]] : [])]);
    for (const one of this.offers.source) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);
    const chip = (one) => (one.value
      ? make("button", { class: "chip", type: "button", "data-source": one.value, title: one.note, "aria-pressed": String(one.value === this.source),
        onclick: () => this.set("source", one.value, true) }, one.title, one.note ? make("small", {}, one.note) : null)
      : make("p", { class: "tip" }, one.note));
    const rows = [...groups].map(([title, found]) => make("div", { class: "choice" }, make("span", {}, title),
      make("div", { class: "row" }, ...found.map(chip), found.length ? null : make("p", { class: "tip" }, this.looking ? "searching…" : "none found"),
        title === "Cameras" && !this.looking ? make("button", { class: "chip quiet", type: "button", onclick: () => this.send({ look: true }) }, "Rescan devices") : null)));
    const typed = this.offers.source.some((one) => one.value === this.source) ? "" : this.source;
    const input = this.text(field, (text) => this.set("source", text || null, true), { value: typed, class: typed ? "field on" : "field", placeholder: "a film, a folder of pictures, rtsp://…", title: field.help, "aria-label": "file, folder or address" });
    const found = this.browser("source", () => input.value, { inside: "All pictures in this folder, in order", files: true });
    return make("section", { "data-section": "source" }, make("h2", {}, "Source"), ...rows,
      make("div", { class: "choice" }, make("span", {}, "File, address"), make("div", { class: "row" }, input, found.button)),
      found.list, this.why("source"));
  }

  // A button and a list to choose from the folders of the machine that livedream runs on. name: the field's.  at: where it begins.
  // inside: what choosing the open folder is called.  files: whether one of its films and pictures can be.
  browser(name, at, { inside, files = false }) {
    if (!this.lists.has(name)) this.lists.set(name, make("div", { class: "folder", hidden: true }));
    const list = this.lists.get(name);
    const chosen = (path) => { list.hidden = true; this.set(name, path, true); };
    const toggled = () => {
      const open = this.open?.list === list && !list.hidden;
      if (this.open) this.open.list.hidden = true;
      this.open = { list, chosen, inside, files };
      if (!open) this.send({ folder: at() });
    };
    return { button: make("button", { class: "chip", type: "button", onclick: toggled }, "Browse"), list };
  }

  drawFolder({ path, parent, drives, folders, files, separator }) {
    if (!this.open) return;
    const { list, chosen, inside } = this.open;
    const shown = this.open.files ? files : [];
    const within = (name) => (path.endsWith(separator) ? path + name : path + separator + name);
    const line = (title, choose, more = "") => make("button", { class: `line${more}`, type: "button", onclick: choose }, title);
    const go = (title, to) => line(title, () => this.send({ folder: to }));
    const opened = list.hidden;
    list.hidden = false;
    list.replaceChildren(make("p", { class: "tip" }, path), parent === path ? null : go("↑ up", parent), ...drives.map((root) => go(root, root)), ...folders.map((name) => go(`${name}${separator}`, within(name))),
      ...shown.map((name) => line(name, () => chosen(within(name)), " file")),
      shown.length || !this.open.files ? line(inside, () => chosen(path)) : make("p", { class: "tip" }, "no films or pictures here"));
    if (opened) list.scrollIntoView({ block: "nearest" });
  }

  drawOutputs() {
    const sinks = this.sinks;
    const change = (found) => this.set("sinks", found, true);
    const screen = sinks.some(isWindow);
    const beside = BESIDE.filter((name) => name !== "overlap" || this.value("display")?.includes(",")); // of several screens
    const row = (title, note, nodes, name) => make("div", {}, make("label", { class: "plate", "data-sink": name }, make("span", {}, title), ...nodes), note ? make("p", { class: "tip" }, note) : null);
    const ways = this.offers.sinks.map((one) => {
      const on = sinks.includes(one.value);
      return row(capital(one.note), one.missing ? `not installed: ${one.missing}` : on && one.value !== one.title ? one.value : on ? one.address ?? "" : "", [toggle(one.note, on,
        (wanted) => change(wanted ? [...sinks, one.value] : sinks.filter((sink) => sink !== one.value)), { disabled: Boolean(one.missing) })], one.title);
    });
    const known = this.offers.sinks.map((one) => one.value);
    const others = sinks.filter((sink) => !isWindow(sink) && !known.includes(sink));
    const kept = (index, text) => change([...sinks.filter((sink) => !others.includes(sink)), ...others.map((sink, other) => (other === index ? text : sink)), ...(index === others.length ? [text] : [])].filter(Boolean));
    const written = [...others, ""].map((sink, index) => row("Stream (RTMP, SRT, WHIP)", index === others.length ? "rtmp://SERVER/KEY, srt://HOST:PORT: a key is moved to a file that only you can read, and not shown again" : "",
      [make("input", { class: "field", type: "text", spellcheck: "false", autocapitalize: "off", autocomplete: "off", placeholder: "rtmp://… srt://…", value: sink, "aria-label": "address of a stream",
        onchange: (event) => kept(index, event.target.value.trim()) })], "other"));
    written.push(this.why("sinks"));
    return make("section", {}, make("h2", {}, "Outputs"),
      make("div", { class: "faders" }, row("Window or projector", "", [toggle("window", screen, (on) => change(on ? [WINDOW, ...sinks] : sinks.filter((sink) => !isWindow(sink))))], "window"),
        ...(screen ? beside.map((name) => this.control(this.field(name))) : []), ...ways, ...written, this.control(this.field("record"))));
  }
}
